//! Loads one component: from its bytes and its route file to a [`Route`] or to middleware.
//!
//! Each is loaded by itself, so that a bad one costs only itself. Whatever is wrong becomes a [`Diagnostic`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::component::ComponentKey;
use super::declared_paths::Declare;
use super::file::{self, OPERATOR_KEYS, REQUEST_FIELDS, RouteFile, RouteFileError, TIMER, TOPICS};
use super::fingerprint::Fingerprint;
use super::holders::Authority;
use super::interpreters::{Interpreters, NoInterpreter};
use super::middleware::{LoadedMiddleware, covers};
use super::pattern::PatternError;
use super::pending::PendingRoute;
use super::script::Language;
use super::source::Source;
use super::target::RouteTarget;
use super::timer::RouteTimer;
use super::{Mount, Route, method, pattern};
use crate::diagnostic::Diagnostic;
use crate::grants::{GrantError, GrantKind, GrantSources, GrantTable, Grants};
use crate::guest::{
    Declaration, Effort, Engine, GrantableImports, Handler, Interpreter, LoadError, Middleware, NotLoaded,
    RequestFields, SourceFile, World,
};
use crate::options::{OptionError, OptionSource, Options, Settings, Value, similar};
use crate::regular_file::ReadError;
use crate::text::printable;

/// The largest files that are read, in bytes.
const MAX_COMPONENT_BYTES: u64 = 512 * 1024 * 1024;
const MAX_ROUTE_FILE_BYTES: u64 = 1024 * 1024;
const MAX_SCRIPT_BYTES: u64 = 1024 * 1024;
const MAX_LIBRARY_BYTES: u64 = 8 * 1024 * 1024;

/// How long a component may take to describe itself, unless its route's `timeout` is shorter.
const MAX_DESCRIBE: Duration = Duration::from_secs(5);

/// Loads components. Called by several threads at once.
pub(crate) trait Load: Send + Sync {
    /// Loads one component. Compiling it may take many seconds; `effort` says whether that is wanted.
    fn load(&self, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished>;

    /// How many components the compile cache had, and how many had to be compiled.
    fn cache_hits_and_misses(&self) -> (usize, usize);
}

/// Why loading a component ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It has to be compiled, which `effort` excludes.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

/// Why a component was not loaded.
enum NotMounted {
    Failed(Failure),
    Unfinished(Unfinished),
}

impl From<Failure> for NotMounted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A component to be loaded.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Which component it is.
    pub(crate) key: ComponentKey,
    /// Its route file, or what is wrong with that.
    pub(crate) route_file: Result<RouteFile, Failure>,
    fingerprint: Fingerprint,
}

/// The result of loading one component.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `None` if it failed: the diagnostics say why.
    pub(crate) component: Option<LoadedComponent>,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// When it is worth loading it again.
    pub(crate) retry: Retry,
}

/// A loaded component.
#[derive(Debug)]
pub(crate) enum LoadedComponent {
    /// A route, without its chain.
    Route(Box<Route>),
    /// Middleware.
    Middleware(Arc<LoadedMiddleware>),
}

/// Why a component could not be loaded.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    diagnostics: Vec<Diagnostic>,
    retry: Retry,
}

/// When it is worth loading a component again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// When its files change.
    OnChange,
    /// At the next listing: the failure may be transient, such as too many open files.
    AtNextScan,
}

/// Loads components into an engine.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) flags: Vec<(String, Value)>,
    /// Which paths components may declare, unless their route files say.
    pub(crate) declare: Declare,
    /// The bytes that all may take together, if that is bounded.
    pub(crate) max_memory: Option<usize>,
    pub(crate) engine: Engine,
    pub(crate) interpreters: Interpreters,
    /// Where what is granted comes from.
    pub(crate) grant_sources: Arc<GrantSources>,
    /// What every component is granted in place of what its route file says.
    pub(crate) grant: Option<GrantTable>,
}

