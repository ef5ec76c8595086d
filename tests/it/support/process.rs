//! The real binary, as a person starts it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;

use super::wire::get_and_close;
use super::{Admin, Client, Lines, RoutesDir, compile_cache, wait_for_status};

/// A running `host run`, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    addresses: Vec<SocketAddr>,
    stdout: BufReader<ChildStdout>,
    stderr: Lines,
    reader: Option<JoinHandle<()>>,
}

/// The binary with `arguments`, not started.
pub fn host(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// `host run` with the descriptors 3 and above: each is `socket`, and they have these names.
pub fn with_sockets(socket: OwnedFd, names: &[&str], routes: &RoutesDir, arguments: &[&str]) -> Command {
    let copies: String = (3..3 + names.len()).map(|number| format!("exec {number}<&0; ")).collect();
    let script = format!(
        "{copies} export LISTEN_FDS={} LISTEN_FDNAMES={} LISTEN_PID=$$; exec \"$@\" </dev/null",
        names.len(),
        names.join(":")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_host"), "run", "--cache-dir"]);
    command.arg(compile_cache()).arg("--routes").arg(routes.path()).args(arguments);
    command.stdin(Stdio::from(socket)).env_remove("RUST_LOG");
    command
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.output().expect("the command can be run")
}

/// What a command has printed.
#[track_caller]
pub fn text(printed: &[u8]) -> &str {
    std::str::from_utf8(printed).expect("it prints text")
}

impl Process {
    /// Serves a directory on a free port with the shared compile cache, and more `arguments`. All routes are
    /// loaded.
    pub fn start(routes: &RoutesDir, arguments: &[&str]) -> Self {
        let mut command = host(&["run", "--listen", "127.0.0.1:0"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(arguments);
        let process = Self::spawn(command, 1);
        process.stderr.wait_for(&["routes loaded"]);
        process
    }

    /// Starts `command` and waits until it says of as many `listeners` that they are listened on.
    #[track_caller]
    pub fn spawn(mut command: Command, listeners: usize) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let from = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let stderr = Lines::default();
        let lines = stderr.clone();
        let reader = std::thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                lines.push(&format!("{line}\n"));
            }
        });
        let addresses = (0..listeners).map(|_| {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("stdout is text");
            let rest = line.strip_prefix("listening on http");
            let address = rest.map(|rest| rest.trim_start_matches("s").trim_start_matches("://"));
            let address = address.and_then(|rest| rest.strip_suffix('\n'));
            let address = address.and_then(|address| address.parse().ok());
            address.unwrap_or_else(|| panic!("{line:?} in place of an address; the log: {:?}", stderr.with(&[])))
        });
        let addresses = addresses.collect();
        Self { child, addresses, stdout, stderr, reader: Some(reader) }
    }

    /// The same with an admin listener on a free port.
    pub fn start_with_admin(routes: &RoutesDir, arguments: &[&str]) -> (Self, Admin) {
        let arguments = [&["--admin", "127.0.0.1:0"], arguments].concat();
        let mut process = Self::start(routes, &arguments);
        let admin = process.admin();
        (process, admin)
    }

    /// The admin listener, whose line comes next.
    #[track_caller]
    pub fn admin(&mut self) -> Admin {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("stdout is text");
        let address = line.strip_prefix("admin on http://").and_then(|rest| rest.trim_end().parse().ok());
        Admin::new(address.unwrap_or_else(|| panic!("{line:?} in place of an address")), None)
    }

    /// Where it listens, in the order of its lines.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Another connection to its first listener.
    pub fn connect(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    /// What a GET of `target` on a connection of its own gets; see [`Client::exchange`].
    #[track_caller]
    pub fn get(&self, target: &str) -> String {
        self.connect().exchange(get_and_close(target))
    }

    /// Asks for `path` until the answer has this status.
    #[track_caller]
    pub fn wait_for(&self, path: &str, status: &str) {
        wait_for_status(path, status, || self.get(path));
    }

    /// What it logs, a line each.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name: `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(status.expect("there is a kill command").success());
    }

    /// Waits for its end: how it ended, and what it printed on stdout past the addresses.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).expect("stdout is text");
        (self.child.wait().expect("the process can be waited for"), printed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
