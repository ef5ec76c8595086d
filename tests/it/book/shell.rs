//! Goes through a page as its reader does: in an empty directory, from the first line to the last.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifacts::Guest;
use tempfile::TempDir;

use super::compare::{line_matches, matches};
use super::components::{BOOK, component};
use super::page::{Act, Page, Step};
use crate::support::{Process, host, run, text};

/// The address that pages show, in place of the free port that the server of a test has.
pub const SHOWN: &str = "127.0.0.1:8000";

/// Where files are that a server takes in.
const ROUTES: &str = "routes/";

/// What the log says once it has.
const RELOADED: &str = "routes reloaded";

/// What it says of a file that it does not take in.
const REFUSED: &str = "the version before it still serves";

/// How long a build may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A reader at work.
#[derive(Debug)]
pub struct Reader<'p> {
    page: &'p Page,
    folder: TempDir,
    /// Where the shell is.
    place: PathBuf,
    server: Option<Process>,
    /// How the last command ended.
    status: i32,
}

/// Takes away what a cargo that runs tests says to the programs it starts.
pub fn forget_cargo(command: &mut Command) -> &mut Command {
    for set in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(set);
    }
    // What the tests need was fetched for them already.
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true").env("CARGO_TERM_COLOR", "never")
}

impl<'p> Reader<'p> {
    /// One who has read nothing of a page yet.
    pub fn new(page: &'p Page) -> Self {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let place = folder.path().join("work");
        fs::create_dir(&place).expect("a folder can be made");
        // As in a terminal, where curl shows no progress of what it prints; no test waits for ever, or asks a proxy.
        let settings = "silent\nshow-error\nmax-time = 60\nnoproxy = *\n";
        fs::write(folder.path().join(".curlrc"), settings).expect("a file can be written");
        Self { page, folder, place, server: None, status: 0 }
    }

    /// Does all that the page asks for.
    #[track_caller]
    pub fn follow(mut self) {
        for Step { line, act } in self.page.steps() {
            self.take(&format!("{}:{line}", self.page.place), &act);
        }
        assert_eq!(self.status, 0, "{}: the last command failed", self.page.place);
    }

    fn take(&mut self, at: &str, act: &Act) {
        match act {
            Act::File { place, text } => {
                self.put(place, text.as_bytes(), RELOADED);
                if place.starts_with(ROUTES) {
                    self.command(at, "host check", "…\n");
                    assert_eq!(self.status, 0, "{at}: `host check` finds an error");
                }
            }
            Act::BrokenFile { place, text } => self.put(place, text.as_bytes(), REFUSED),
            Act::Handler { place, text } => {
                self.put(place, &fs::read(component(text)).expect("the component is built"), RELOADED);
            }
            Act::Example(name) => {
                let example = Guest::example(name).unwrap_or_else(|| panic!("{at}: there is no example {name}"));
                self.put(&format!("routes/{name}.wasm"), &example.bytes(), RELOADED);
            }
            Act::Prepare(command) => {
                self.command(at, command, "…\n");
                assert_eq!(self.status, 0, "{at}: `{command}` fails");
            }
            Act::Console(session) => self.console(at, session),
            Act::Script(lines) => lines.lines().for_each(|line| {
                self.command(at, line, "…\n");
                assert_eq!(self.status, 0, "{at}: `{line}` fails");
            }),
            Act::Log(lines) => lines.lines().for_each(|line| self.logged(at, line)),
            // These are compared without running anything, or run apart: see `proxies`.
            Act::Copy { .. } | Act::Wit(_) | Act::Recipe { .. } | Act::NotRun(_) => {}
        }
    }

    /// Puts a file where the page says. If a server runs, its log has had `logged` once more before this returns.
    fn put(&mut self, place: &str, bytes: &[u8], logged: &str) {
        let file = self.place.join(place);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("folders can be made");
        let server = self.server.as_ref().filter(|_| place.starts_with(ROUTES));
        let before = server.map_or(0, |server| server.stderr().with(&[logged]).len());
        fs::write(file, bytes).expect("a file can be written");
        if let Some(server) = server {
            server.stderr().wait_for_another(&[logged], before);
        }
    }

