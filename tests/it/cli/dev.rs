//! `host dev`: it builds, serves and shows what a person writes, from the first build to the last.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Browser, Process, RoutesDir, compile_cache, guest, host, plain, run, text, wait_until};

/// A program that takes some bytes in place of a compiler: `app.txt` says which, and whether there is a mistake.
const BUILD: &str = "#!/bin/sh
set -e
cd \"$(dirname \"$0\")\"
echo start >> \"$LOG\"
while [ -e \"$LOG.hold\" ]; do sleep 0.02; done
if grep -q BROKEN app.txt; then
    printf '\\033[31mapp.txt:1\\033[0m: <b>BROKEN</b> is not a word\\n' >&2
    echo end >> \"$LOG\"
    exit 1
fi
cp \"parts/$(cat app.txt)\" hello.wasm
echo end >> \"$LOG\"
";

/// A project whose component is `parts/NAME`.
struct BuiltProject {
    project: RoutesDir,
    /// Its log of builds, out of its directory.
    log: tempfile::TempDir,
}

impl BuiltProject {
    fn new(app: &str) -> Self {
        let project = RoutesDir::new()
            .with_file("build", BUILD)
            .with_bytes("parts/plain", &plain())
            .with_as("parts/text", guest::TEXT)
            .with_file("app.txt", app)
            .with_file("hello.toml", "path = '/hello'");
        let build = project.path().join("build");
        fs::set_permissions(build, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        Self { project, log: tempfile::tempdir().expect("a directory can be made") }
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.log.path().join("log")
    }

    /// The builds so far: `start` and `end`.
    fn builds(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Lets builds wait before they end, or no longer.
    fn hold(&self, holds: bool) {
        let hold = self.log.path().join("log.hold");
        match holds {
            true => fs::write(hold, "").expect("a file can be written"),
            false => fs::remove_file(hold).expect("it is there"),
        }
    }

    fn start(&self) -> Process {
        let mut command = dev(&self.project);
        command.env("LOG", self.log_path());
        Process::spawn(command, 1)
    }
}

/// `host dev` of a directory.
fn dev(directory: &RoutesDir) -> Command {
    let mut command = host(&["dev", "--listen", "127.0.0.1:0", "--dev-host", "it", "--cache-dir"]);
    command.arg(compile_cache()).arg(directory.path());
    command
}

/// How long a compiler may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for what a compiler has to do first.
#[track_caller]
fn wait_for_compiler(what: &str, process: &Process, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: {:?}", process.stderr().with(&[]));
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What a browser gets.
fn page(process: &Process, target: &str) -> String {
    let lines = format!("GET {target} HTTP/1.1\r\nHost: it\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    process.connect().exchange(lines)
}

#[test]
fn a_project_is_built_served_and_built_again_and_a_failed_build_is_shown() {
    let project = BuiltProject::new("BROKEN");
    let process = project.start();
    process.stderr().wait_for(&["the build has failed", "nothing is served until one succeeds"]);
    process.stderr().wait_for(&["app.txt:1", "is not a word"]);
    let answer = process.get("/hello");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    assert!(answer.contains("could not be built\n\napp.txt:1: <b>BROKEN</b> is not a word\n"), "{answer}");
    for target in ["/", "/hello", "/anything/else"] {
        let shown = page(&process, target);
        assert!(shown.contains("app.txt:1: &lt;b&gt;BROKEN&lt;/b&gt; is not a word"), "{target}: {shown}");
        assert!(shown.contains("<script src=\"/__dev/reload.js\""), "{target}: {shown}");
    }
    project.project.write("app.txt", "plain");
    process.wait_for("/hello", "200");
    assert!(process.get("/hello").contains("plain"));
    assert!(!page(&process, "/").contains("BROKEN"));
    // The last good version goes on.
    project.project.write("app.txt", "BROKEN");
    process.stderr().wait_for(&["the build has failed", "the version before it still serves"]);
    assert!(process.get("/hello").contains("plain"));
    for target in ["/", "/absent"] {
        let shown = page(&process, target);
        assert!(shown.contains("<h2>The last build has failed</h2>"), "{target}: {shown}");
    }
    let changes = process.get("/__dev/changes?watch=handler&seen=x.0.0.");
    assert!(changes.contains("\"failure\":\"app.txt:1: <b>BROKEN</b> is not a word\\n\""), "{changes}");
    project.project.write("app.txt", "text");
    wait_until("the other version serves", || !process.get("/hello").contains("plain"));
    // A route file is taken over without a build.
    let builds = project.builds().len();
    project.project.write("hello.toml", "path = '/elsewhere'");
    process.wait_for("/elsewhere", "200");
    assert_eq!(project.builds().len(), builds);
}

#[test]
fn what_is_wrong_is_told_with_the_files_that_a_person_writes() {
    let project = BuiltProject::new("plain");
    project.project.write("hello.toml", "path = '/hello'\nrate = 'much'\n");
    let process = project.start();
    let root = fs::canonicalize(project.project.path()).expect("it is there");
    let told = process.stderr().wait_for(&["rate"]);
    assert!(told.contains(&format!("{}/hello.toml: line 2: ", root.display())), "{told}");
    project.project.write("hello.toml", "path = '/hello'\nmemroy = 1_000_000\n");
    let told = process.stderr().wait_for(&["memroy"]);
    assert!(told.contains(&format!("{}/hello.toml: ", root.display())), "{told}");
    project.project.write("parts/plain", "no component");
    let told = process.stderr().wait_for(&["it is not WebAssembly"]);
    assert!(told.contains(&format!("{}/hello.wasm: ", root.display())), "{told}");
    let all = process.stderr().with(&[".vibrato"]);
    assert!(all.is_empty(), "{all:?}");
    let shown = page(&process, "/");
    assert!(shown.contains(&format!("{}/hello.wasm", root.display())) && !shown.contains(".vibrato"), "{shown}");
}

#[test]
fn an_open_page_in_a_browser_reloads_itself_when_its_handler_changes() {
    let Some(browser) = Browser::start() else { return };
    let project = BuiltProject::new("plain");
    let process = project.start();
    process.wait_for("/hello", "200");
    let page = browser.open(&format!("http://{}/hello", process.addresses()[0]), 400, 300);
    let shows =
        |text: &str| page.evaluate("document.body.textContent").as_str().is_some_and(|body| body.contains(text));
    assert!(shows("plain"));
    page.evaluate("window.wasHere = true");
    project.project.write("app.txt", "text");
    page.wait_for_reload();
    assert!(shows("Hello, World!"));
    assert_eq!(page.evaluate("window.wasHere === undefined"), true, "it is another page");
    // A mistake is shown on the page that there is, and what mends it reloads the page.
    page.evaluate("window.wasHere = true");
    project.project.write("app.txt", "BROKEN");
    page.wait_until("document.body.textContent.includes('app.txt:1: <b>BROKEN</b> is not a word')");
    assert!(shows("Hello, World!"));
    assert_eq!(page.evaluate("window.wasHere"), true, "it is the same page");
    project.project.write("app.txt", "plain");
    page.wait_for_reload();
    assert!(shows("plain") && !shows("BROKEN"));
    // A change of the route file is one of what is shown, too.
    project.project.write("hello.toml", "path = '/hello'\nstatus = 404");
    page.wait_for_reload();
    assert!(shows("plain"));
}

#[test]
fn a_change_during_a_build_is_built_after_it_and_no_two_builds_run_at_once() {
    let project = BuiltProject::new("plain");
    project.hold(true);
    let process = project.start();
    wait_until("the build has begun", || project.builds() == ["start"]);
    let shown = page(&process, "/");
    assert!(shown.contains("is being built (./build)"), "{shown}");
    let answer = process.get("/hello");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("is being built"), "{answer}");
    for app in ["text", "BROKEN", "text"] {
        project.project.write("app.txt", app);
    }
    project.hold(false);
    process.stderr().wait_for(&["app.txt changed"]);
    wait_until("the last version serves", || {
        let answer = process.get("/hello");
        answer.starts_with("HTTP/1.1 200 ") && !answer.contains("plain")
    });
    wait_until("another build has ended", || project.builds().len() >= 4);
    let builds = project.builds();
    for pair in builds.chunks_exact(2) {
        assert_eq!(pair, ["start", "end"], "{builds:?}");
    }
}

#[test]
fn the_end_of_the_host_is_that_of_a_build_and_leaves_nothing() {
    let project = BuiltProject::new("plain");
    let pid = project.log.path().join("pid");
    let script = format!("#!/bin/sh\nsleep 1000 &\necho $! > {0}.new && mv {0}.new {0}\nwait\n", pid.display());
    project.project.write("build", script);
    let process = project.start();
    wait_until("the build has begun", || pid.is_file());
    process.signal("INT");
    let (status, _) = process.wait();
    assert_eq!(status.code(), Some(0));
    let id = fs::read_to_string(&pid).expect("it is there");
    let is_gone = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    wait_until("what the build has started is gone", is_gone);
    assert!(!project.project.path().join(".vibrato").exists());
}

#[test]
fn a_build_that_makes_nothing_or_cannot_be_run_has_failed() {
    for (script, told) in [
        ("#!/bin/sh\ntrue\n", "./build has made no component in "),
        ("#!/bin/sh\nexit 7\n", "it has ended with exit status: 7"),
        ("#!/no/such/interpreter\n", "cannot run "),
    ] {
        let project = BuiltProject::new("plain");
        project.project.write("build", script);
        let process = project.start();
        process.stderr().wait_for(&["the build has failed"]);
        let answer = process.get("/");
        assert!(answer.contains(told), "{script}: {answer}");
    }
}

#[test]
fn a_directory_of_components_is_served_as_it_is_and_its_pages_get_the_script() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_bytes("plain.wasm", &plain());
    let process = Process::spawn(dev(&routes), 1);
    process.wait_for("/plain", "200");
    let script = "<script src=\"/__dev/reload.js\" data-watch=\"handler\" data-seen=\"";
    let answer = process.get("/plain");
    assert!(answer.contains(&format!("plain{script}")), "{answer}");
    let written = process.get("/script?write=a&body=b");
    assert!(written.contains("\r\na\r\n") && written.contains(&format!("\r\nb{script}")), "{written}");
    // What is no page, and what must stay as it is.
    for target in [
        "/script?set=content-type:text/plain&body=a",
        "/script?set=content-length:1&body=a",
        "/script?set=content-encoding:gzip&body=a",
        "/script?status=204",
    ] {
        let answer = process.get(target);
        assert!(!answer.contains("__dev"), "{target}: {answer}");
    }
    for method in ["HEAD", "POST"] {
        let lines = format!("{method} /plain HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = process.connect().exchange(lines);
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("__dev"), "{method}: {answer}");
    }
    // A failure has the script of the page once.
    let failed = page(&process, "/script?fail=tea");
    assert_eq!(failed.matches("<script").count(), 1, "{failed}");
}

/// Where projects in Rust are built; kept, so that dependencies are built once.
const BUILT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/projects");

#[test]
fn a_project_in_rust_is_built_and_a_mistake_is_shown_with_its_line() {
    let folder = RoutesDir::new();
    let made = run(host(&["new", "live"]).current_dir(folder.path()));
    assert!(made.status.success(), "{made:?}");
    let mut command = host(&["dev", "live", "--listen", "127.0.0.1:0", "--dev-host", "it", "--cache-dir"]);
    command.arg(compile_cache()).current_dir(folder.path()).env("CARGO", env!("CARGO"));
    command.env("CARGO_TARGET_DIR", BUILT).env("CARGO_NET_OFFLINE", "true");
    for set in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(set);
    }
    let process = Process::spawn(command, 1);
    let serves = || process.get("/live/Ada").starts_with("HTTP/1.1 200 ");
    wait_for_compiler("it is built", &process, serves);
    let answer = process.get("/live/Ada");
    assert!(answer.contains("Hello, ") && answer.contains("Ada!"), "{answer}");
    let source = fs::read_to_string(folder.path().join("live/src/lib.rs")).expect("it is there");
    folder.write("live/src/lib.rs", format!("{source}\nfn mistaken("));
    wait_for_compiler("it fails", &process, || !process.stderr().with(&["the build has failed"]).is_empty());
    let shown = page(&process, "/");
    assert!(shown.contains("src/lib.rs:") && shown.contains("error"), "{shown}");
    assert!(process.get("/live/Ada").contains("Hello, "));
    folder.write("live/src/lib.rs", source.replace("{greeting}, ", "{greeting} again, "));
    wait_for_compiler("the new version serves", &process, || process.get("/live/Ada").contains("Hello again, "));
}

#[test]
fn what_is_neither_a_project_nor_routes_is_refused_with_a_remedy() {
    let empty = RoutesDir::new();
    let output = run(&mut dev(&empty));
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("is neither a project nor a directory of routes") && told.contains("`host new NAME`"),
        "{told}"
    );
    let project = BuiltProject::new("plain");
    let mut command = dev(&project.project);
    let output = run(command.args(["--listen", "0.0.0.0:0"]));
    assert!(text(&output.stderr).contains("is not a loopback address"), "{output:?}");
    assert!(!project.project.path().join(".vibrato").exists());
}

#[test]
fn an_edit_of_a_project_in_each_language_is_live_a_moment_later() {
    // Python's tools take half a minute for two builds: that is for those who ask for all.
    let slow: &[_] = if super::new::all_languages() { &[("python", "bin/componentize-py", "app.py")] } else { &[] };
    let quick = [
        ("js", super::new::ESBUILD, "app.js"),
        ("ts", super::new::ESBUILD, "app.ts"),
        ("c", "bin/python-zig", "app.c"),
        ("go", "bin/go", "app.go"),
    ];
    for (language, tool, source) in quick.iter().chain(slow) {
        let Some(tools) = super::new::with_tools(language, tool) else { continue };
        let folder = RoutesDir::new();
        super::new::make(&folder, "own", &["--lang", language]);
        let mut command = host(&["dev", "--listen", "127.0.0.1:0", "--dev-host", "it", "--cache-dir"]);
        command.arg(compile_cache()).arg(folder.path().join("own"));
        command.envs(tools.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let process = Process::spawn(command, 1);
        let says = |text: &str| process.get("/own/Ada").replace("\r\n5\r\n", "").contains(text);
        wait_for_compiler(language, &process, || says("Hello, "));
        let place = folder.path().join("own").join(source);
        let edited = fs::read_to_string(&place).expect("it is text").replace("Hello", "Good day");
        fs::write(&place, edited).expect("it can be written");
        wait_for_compiler(language, &process, || says("Good day, "));
        // A mistake is told in the words of the language's own tools, and the version before it goes on.
        fs::write(&place, "this is ) no source").expect("it can be written");
        let failed = ["the build has failed", "the version before it still serves"];
        wait_for_compiler(language, &process, || !process.stderr().with(&failed).is_empty());
        assert!(says("Good day, "), "{language}");
    }
}
