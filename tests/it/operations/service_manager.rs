//! A host under a service manager: sockets that it is passed, and what it tells of itself (sd_listen_fds(3), sd_notify(3)).

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::wire::{HELLO_RESPONSE_CLOSE, get_and_close};
use crate::support::{Client, Process, RoutesDir, TIMEOUT, compile_cache, guest, run, skip, text, with_sockets};

fn hello() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO)
}

#[test]
fn a_tcp_socket_that_was_passed_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    // It was there before the host, so it waits for it.
    let mut early = Client::connect(address);
    early.send(get_and_close!("/hello"));
    let routes = hello();
    let process = Process::spawn(with_sockets(listener.into(), &["web"], &routes, &["--listen", "fd:web"]), 1);
    assert_eq!(process.addresses(), [address]);
    assert_eq!(early.read_to_end(), HELLO_RESPONSE_CLOSE);
    process.wait_for("/hello", "200");
}

#[test]
fn a_unix_socket_that_was_passed_serves_and_its_file_stays() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).expect("it can be bound");
    let routes = hello();
    let arguments = ["--listen", "127.0.0.1:0", "--listen", "fd:web"];
    let process = Process::spawn(with_sockets(listener.into(), &["web"], &routes, &arguments), 1);
    assert_eq!(Client::connect_unix(&path).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    process.signal("TERM");
    let (status, printed) = process.wait();
    assert!(status.success());
    assert_eq!(printed, format!("listening on unix:{}\n", path.display()));
    assert!(path.exists(), "the service manager keeps it");
}

#[test]
fn a_name_stands_for_all_sockets_that_have_it_and_what_no_name_is_given_to_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let routes = hello();
    let names = ["web", "other", "web", "more", "other"];
    let process = Process::spawn(with_sockets(listener.into(), &names, &routes, &["--listen", "fd:web"]), 2);
    let unused =
        "the service manager has passed sockets that are not used: more, other; name each with --listen fd:NAME";
    process.stderr().wait_for(&["WARN", unused]);
}

#[test]
fn what_is_no_socket_that_listens_or_was_not_passed_is_refused() {
    let routes = hello();
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").expect("it is there"));
    let datagram = || OwnedFd::from(UnixDatagram::unbound().expect("a socket can be made"));
    let bound_only = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("it can be made");
        OwnedFd::from(socket)
    };
    let unusable = "error: cannot listen on fd:web: it is no TCP or Unix socket that listens\n".to_owned();
    let none = |passed: &str| {
        format!("error: `--listen fd:web`: there is no such socket; the service manager has passed {passed}\n")
    };
    let rows = [
        (file(), &["web"][..], unusable.clone()),
        (datagram(), &["web"], unusable.clone()),
        (bound_only(), &["web"], unusable),
        (file(), &["b", "a", "b"], none("only a, b")),
        (file(), &[], none("no socket at all")),
    ];
    for (socket, names, error) in rows {
        let output = run(&mut with_sockets(socket, names, &routes, &["--listen", "fd:web"]));
        assert_eq!((text(&output.stderr), output.status.code()), (error.as_str(), Some(2)), "{names:?}");
    }
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let routes = hello();
    let mut command = with_sockets(listener.into(), &["web"], &routes, &["--listen", "fd:web"]);
    // The same, with the number of another process.
    let arguments: Vec<_> =
        command.get_args().map(|it| it.to_str().expect("it is text").replace("=$$", "=1")).collect();
    command = Command::new("sh");
    let output = run(command.args(arguments).stdin(Stdio::null()));
    assert!(text(&output.stderr).contains("the service manager has passed no socket at all"));
}

#[test]
fn systemd_starts_the_host_at_the_first_connection() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return skip("there is no systemd-socket-activate");
    }
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("s");
    let routes = hello();
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(&path).args(["--fdname=web", env!("CARGO_BIN_EXE_host"), "run", "--listen"]);
    command.args(["127.0.0.1:0", "--listen", "fd:web", "--cache-dir"]).arg(compile_cache());
    command.arg("--routes").arg(routes.path());
    let client = std::thread::spawn({
        let path = path.clone();
        move || {
            let start = Instant::now();
            while std::os::unix::net::UnixStream::connect(&path).is_err() {
                assert!(start.elapsed() < TIMEOUT, "nobody listens");
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Client::connect_unix(&path).exchange(get_and_close!("/hello"))
        }
    });
    let process = Process::spawn(command, 1);
    assert_eq!(client.join().expect("the client is served"), HELLO_RESPONSE_CLOSE);
    process.wait_for("/hello", "200");
}

