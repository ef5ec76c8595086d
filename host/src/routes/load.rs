//! From a directory to a [`RouteTable`]: every `.wasm` below it, each by itself, so that a bad one costs only itself.
//!
//! Owns reading the disk. It prints nothing: what is wrong is a [`Diagnostic`].

mod disk;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::file::RouteFile;
use super::{Mount, Route, RouteTable, method, pattern};
use crate::diagnostic::{Diagnostic, Severity};
use crate::guest::{Declaration, Engine, Handler};
use crate::options::{OptionError, Options, Source, Value, printable};

use disk::Files;

/// The largest files that are read.
const MAX_COMPONENT_BYTES: u64 = 512 * 1024 * 1024;
const MAX_ROUTE_FILE_BYTES: u64 = 1024 * 1024;

/// How long a component may take to describe itself, unless its route's `timeout` is shorter.
const MAX_DESCRIBE: Duration = Duration::from_secs(5);

/// Loads all routes below `directory`, on all cores.
///
/// # Errors
/// Where the directory itself cannot be read. Everything else is a diagnostic.
pub fn load(directory: &Path, flags: &[(String, Value)], engine: &Engine) -> io::Result<(RouteTable, Vec<Diagnostic>)> {
    let Files { components, mut diagnostics, .. } = Files::find(directory)?;
    let loader = Loader { directory, flags, engine };
    let mut routes = Vec::new();
    for loaded in on_all_cores(&components, |file| loader.load(file)) {
        routes.extend(loaded.route);
        diagnostics.extend(loaded.diagnostics);
    }
    let (table, conflicts) = RouteTable::build(routes);
    diagnostics.extend(conflicts);
    diagnostics.sort_by(|one, other| one.file.cmp(&other.file));
    Ok((table, diagnostics))
}

/// Loads one component after the other.
struct Loader<'l> {
    directory: &'l Path,
    flags: &'l [(String, Value)],
    engine: &'l Engine,
}

/// What became of one component.
#[derive(Default)]
struct Loaded {
    route: Option<Route>,
    diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    fn failed(file: &Path, reason: impl ToString, remedy: impl ToString) -> Self {
        Self { route: None, diagnostics: vec![error(file, reason, remedy)] }
    }
}

impl Loader<'_> {
    fn load(&self, file: &Path) -> Loaded {
        let place = file.strip_prefix(self.directory).unwrap_or(file);
        let route_file = match read_route_file(&file.with_extension("toml")) {
            Ok(route_file) => route_file,
            Err(diagnostics) => return Loaded { route: None, diagnostics },
        };
        let name: Arc<str> = printable(&place.with_extension("").to_string_lossy()).into();
        // What the operator allows it counts for `describe` too.
        let operator = match Options::resolve(self.flags, &[], &route_file.options) {
            Ok(options) => options.settings,
            Err(errors) => return Loaded { route: None, diagnostics: option_errors(file, &route_file, &errors) },
        };
        let bytes = match disk::read(file, MAX_COMPONENT_BYTES) {
            Ok(bytes) => bytes,
            Err(reason) => return Loaded::failed(file, reason, "make it a readable file of a component"),
        };
        let timeout = operator.timeout.min(MAX_DESCRIBE);
        let handler = match Handler::load(self.engine, &name, &bytes, operator.memory, timeout) {
            Ok(handler) => handler,
            Err(error) => return Loaded::failed(file, &error, error.remedy()),
        };
        self.mount(file, name, route_file, handler)
    }

    /// Puts together what the file's place, the component and the route file say.
    fn mount(&self, file: &Path, name: Arc<str>, route_file: RouteFile, handler: Handler) -> Loaded {
        let none = Declaration { paths: Vec::new(), methods: Vec::new(), options: Vec::new() };
        let declared = handler.declaration().unwrap_or(&none);
        if let Err(error) = pattern::check_all(&declared.paths) {
            return Loaded::failed(file, format!("its declaration: {error}"), error.remedy());
        }
        if let Err(error) = method::check(&declared.methods) {
            return Loaded::failed(file, format!("its declaration: {error}"), "declare methods that clients send");
        }
        let options = match Options::resolve(self.flags, &declared.options, &route_file.options) {
            Ok(options) => options,
            Err(errors) => return Loaded { route: None, diagnostics: option_errors(file, &route_file, &errors) },
        };
        let patterns = match (route_file.paths.is_empty(), declared.paths.is_empty()) {
            (false, _) => route_file.paths,
            (true, false) => declared.paths.clone(),
            (true, true) => match pattern::from_place(file.strip_prefix(self.directory).unwrap_or(file)) {
                Ok(pattern) => vec![pattern],
                Err(error) => return Loaded::failed(file, error, error.remedy()),
            },
        };
        let methods = route_file.methods.unwrap_or_else(|| declared.methods.clone());
        let diagnostics = options.lowered().iter().map(|lowered| Diagnostic {
            severity: Severity::Warning,
            file: file.to_owned(),
            reason: lowered.to_string(),
            remedy: format!("to allow it, set it in {}", file.with_extension("toml").display()),
        });
        let diagnostics = diagnostics.collect();
        let mount = Mount { name, patterns, methods, file: file.to_owned() };
        Loaded { route: Some(Route::new(mount, options, Arc::new(handler))), diagnostics }
    }
}

/// The route file, or an empty one where there is none. A link to nowhere is one that cannot be read.
fn read_route_file(file: &Path) -> Result<RouteFile, Vec<Diagnostic>> {
    if file.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(RouteFile::default());
    }
    let remedy = "make it a readable text file of TOML";
    let text = disk::read(file, MAX_ROUTE_FILE_BYTES).map_err(|reason| vec![error(file, reason, remedy)])?;
    let text = String::from_utf8(text).map_err(|_| vec![error(file, "it is not UTF-8", remedy)])?;
    RouteFile::parse(&text).map_err(|errors| errors.iter().map(|e| error(file, e, e.remedy())).collect())
}

/// Each mistake at the file that makes it.
fn option_errors(component: &Path, route_file: &RouteFile, errors: &[OptionError]) -> Vec<Diagnostic> {
    let report = |mistake: &OptionError| match mistake.set_by {
        Source::File => {
            let line = route_file.line(&mistake.name).map_or_else(String::new, |line| format!("line {line}: "));
            let remedy = "write what is expected in its place";
            error(&component.with_extension("toml"), format!("{line}{mistake}"), remedy)
        }
        Source::Component => error(component, mistake, "declare what is expected in its place, and build it again"),
        Source::Default | Source::Flag => error(component, mistake, "correct the flag on the command line"),
    };
    errors.iter().map(report).collect()
}

fn error(file: &Path, reason: impl ToString, remedy: impl ToString) -> Diagnostic {
    let (reason, remedy) = (reason.to_string(), remedy.to_string());
    Diagnostic { severity: Severity::Error, file: file.to_owned(), reason, remedy }
}

/// Works on all items, in threads, and gives the results in the order of the items.
fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?)))
        {
            done.push((index, work(item)));
        }
        done
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("work does not panic")).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