impl Candidate {
    /// Reads the route file of a component that has this fingerprint.
    pub(super) fn read(source: &dyn Source, key: ComponentKey, fingerprint: Fingerprint) -> Self {
        // A file that is emptied to be written anew would else be read as one without middleware.
        let route_file = read_route_file(source, &key).and_then(|route_file| match source.fingerprint(&key) {
            Ok(now) if now == fingerprint => Ok(route_file),
            Ok(_) | Err(_) => Err(Failure::changed(key.route_file())),
        });
        Self { key, route_file, fingerprint }
    }

    /// Its fingerprint when it was found.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What it may answer, before its component is loaded.
    pub(super) fn pending_route(&self) -> PendingRoute {
        match &self.route_file {
            // No request is answered by it alone.
            Ok(_) if self.key.is_middleware() => PendingRoute::At(Vec::new()),
            Ok(route_file) if route_file.paths.is_empty() => {
                PendingRoute::Anywhere(pattern::from_tree_path(self.key.path()).ok())
            }
            Ok(route_file) => PendingRoute::At(route_file.paths.clone()),
            // It is loaded only to report what is wrong with it too, and not mounted.
            Err(_) => PendingRoute::At(Vec::new()),
        }
    }
}

impl Loaded {
    /// A failure that lasts until the files change.
    pub(super) fn failed(key: &ComponentKey, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Failure::lasting(vec![Diagnostic::error(key, reason, remedy)]).into()
    }
}

impl From<Failure> for Loaded {
    fn from(Failure { diagnostics, retry }: Failure) -> Self {
        Self { component: None, diagnostics, retry }
    }
}

impl Failure {
    /// Mistakes in the files.
    fn lasting(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics, retry: Retry::OnChange }
    }

    /// A file cannot be read.
    fn unread(location: &str, reason: &ReadError, remedy: &str) -> Self {
        let retry = match reason {
            ReadError::System(_) => Retry::AtNextScan,
            ReadError::NotRegular | ReadError::TooLarge(_) => Retry::OnChange,
        };
        Self { diagnostics: vec![Diagnostic::error(location, reason, remedy)], retry }
    }

    /// A file is written while it is read.
    fn changed(location: &str) -> Self {
        let (reason, remedy) = ("it changed while it was read", "wait: it is read again as soon as it rests");
        Self { diagnostics: vec![Diagnostic::error(location, reason, remedy)], retry: Retry::AtNextScan }
    }

    /// Both failures together. Worth a retry if one of them is.
    fn and(mut self, other: Self) -> Self {
        self.diagnostics.extend(other.diagnostics);
        let retry = if self.retry == Retry::AtNextScan { self.retry } else { other.retry };
        Self { retry, ..self }
    }
}

impl Load for Loader {
    fn load(&self, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished> {
        let name = candidate.key.name();
        let loaded = match candidate.key.is_middleware() {
            true => self.middleware(candidate, name, effort),
            false => self.route(candidate, name, effort),
        };
        match loaded {
            Ok(loaded) => Ok(loaded),
            Err(NotMounted::Failed(failure)) => Ok(failure.into()),
            Err(NotMounted::Unfinished(unfinished)) => Err(unfinished),
        }
    }

    fn cache_hits_and_misses(&self) -> (usize, usize) {
        self.engine.cache_hits_and_misses()
    }
}

impl Loader {
    /// The route file and the operator's settings, before the component is known. They hold for its `describe` too.
    fn operator<'c>(&self, candidate: &'c Candidate) -> Result<(&'c RouteFile, Settings), Failure> {
        let route_file = candidate.route_file.as_ref().map_err(Clone::clone)?;
        let options = Options::resolve(&self.flags, &[], &route_file.options);
        let options = options.map_err(|errors| Failure::lasting(option_errors(&candidate.key, route_file, &errors)))?;
        Ok((route_file, options.settings))
    }

    fn route(&self, candidate: &Candidate, name: Arc<str>, effort: &Effort) -> Result<Loaded, NotMounted> {
        let key = &candidate.key;
        match self.operator(candidate) {
            Ok((route_file, settings)) => {
                let handler = self.handler(key, &name, &settings, effort)?;
                Ok(self.mount(key, route_file, name, handler))
            }
            Err(failure) => match Options::resolve(&self.flags, &[], &[]) {
                // If something is wrong with the component too, both are reported at once.
                Ok(options) => match self.handler(key, &name, &options.settings, effort) {
                    Ok(_) => Err(failure.into()),
                    Err(NotMounted::Failed(other)) => Err(failure.and(other).into()),
                    Err(unfinished) => Err(unfinished),
                },
                Err(_) => Err(failure.into()),
            },
        }
    }

