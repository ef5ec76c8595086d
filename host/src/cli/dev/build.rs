//! One build: a child process, what it prints, and the components that it makes.

use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value as Json;

use super::output::BoundedOutput;
use super::project::{BuildTool, BuiltProject};
use super::staging::BuiltComponent;

/// The target of components.
const TARGET: &str = "wasm32-wasip2";

/// The environment variable that tells a program `build` that it is for development.
const DEV_VARIABLE: &str = "VIBRATO_DEV";

/// The interval between checks whether the child process has ended, or has to be ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a child process may take to end when it is asked to.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the rest of what a child process has printed is waited for: others may hold its output open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// How a build has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BuildEnd {
    /// With these components.
    Succeeded(Vec<BuiltComponent>),
    /// With this output or reason.
    Failed(String),
    /// It was stopped.
    Stopped,
}

/// What the threads that read the child's output have found.
#[derive(Debug, Default)]
struct Printed {
    output: Mutex<BoundedOutput>,
    components: Mutex<Vec<BuiltComponent>>,
}

impl Printed {
    fn output(&self) -> MutexGuard<'_, BoundedOutput> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn components(&self) -> MutexGuard<'_, Vec<BuiltComponent>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds a project. Its output goes to stderr too.
pub(super) fn build(project: &BuiltProject, is_stopped: &AtomicBool) -> BuildEnd {
    run(project, is_stopped).unwrap_or_else(|error| BuildEnd::Failed(format!("{error:#}")))
}

fn run(project: &BuiltProject, is_stopped: &AtomicBool) -> anyhow::Result<BuildEnd> {
    let (started, printed) = (SystemTime::now(), Arc::new(Printed::default()));
    let mut command = command(project);
    let mut child = command.spawn().with_context(|| match project.tool() {
        BuildTool::Cargo => "cannot run cargo, which builds the project; https://rustup.rs installs it".to_owned(),
        BuildTool::Program => format!("cannot run {}/build", project.root().display()),
    })?;
    let (ended, ends) = channel();
    let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("its output cannot be read"))?;
    let stderr = child.stderr.take().ok_or_else(|| anyhow::anyhow!("its output cannot be read"))?;
    match project.tool() {
        BuildTool::Cargo => read_on_thread(&ended, &printed, move |printed| read_messages(stdout, printed))?,
        BuildTool::Program => read_on_thread(&ended, &printed, move |printed| forward(stdout, printed))?,
    }
    read_on_thread(&ended, &printed, move |printed| forward(stderr, printed))?;
    drop(ended);
    let Some(status) = wait(&mut child, is_stopped)? else { return Ok(BuildEnd::Stopped) };
    wait_for_output(&ends);
    if !status.success() {
        let output = printed.output().text();
        return Ok(BuildEnd::Failed(if output.trim().is_empty() {
            format!("it has ended with {status}")
        } else {
            output
        }));
    }
    let components = match project.tool() {
        BuildTool::Cargo => std::mem::take(&mut *printed.components()),
        BuildTool::Program => components_in(project.root(), started)?,
    };
    if components.is_empty() {
        let (root, command) = (project.root().display(), project.command());
        let expected = match project.tool() {
            BuildTool::Cargo => "a library with `crate-type = [\"cdylib\"]` in its Cargo.toml makes one",
            BuildTool::Program => "it is to put NAME.wasm into that directory",
        };
        return Ok(BuildEnd::Failed(format!("{command} has made no component in {root}: {expected}")));
    }
    Ok(BuildEnd::Succeeded(components))
}

fn command(project: &BuiltProject) -> Command {
    let mut command = match project.tool() {
        BuildTool::Program => Command::new(project.root().join("build")),
        BuildTool::Cargo => {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
            if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
                cargo.arg("--color=always");
            }
            cargo
        }
    };
    command.env(DEV_VARIABLE, "1");
    command.current_dir(project.root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it has started ends with it.
    command.process_group(0);
    command
}

fn read_on_thread(
    ended: &Sender<()>,
    printed: &Arc<Printed>,
    read: impl FnOnce(&Printed) + Send + 'static,
) -> anyhow::Result<()> {
    let (ended, printed) = (ended.clone(), printed.clone());
    let thread = Builder::new().name("build".to_owned()).spawn(move || {
        read(&printed);
        // If this fails, nobody waits for it any more.
        let _ = ended.send(());
    });
    thread.map(|_| ()).context("no thread can be started to read what the build prints")
}

/// Waits for the end of the child process. `None` if it was stopped.
fn wait(child: &mut Child, is_stopped: &AtomicBool) -> anyhow::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the build")? {
            return Ok(Some(status));
        }
        if is_stopped.load(Ordering::Acquire) {
            end(child);
            return Ok(None);
        }
        std::thread::sleep(CHECK_INTERVAL);
    }
}