    fn console(&mut self, at: &str, session: &str) {
        assert!(session.starts_with("$ "), "{at}: it begins with no command");
        for part in format!("\n{session}").split("\n$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
            assert!(self.status == 0 || command.contains("echo $?"), "{at}: what came before `{command}` has failed");
            self.command(at, command, shown);
        }
    }

    fn command(&mut self, at: &str, command: &str, shown: &str) {
        for serves in ["host run", "host dev"] {
            if let Some((variables, flags)) = command.split_once(serves)
                && !flags.contains("--help")
            {
                return self.serve(at, &format!("{variables} {serves}"), flags, shown);
            }
        }
        self.shell(at, command, shown);
    }

    /// Starts a server, in place of one that runs, and waits for all that it is shown to print.
    fn serve(&mut self, at: &str, command: &str, flags: &str, shown: &str) {
        self.server = None;
        let mut sh = self.sh();
        sh.arg(format!("exec env {command} --listen 127.0.0.1:0 {flags}"));
        let server = Process::spawn(sh, 1);
        server.stderr().wait_for(&["routes loaded"]);
        let start = Instant::now();
        while command.ends_with("host dev") && server.stderr().with(&[RELOADED]).is_empty() {
            assert!(start.elapsed() < PATIENCE, "{at}: nothing is built: {:?}", server.stderr().with(&[]));
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.server = Some(server);
        // What is listened on is told on stdout.
        let is_address = |line: &&str| line.starts_with("admin on ") || *line == format!("listening on http://{SHOWN}");
        let shown = shown.lines().filter(|line| !is_address(line));
        shown.for_each(|line| self.logged(at, line));
    }

    #[track_caller]
    fn logged(&self, at: &str, line: &str) {
        let server = self.server.as_ref().unwrap_or_else(|| panic!("{at}: no server runs"));
        server.stderr().wait_until(&format!("{at}: {line}"), |printed| line_matches(line, &self.as_shown(printed)));
    }

    fn shell(&mut self, at: &str, command: &str, shown: &str) {
        let place = self.folder.path().join("place");
        let mut real = command.to_owned();
        if let Some(server) = &self.server {
            real = real.replace(SHOWN, &server.addresses()[0].to_string()).replace("$!", &server.id().to_string());
        }
        if let Some(behind) = real.strip_suffix(" &") {
            // What runs on must not hold open what is read here until its end.
            real = format!("{behind} 2> /dev/null &");
        }
        let mut sh = self.sh();
        sh.arg(format!(
            "exec 2>&1\n(exit {})\n{real}\nstatus=$?\npwd > {}\nexit $status",
            self.status,
            place.display()
        ));
        let output = run(&mut sh);
        let printed = self.as_shown(text(&output.stdout));
        assert!(matches(shown, &printed), "{at}: `{command}` prints\n{printed}\nand is shown to print\n{shown}");
        self.status = output.status.code().unwrap_or(-1);
        self.place = PathBuf::from(fs::read_to_string(place).expect("the shell says where it is").trim_end());
    }

    /// What was printed, with the address that pages show.
    fn as_shown(&self, printed: &str) -> String {
        let real = self.server.as_ref().map(|server| server.addresses()[0].to_string());
        real.map_or_else(|| printed.to_owned(), |real| printed.replace(&real, SHOWN))
    }

    /// A shell where `host` is the one that is tested.
    fn sh(&self) -> Command {
        let bin = Path::new(host(&[]).get_program()).parent().expect("a program is in a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
        let mut sh = Command::new("sh");
        forget_cargo(&mut sh)
            .arg("-c")
            .current_dir(&self.place)
            .env("PATH", path.expect("no folder has a colon in its name"))
            .env("CURL_HOME", self.folder.path())
            .env("XDG_CACHE_HOME", format!("{BOOK}/cache"))
            // Of each page its own, and kept: two pages may build projects of one name.
            .env("CARGO_BUILD_BUILD_DIR", format!("{BOOK}/build-{}", self.page.name()))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        sh
    }
}