    /// Loads the component as a handler.
    fn handler(
        &self,
        key: &ComponentKey,
        name: &Arc<str>,
        settings: &Settings,
        effort: &Effort,
    ) -> Result<Handler, NotMounted> {
        let timeout = settings.timeout.min(MAX_DESCRIBE);
        let Some(language) = Language::of(key.path()) else {
            return self
                .component(key, |bytes| Handler::load(&self.engine, name, bytes, settings.memory, timeout, effort));
        };
        let interpreter = self.interpreter(key, language, effort)?;
        self.script(key, |files| {
            let script = interpreter.prepare(files, name, settings.memory, timeout)?;
            Handler::of_script(&self.engine, &interpreter, script)
        })
    }

    /// The interpreter of a script.
    fn interpreter(
        &self,
        key: &ComponentKey,
        language: Language,
        effort: &Effort,
    ) -> Result<Arc<Interpreter>, NotMounted> {
        let error = match self.interpreters.get(&self.engine, language, effort) {
            Ok(interpreter) => return Ok(interpreter),
            Err(NoInterpreter::Uncached) => return Err(NotMounted::Unfinished(Unfinished::Uncached)),
            Err(NoInterpreter::Stopped) => return Err(NotMounted::Unfinished(Unfinished::Stopped)),
            Err(error) => error,
        };
        let (language, file) = (language.name(), language.interpreter());
        let diagnostics = match error {
            NoInterpreter::Missing(places) => {
                let reason = format!("there is no interpreter of {language}: no `{file}` in {places}");
                let remedy = "`make interpreters` in the source tree of this host builds it; `--interpreters` names its \
                              directory";
                vec![Diagnostic::error(key, reason, remedy)]
            }
            NoInterpreter::Unread(file, reason) => {
                let reason = format!("the interpreter of {language}, {}: {reason}", file.display());
                vec![Diagnostic::error(key, reason, "make it readable, or build it again: `make interpreters`")]
            }
            NoInterpreter::Refused(file, errors) => {
                let report = |error: &LoadError| {
                    let reason = format!("the interpreter of {language}, {}: {error}", file.display());
                    Diagnostic::error(key, reason, error.remedy())
                };
                errors.iter().map(report).collect()
            }
            NoInterpreter::Uncached | NoInterpreter::Stopped => Vec::new(),
        };
        // It may be there at the next listing.
        Err(Failure { diagnostics, retry: Retry::AtNextScan }.into())
    }

    /// Reads a script and what it can import, and loads it.
    fn script<C>(
        &self,
        key: &ComponentKey,
        load: impl FnOnce(Vec<SourceFile>) -> Result<C, LoadError>,
    ) -> Result<C, NotMounted> {
        let remedy = "make it a readable file, and the script smaller";
        let unread = |reason| Failure::unread(key.location(), &reason, remedy);
        let content = self.source.read(key, MAX_SCRIPT_BYTES).map_err(unread)?;
        let library = self.source.read_library(key, MAX_LIBRARY_BYTES).map_err(unread)?;
        let script = SourceFile { path: key.path().to_string_lossy().into_owned(), content: content.into() };
        let library = library.into_iter().map(|file| SourceFile { path: file.path, content: file.content.into() });
        load(std::iter::once(script).chain(library).collect()).map_err(|error| {
            let diagnostic = Diagnostic::error(key, &error, error.remedy()).explained(error.explanation());
            Failure::lasting(vec![diagnostic]).into()
        })
    }