/// A service manager, as far as it hears of the host.
struct Manager {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("it can be bound");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out can be set");
        Self { socket, directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The next message.
    #[track_caller]
    fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.socket.recv(&mut buffer).expect("the host tells something");
        text(&buffer[..length]).to_owned()
    }

    fn start(&self, routes: &RoutesDir, environment: &[(&str, &str)]) -> Process {
        let mut command = crate::support::host(&["run", "--listen", "127.0.0.1:0", "--no-watch"]);
        command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache());
        command.env("NOTIFY_SOCKET", self.path().join("notify")).envs(environment.iter().copied());
        Process::spawn(command, 1)
    }
}

#[test]
fn the_service_manager_is_told_when_the_host_is_ready_reloads_and_stops() {
    let manager = Manager::new();
    let routes = hello().with(guest::SCRIPT);
    let process = manager.start(&routes, &[]);
    assert_eq!(manager.next(), "READY=1\nSTATUS=serving 2 routes\n");
    assert!(process.get("/hello").starts_with("HTTP/1.1 200 "), "what is ready answers");
    routes.write("hello.toml", "path = '/again'");
    process.signal("HUP");
    let told = manager.next();
    let since = told
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .and_then(|rest| rest.strip_suffix("\nSTATUS=reloading routes\n"));
    assert!(since.is_some_and(|since| since.parse::<u64>().is_ok_and(|since| since > 0)), "{told}");
    assert_eq!(manager.next(), "READY=1\nSTATUS=serving 2 routes\n");
    assert!(process.get("/again").starts_with("HTTP/1.1 200 "), "what has changed is loaded when it says so");
    process.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=waiting for requests in flight\n");
    assert!(process.wait().0.success());
}

/// A process that is no child of the tests, killed when dropped.
struct MainProcess(String);

impl MainProcess {
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0]).status();
        assert!(status.expect("there is a kill command").success());
    }
}

impl Drop for MainProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-s", "KILL", &self.0]).stderr(Stdio::null()).status();
    }
}

#[test]
fn the_service_manager_is_told_which_process_goes_on_after_an_upgrade() {
    let manager = Manager::new();
    let routes = hello();
    let process = manager.start(&routes, &[]);
    let ready = "READY=1\nSTATUS=serving 1 route\n";
    assert_eq!(manager.next(), ready);
    let address = process.addresses()[0];
    process.signal("USR2");
    // One is of the new process, and one of the old.
    let mut told = [manager.next(), manager.next()];
    told.sort();
    let main = told[0]
        .strip_prefix("MAINPID=")
        .and_then(|rest| rest.strip_suffix("\nREADY=1\nSTATUS=replaced by a new process\n"));
    let main = MainProcess(main.unwrap_or_else(|| panic!("{told:?}")).to_owned());
    assert_eq!(told[1], ready);
    assert_ne!(main.0, process.id().to_string());
    assert_eq!(Client::connect(address).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    main.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=waiting for requests in flight\n", "that is the main process");
    // Both have its stdout.
    assert!(process.wait().0.success());
    manager.socket.set_nonblocking(true).expect("it can be set");
    assert!(manager.socket.recv(&mut [0]).is_err(), "the old one does not say that the service stops");
}

#[test]
fn the_host_is_ready_although_a_route_does_not_load() {
    let manager = Manager::new();
    let _process = manager.start(&hello().with_file("broken.wasm", "no component"), &[]);
    assert_eq!(manager.next(), "READY=1\nSTATUS=serving 1 route\n");
}

#[test]
fn the_watchdog_hears_again_and_again_that_all_workers_take_turns() {
    let manager = Manager::new();
    let _process = manager.start(&hello(), &[("WATCHDOG_USEC", "400000")]);
    let mut told: Vec<String> = (0..6).map(|_| manager.next()).collect();
    told.retain(|told| !told.starts_with("READY=1"));
    assert_eq!(told, vec!["WATCHDOG=1\n"; 5]);
}

#[test]
fn a_service_manager_that_is_gone_ends_nothing() {
    let manager = Manager::new();
    std::fs::remove_file(manager.path().join("notify")).expect("it is there");
    let process = manager.start(&hello(), &[("WATCHDOG_USEC", "100000")]);
    process.stderr().wait_for(&["cannot notify the service manager"]);
    process.wait_for("/hello", "200");
    assert_eq!(process.connect().exchange(get_and_close("/hello")), HELLO_RESPONSE_CLOSE);
}