/// Ends the child process and all that it has started.
fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    let until = Instant::now() + END_TIMEOUT;
    // They may have ended by themselves.
    let _ = kill_process_group(group, Signal::TERM);
    while Instant::now() < until && !child.try_wait().is_ok_and(|status| status.is_some()) {
        std::thread::sleep(CHECK_INTERVAL);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Waits until all that was printed is read, if nobody else holds the output open.
fn wait_for_output(ends: &Receiver<()>) {
    let until = Instant::now() + OUTPUT_TIMEOUT;
    while let Ok(()) | Err(RecvTimeoutError::Timeout) =
        ends.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        if Instant::now() >= until {
            return;
        }
    }
}

/// Writes what a child process prints to stderr, and keeps it.
fn forward(mut from: impl Read, printed: &Printed) {
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                printed.output().push(&buffer[..length]);
                // If nobody reads stderr, the pages show it.
                let _ = io::stderr().write_all(&buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Reads the messages of cargo, which name the components.
fn read_messages(from: impl Read, printed: &Printed) {
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let message: Json = serde_json::from_str(&line).unwrap_or_default();
        if message["reason"] == "compiler-artifact" {
            printed.components().extend(components_of(&message));
        }
    }
}

/// The components of a message about what cargo has made.
fn components_of(message: &Json) -> Vec<BuiltComponent> {
    let kinds = message["target"]["kind"].as_array();
    if !kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib")) {
        return Vec::new();
    }
    let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
    let files = message["filenames"].as_array().into_iter().flatten().filter_map(Json::as_str).map(PathBuf::from);
    let component = |file: PathBuf| {
        let stem = file.file_stem()?.to_str()?.to_owned();
        // The name of a package may have a `-`, for which its file has a `_`.
        let name = package_name(manifest).filter(|name| name.replace('-', "_") == stem).unwrap_or(stem);
        let route_file = manifest.with_file_name(format!("{name}.toml"));
        Some(BuiltComponent { name, file, route_file })
    };
    files.filter(|file| file.extension().is_some_and(|extension| extension == "wasm")).filter_map(component).collect()
}

fn package_name(manifest: &Path) -> Option<String> {
    let manifest: toml::Table = fs::read_to_string(manifest).ok()?.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// The components that a program has made in its directory: those that are newer than its start, or all if none is, since
/// there was nothing to do.
fn components_in(root: &Path, started: SystemTime) -> anyhow::Result<Vec<BuiltComponent>> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(metadata) = path.metadata() else { continue };
        if !metadata.is_file() || path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        // File systems may keep whole seconds only.
        let is_new = metadata.modified().is_ok_and(|modified| modified + Duration::from_secs(1) >= started);
        let component =
            BuiltComponent { name: name.to_owned(), route_file: path.with_extension("toml"), file: path.clone() };
        found.push((is_new, component));
    }
    let any_new = found.iter().any(|(is_new, _)| *is_new);
    found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    Ok(found.into_iter().filter(|(is_new, _)| *is_new || !any_new).map(|(_, component)| component).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_which_components_it_has_made() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let manifest = root.path().join("Cargo.toml");
        fs::write(&manifest, "[package]\nname = \"my-greet\"").expect("a file can be written");
        let message = |kind: &str, file: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest.to_str(),
                "target": { "kind": [kind], "name": "x" }, "filenames": [file, "/t/x.d"],
            })
        };
        let component = |name: &str, file: &str| BuiltComponent {
            name: name.to_owned(),
            file: file.into(),
            route_file: root.path().join(format!("{name}.toml")),
        };
        let found = components_of(&message("cdylib", "/t/my_greet.wasm"));
        assert_eq!(found, [component("my-greet", "/t/my_greet.wasm")]);
        let other = components_of(&message("cdylib", "/t/other.wasm"));
        assert_eq!(other, [component("other", "/t/other.wasm")]);
        assert_eq!(components_of(&message("lib", "/t/my_greet.wasm")), []);
        assert_eq!(components_of(&message("cdylib", "/t/libgreet.so")), []);
        assert_eq!(components_of(&Json::Null), []);
    }

    #[test]
    fn a_program_has_made_what_is_newer_than_its_start_or_all_if_nothing_is() {
        let root = tempfile::tempdir().expect("a directory can be made");
        for file in ["old.wasm", "new.wasm", "notes.txt"] {
            fs::write(root.path().join(file), "").expect("a file can be written");
        }
        let now = SystemTime::now();
        let old = fs::File::options().write(true).open(root.path().join("old.wasm")).expect("it is there");
        old.set_modified(now - Duration::from_secs(60)).expect("its time can be set");
        let names = |started| {
            let found = components_in(root.path(), started).expect("it can be read");
            found.into_iter().map(|component| component.name).collect::<Vec<_>>()
        };
        assert_eq!(names(now), ["new"]);
        assert_eq!(names(now + Duration::from_secs(3600)), ["new", "old"]);
    }
}