    /// Reads and loads a component.
    fn component<C>(
        &self,
        key: &ComponentKey,
        load: impl FnOnce(&Bytes) -> Result<C, NotLoaded>,
    ) -> Result<C, NotMounted> {
        let remedy = "make it a readable file of a component";
        let bytes = self.source.read(key, MAX_COMPONENT_BYTES);
        let bytes = bytes.map_err(|reason| Failure::unread(key.location(), &reason, remedy))?;
        load(&bytes.into()).map_err(|reason| match reason {
            NotLoaded::Refused(errors) => {
                let passes = errors.iter().any(LoadError::is_transient);
                let diagnostics = errors.iter().map(|it| Diagnostic::error(key, it, it.remedy())).collect();
                let retry = if passes { Retry::AtNextScan } else { Retry::OnChange };
                NotMounted::Failed(Failure { diagnostics, retry })
            }
            NotLoaded::Uncached => NotMounted::Unfinished(Unfinished::Uncached),
            NotLoaded::Stopped => NotMounted::Unfinished(Unfinished::Stopped),
        })
    }

    /// Loads the component as middleware. Its route file has options and paths only.
    fn middleware(&self, candidate: &Candidate, name: Arc<str>, effort: &Effort) -> Result<Loaded, NotMounted> {
        let key = &candidate.key;
        let options = candidate.route_file.as_ref().map_err(Clone::clone).and_then(|beside| {
            if let Some((name, line)) = beside.of_handler() {
                let remedy =
                    "remove it: a middleware is for the routes below its directory, for its `paths`, and for those that name it";
                let reason = format!("line {line}: a middleware has no `{name}`");
                return Err(Failure::lasting(vec![Diagnostic::error(key.route_file(), reason, remedy)]));
            }
            let options = Options::resolve_middleware(&self.flags, &beside.options);
            let options = options.map_err(|errors| Failure::lasting(option_errors(key, beside, &errors)))?;
            let grants = self.grants(key, beside).map_err(Failure::lasting)?;
            Ok((options, beside, grants))
        });
        // If something is wrong with both, both are reported at once.
        let defaults = || Options::resolve_middleware(&self.flags, &[]).ok().map(|options| options.settings);
        let settings = options.as_ref().ok().map(|(options, ..)| options.settings.clone()).or_else(defaults);
        let (memory, timeout) = settings.map_or((0, MAX_DESCRIBE), |it| (it.memory, it.timeout.min(MAX_DESCRIBE)));
        let component = match Language::of(key.path()) {
            None => self.component(key, |bytes| Middleware::load(&self.engine, &name, bytes, memory, timeout, effort)),
            Some(language) => self.interpreter(key, language, effort).and_then(|interpreter| {
                self.script(key, |files| {
                    let script = interpreter.prepare(files, &name, memory, timeout)?;
                    Middleware::of_script(&self.engine, &interpreter, script)
                })
            }),
        };
        let ((options, route_file, grants), component) = match (options, component) {
            (_, Err(NotMounted::Unfinished(unfinished))) => return Err(NotMounted::Unfinished(unfinished)),
            (Ok(options), Ok(component)) => (options, component),
            (Err(one), Err(NotMounted::Failed(other))) => return Err(one.and(other).into()),
            (Err(failure), Ok(_)) | (Ok(_), Err(NotMounted::Failed(failure))) => return Err(failure.into()),
        };
        if let Some(wrong) = self.too_small(key, component.start_memory(), options.settings.memory) {
            return Err(Failure::lasting(vec![wrong]).into());
        }
        let paths = route_file.paths.clone();
        let covers = covers(key, &paths).into();
        let mut diagnostics = self.needless_grants(key, route_file, component.imports());
        diagnostics.extend(Self::similar_options(key, route_file, &[]));
        let middleware = Arc::new(LoadedMiddleware {
            name,
            key: key.clone(),
            options: Arc::new(options),
            grants,
            paths,
            covers,
            component,
        });
        Ok(Loaded { component: Some(LoadedComponent::Middleware(middleware)), diagnostics, retry: Retry::OnChange })
    }

