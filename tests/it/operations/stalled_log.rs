//! A host whose stderr or stdout is a pipe that nobody reads: it serves on, stops as it is told to, and says what was lost
//! once somebody does.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use crate::support::wire::get_and_close;
use crate::support::{Client, RoutesDir, TIMEOUT, compile_cache, guest, host};

/// A host, and the end of its stderr that nobody reads. Killed when dropped.
struct Unread {
    child: Child,
    address: SocketAddr,
    stderr: PipeReader,
}

/// `host run` of a directory, not started.
fn run(routes: &RoutesDir, listen: &str, arguments: &[&str]) -> Command {
    let mut command = host(&["run", "--workers", "1", "--listen", listen]);
    command.arg("--cache-dir").arg(compile_cache()).arg("--routes").arg(routes.path()).args(arguments);
    command
}

/// A pipe that has no room any more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe can be made");
    let flags = rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&writer, flags).expect("it can be told not to block");
    while (&writer).write(&[b'x'; 4096]).is_ok() {}
    while (&writer).write(b"x").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).expect("it can be told to block");
    (reader, writer)
}

impl Unread {
    fn start(routes: &RoutesDir, arguments: &[&str]) -> Self {
        let (stderr, writer) = pipe().expect("a pipe can be made");
        let mut command = run(routes, "127.0.0.1:0", arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(writer).spawn().expect("the binary can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is text");
        let address = line.trim_end().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        Self { child, address: address.expect("it says where it listens"), stderr }
    }

    fn get(&self, path: &str) -> String {
        Client::connect(self.address).exchange(get_and_close(path))
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("there is a kill command").success());
    }
}

/// Waits for the end of a process, though not for ever.
#[track_caller]
fn ended(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the process can be waited for") {
            return status;
        }
        assert!(start.elapsed() < TIMEOUT, "the host does not end");
        std::thread::yield_now();
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stalled_log_holds_up_neither_requests_nor_a_shutdown() {
    let mut host = Unread::start(&RoutesDir::new().with(guest::LOG_FLOOD).with(guest::HELLO), &["--log-rate", "0"]);
    // Each prints as much as the pipe holds.
    for _ in 0..4 {
        assert!(host.get("/log_flood").ends_with("flooded\r\n0\r\n\r\n"));
        assert!(host.get("/hello").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    host.signal("TERM");
    assert!(ended(&mut host.child).success());
}

#[test]
fn a_second_signal_stops_a_host_with_a_stalled_log_at_once() {
    let mut host = Unread::start(&RoutesDir::new().with(guest::LOG_FLOOD).with(guest::SCRIPT), &["--log-rate", "0"]);
    for _ in 0..2 {
        assert!(host.get("/log_flood").ends_with("flooded\r\n0\r\n\r\n"));
    }
    let mut client = Client::connect(host.address);
    client.send(get!("/script?write=Hello&sleep=600000"));
    client.read_until("Hello\r\n");
    host.signal("TERM");
    // The listener is closed: the first one was heard.
    let start = Instant::now();
    while std::net::TcpStream::connect(host.address).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "it goes on to listen");
    }
    host.signal("TERM");
    assert!(ended(&mut host.child).success());
}

#[test]
fn dropped_lines_are_counted_and_logged_once_the_log_is_read_again() {
    let mut host = Unread::start(&RoutesDir::new().with(guest::LOG_FLOOD).with(guest::HELLO), &["--log-rate", "0"]);
    // More than what handlers print may take of the queue: half of 4 MiB.
    for _ in 0..40 {
        assert!(host.get("/log_flood").ends_with("flooded\r\n0\r\n\r\n"));
    }
    let mut lines = BufReader::new(host.stderr.try_clone().expect("a pipe can be shared")).lines();
    let told = lines.find_map(|line| line.ok().filter(|line| line.contains("lines of the log were dropped")));
    let told = told.expect("the loss is told");
    assert!(told.contains(" WARN ") && told.contains(" lines="), "{told}");
    host.signal("TERM");
    assert!(
        lines.any(|line| line.is_ok_and(|line| line.contains("connections closed"))),
        "the last lines are not lost"
    );
    assert!(ended(&mut host.child).success());
}

#[test]
fn a_host_with_a_stalled_stdout_serves_and_stops() {
    for arguments in [&[][..], &["--access-log", "text"]] {
        let routes = RoutesDir::new().with(guest::HELLO);
        let (_stdout, writer) = full_pipe();
        // It cannot say which port it has.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = free.local_addr().expect("it has an address");
        drop(free);
        let mut command = run(&routes, &address.to_string(), arguments);
        let (stderr, log) = pipe().expect("a pipe can be made");
        let child = command.stdout(writer).stderr(log).spawn().expect("the binary can be started");
        let mut host = Unread { child, address, stderr };
        let start = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < TIMEOUT, "it does not listen");
        }
        assert!(host.get("/hello").starts_with("HTTP/1.1 200 OK\r\n"));
        host.signal("TERM");
        assert!(ended(&mut host.child).success(), "{arguments:?}");
    }
}

#[test]
fn a_host_that_cannot_start_ends_though_its_stderr_is_stalled() {
    let (_stderr, writer) = full_pipe();
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--no-cache", "--routes", "/nowhere/at/all"]);
    let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().expect("the binary can be started");
    assert_eq!(ended(&mut child).code(), Some(2));
}

#[test]
fn a_host_whose_stdout_is_closed_logs_that_and_serves() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let (stdout, writer) = pipe().expect("a pipe can be made");
    drop(stdout);
    let (mut stderr, log) = pipe().expect("a pipe can be made");
    let mut child = run(&routes, "127.0.0.1:0", &[]).stdout(writer).stderr(log).spawn().expect("it can be started");
    let mut lines = BufReader::new(&mut stderr).lines();
    let told = lines.find_map(|line| line.ok().filter(|line| line.contains("cannot write the addresses to stdout")));
    assert!(told.expect("it is told").contains(" WARN "));
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.expect("there is a kill command").success());
    let status = ended(&mut child);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("the log is text");
    assert!(status.success(), "{rest}");
}