    /// The declared paths that the component may declare, and a warning if there are others.
    fn admit(&self, key: &ComponentKey, route_file: &RouteFile, paths: &[String]) -> (Vec<String>, Option<Diagnostic>) {
        let declare = route_file.declare.unwrap_or(self.declare);
        let is_allowed = |path: &String| declare.allows(key.directory(), path);
        let (admitted, refused): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(is_allowed);
        if refused.is_empty() || !route_file.paths.is_empty() {
            return (admitted, None);
        }
        let more = if refused.len() > 1 { format!(" and {} more", refused.len() - 1) } else { String::new() };
        let rule = match declare {
            Declare::Nothing => "and components declare no paths here",
            Declare::Below | Declare::Any => "and a component declares paths of its directory and below",
        };
        let result = if admitted.is_empty() { "it answers at its place" } else { "it is not there" };
        let reason = format!("it declares the path `{}`{more}, {rule}; {result}", printable(&refused[0]));
        let remedy = format!("to allow it, write its path or `declare = \"any\"` into {}", key.route_file());
        (admitted, Some(Diagnostic::warning(key, reason, remedy)))
    }

    /// What the table of a component says that it is granted.
    fn grant_table<'t>(&'t self, route_file: &'t RouteFile) -> &'t GrantTable {
        self.grant.as_ref().unwrap_or(&route_file.grant)
    }

    /// Warns of options that are probably typing errors.
    fn similar_options(key: &ComponentKey, route_file: &RouteFile, declared: &[(String, Value)]) -> Vec<Diagnostic> {
        let reason = |name: &str, meant: &str| {
            format!("option `{}` is the handler's own; the host's is `{meant}`", printable(name))
        };
        let in_file = route_file.options.iter().filter_map(|(name, _)| {
            let meant = similar(name, &file::KEYS)?;
            let line = route_file.line(name).map_or_else(String::new, |line| format!("line {line}: "));
            let remedy = format!("write `{meant}` if that is meant, or give the handler's option another name");
            Some(Diagnostic::warning(key.route_file(), format!("{line}{}", reason(name, meant)), remedy))
        });
        let declared = declared.iter().filter_map(|(name, _)| {
            let meant = similar(name, &file::DECLARED_KEYS)?;
            let remedy = format!("declare `{meant}` if that is meant, or give the handler's option another name");
            Some(Diagnostic::warning(key, reason(name, meant), remedy))
        });
        in_file.chain(declared).collect()
    }

    /// Opens what a component is granted.
    fn grants(&self, key: &ComponentKey, route_file: &RouteFile) -> Result<Option<Arc<Grants>>, Vec<Diagnostic>> {
        let report = |error: &GrantError| Diagnostic::error(key.route_file(), error, error.reason.remedy());
        let route = key.path().with_extension("");
        let grants = self.grant_sources.open(&route.to_string_lossy(), self.grant_table(route_file));
        grants.map_err(|errors| errors.iter().map(report).collect())
    }

    /// Warns of grants that a component has no interface for.
    fn needless_grants(
        &self,
        key: &ComponentKey,
        route_file: &RouteFile,
        imports: &GrantableImports,
    ) -> Vec<Diagnostic> {
        let granted = self.grant_table(route_file).kinds();
        let needless = granted.into_iter().filter(|(kind, _)| !imports.has(*kind));
        let remedy = "remove the grant, or build the component with that interface";
        let warn = |(kind, line): (GrantKind, usize)| {
            let reason =
                format!("line {line}: `{}` is granted, and the component imports no interface for it", kind.key());
            Diagnostic::warning(key.route_file(), reason, remedy)
        };
        needless.map(warn).collect()
    }

    /// Reports a component that cannot start, for lack of memory.
    fn too_small(&self, key: &ComponentKey, start: usize, memory: usize) -> Option<Diagnostic> {
        let (reason, remedy) = if start > memory {
            (
                format!("its memories take {start} bytes when it starts, and its option `memory` is {memory}"),
                format!("raise `memory` in {}, or let the component begin with less", key.route_file()),
            )
        } else {
            let all = self.max_memory.filter(|all| start > *all)?;
            (
                format!("its memories take {start} bytes when it starts, and --max-memory is {all}"),
                "raise --max-memory, or let the component begin with less".to_owned(),
            )
        };
        Some(Diagnostic::error(key, reason, remedy))
    }

    /// Makes the route from the component's key, its declaration and its route file.
    fn mount(&self, key: &ComponentKey, route_file: &RouteFile, name: Arc<str>, handler: Handler) -> Loaded {
        let none = Declaration::default();
        let declared = handler.declaration().unwrap_or(&none);
        let mut wrong = Vec::new();
        if let Err(fault) = pattern::check_all(&declared.paths) {
            wrong.push(Diagnostic::error(key, format!("its declaration: {fault}"), fault.remedy()));
        }
        if let Err(fault) = method::check(&declared.methods) {
            let remedy = "declare methods that clients send";
            wrong.push(Diagnostic::error(key, format!("its declaration: {fault}"), remedy));
        }
        let (reserved, declared_options): (Vec<_>, Vec<_>) =
            declared.options.iter().cloned().partition(|(name, _)| OPERATOR_KEYS.contains(&name.as_str()));
        let options = Options::resolve(&self.flags, &declared_options, &route_file.options);
        let options = options.map_err(|errors| wrong.extend(option_errors(key, route_file, &errors)));
        if options.as_ref().is_ok_and(|options| options.settings.websocket) && !handler.takes_messages() {
            let reason = "it has the option `websocket`, and does not export `on-message` of the world `websocket`";
            let remedy = if handler.world() == World::Vibrato {
                "export it (in Rust, put `#[on_message]` of guest-sdk on a function), or leave the option out"
            } else {
                "leave the option out: wasi:http has no WebSockets"
            };
            wrong.push(Diagnostic::error(key, reason, remedy));
        }
        if let Ok(options) = &options {
            wrong.extend(self.too_small(key, handler.start_memory(), options.settings.memory));
        }
        let (admitted, outside) = self.admit(key, route_file, &declared.paths);
        let (patterns, authority) = patterns(key, route_file, admitted);
        let patterns = patterns.map_err(|fault| wrong.push(Diagnostic::error(key, fault, fault.remedy())));
        if let Ok(patterns) = &patterns {
            wrong.extend(route_file.check_request_fields(key, handler.world(), patterns));
        }
        let timer = patterns.as_ref().map_or(Ok(None), |patterns| timer(key, route_file, patterns));
        let timer = timer.unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        let grants = self.grants(key, route_file).map_err(|errors| wrong.extend(errors));
        let (Ok(options), Ok(patterns), Ok(grants), true) = (options, patterns, grants, wrong.is_empty()) else {
            return Failure::lasting(wrong).into();
        };
        let methods = route_file.methods.clone().unwrap_or_else(|| declared.methods.clone());
        let reserved = reserved.iter().map(|(name, _)| reserved_key(name));
        let remedy = format!("to allow it, set it in {}", key.route_file());
        let diagnostics = options.lowered().iter().map(ToString::to_string).chain(reserved);
        let diagnostics = diagnostics.map(|reason| Diagnostic::warning(key, reason, &remedy));
        let mut diagnostics: Vec<Diagnostic> = diagnostics.chain(outside).collect();
        diagnostics.extend(self.needless_grants(key, route_file, handler.imports()));
        diagnostics.extend(Self::similar_options(key, route_file, &declared_options));
        diagnostics.extend(handler.has_frozen_random().then(|| frozen_random(key)));
        // A component that is served alone has no middleware beside it.
        let middleware = if key.is_alone() { Vec::new() } else { route_file.middleware.clone() };
        let topics = route_file.topics.clone();
        let mount = Mount { name, patterns, methods, key: key.clone(), middleware, topics, authority };
        let request_fields = route_file.request_fields.iter().map(|entry| entry.field.clone()).collect();
        let route = Route::new(mount, options, Arc::new(RouteTarget::Component(handler)));
        let route = Box::new(route.granted(grants).setting(RequestFields::new(request_fields)).timed(timer));
        Loaded { component: Some(LoadedComponent::Route(route)), diagnostics, retry: Retry::OnChange }
    }
}

/// The patterns of a route whose component may declare those of `admitted`, and who says that it has them.
fn patterns(
    key: &ComponentKey,
    route_file: &RouteFile,
    admitted: Vec<String>,
) -> (Result<Vec<String>, PatternError>, Authority) {
    match (route_file.paths.is_empty(), admitted.is_empty()) {
        (false, _) => (Ok(route_file.paths.clone()), Authority::RouteFile),
        (true, false) => (Ok(admitted), Authority::Declared),
        (true, true) => (pattern::from_tree_path(key.path()).map(|pattern| vec![pattern]), Authority::FilePath),
    }
}

/// The timer of a route with these patterns.
fn timer(key: &ComponentKey, route_file: &RouteFile, patterns: &[String]) -> Result<Option<RouteTimer>, Diagnostic> {
    let Some(every) = route_file.timer else { return Ok(None) };
    RouteTimer::new(every, patterns).map(Some).ok_or_else(|| {
        let line = route_file.line(TIMER).unwrap_or(1);
        let reason = format!("line {line}: the timer has no path: each path of the route captures something");
        let remedy = "add a path without captures to `paths`, as in paths = [\"/clock\", \"/clock/{city}\"]";
        Diagnostic::error(key.route_file(), reason, remedy)
    })
}

/// The route file, or an empty one if there is none.
fn read_route_file(source: &dyn Source, key: &ComponentKey) -> Result<RouteFile, Failure> {
    let (location, remedy) = (key.route_file(), "make it a readable text file of TOML");
    let bytes = source.read_route_file(key, MAX_ROUTE_FILE_BYTES);
    let Some(bytes) = bytes.map_err(|reason| Failure::unread(location, &reason, remedy))? else {
        return Ok(RouteFile::default());
    };
    let not_text = |_| Failure::lasting(vec![Diagnostic::error(location, "it is not UTF-8", remedy)]);
    let text = String::from_utf8(bytes).map_err(not_text)?;
    let report = |error: &RouteFileError| Diagnostic::error(location, error, error.remedy());
    RouteFile::parse(&text).map_err(|errors| Failure::lasting(errors.iter().map(report).collect()))
}

/// Reports mistakes in options, each at the file that has it.
fn option_errors(key: &ComponentKey, route_file: &RouteFile, errors: &[OptionError]) -> Vec<Diagnostic> {
    let report = |mistake: &OptionError| match mistake.set_by {
        OptionSource::File => {
            let line = route_file.line(&mistake.name).map_or_else(String::new, |line| format!("line {line}: "));
            let remedy = "write what is expected in its place";
            Diagnostic::error(key.route_file(), format!("{line}{mistake}"), remedy)
        }
        OptionSource::Component => {
            Diagnostic::error(key, mistake, "declare what is expected in its place, and build it again")
        }
        OptionSource::Default | OptionSource::Flag => {
            Diagnostic::error(key, mistake, "correct the flag on the command line")
        }
    };
    errors.iter().map(report).collect()
}

/// Why a key of [`OPERATOR_KEYS`] in a component's declaration is left out.
fn reserved_key(key: &str) -> String {
    let says = match key {
        TOPICS => "whose topics it shares",
        TIMER => "when the host runs it",
        REQUEST_FIELDS => "which fields of requests the host sets",
        _ => "what it is granted",
    };
    format!("its declaration says {says}, which is not its to say")
}

/// The route is served nevertheless: its random numbers may not matter.
fn frozen_random(key: &ComponentKey) -> Diagnostic {
    let reason = "its JavaScript calls `Math.random`, which returns the same numbers in every instance: QuickJS has drawn \
                  them when it was built";
    let remedy = "build it as `host new --lang js` does, with `random.js`, which takes them from the host";
    Diagnostic::warning(key, reason, remedy)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{fs, io};

    use super::*;
    use crate::routes::disk::Disk;

    #[test]
    fn a_route_file_that_changes_while_it_is_read_is_not_believed() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let (source, key) =
            (Disk::new(directory.path()), ComponentKey::in_directory(directory.path(), Path::new("a.wasm")));
        let route_file = directory.path().join("a.toml");
        fs::write(directory.path().join("a.wasm"), "")?;
        fs::write(&route_file, "middleware = ['auth']")?;
        let fingerprint = source.fingerprint(&key)?;
        assert!(Candidate::read(&source, key.clone(), fingerprint).route_file.is_ok());
        fs::write(&route_file, "")?;
        let failure = Candidate::read(&source, key, fingerprint).route_file.err();
        assert_eq!(failure.map(|failure| failure.retry), Some(Retry::AtNextScan));
        Ok(())
    }
}
