//! Requests that arrive before their routes are loaded. Loading waits at a gate that the test opens.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use socket2::SockRef;
use tempfile::TempDir;

use super::*;
use crate::config::Timeouts;
use crate::guest::Effort;
use crate::routes::{Candidate, Declare, Disk, Load, Loaded, Loader, Unfinished};

const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

/// A loader that waits at the gate before it loads the late component, and that panics for a component called `panics`.
struct Gated {
    loader: Loader,
    late: PathBuf,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().expect("no thread panics here") = true;
        self.opened.notify_all();
    }
}

impl Load for Gated {
    fn load(&self, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished> {
        assert!(!candidate.key.path().ends_with("panics.wasm"), "as the test wants it");
        if candidate.key.path() == self.late {
            let open = self.gate.open.lock().expect("no thread panics here");
            drop(self.gate.opened.wait_timeout_while(open, PATIENCE, |open| !*open));
        }
        self.loader.load(candidate, effort)
    }

    fn cache_hits_and_misses(&self) -> (usize, usize) {
        self.loader.cache_hits_and_misses()
    }
}

/// A server with the route `plain`, and one component that waits at the gate.
struct Gateway {
    running: RunningServer,
    gate: Arc<Gate>,
    _routes: TempDir,
}

impl Gateway {
    fn start(late: &[u8], load_timeout: Duration) -> Self {
        Self::start_at("late.wasm", late, load_timeout)
    }

    fn start_at(place: &str, late: &[u8], load_timeout: Duration) -> Self {
        Self::start_for(ErrorDetail::Public, place, late, load_timeout)
    }

    fn start_for(error_detail: ErrorDetail, place: &str, late: &[u8], load_timeout: Duration) -> Self {
        let routes = tempfile::tempdir().expect("a directory can be made");
        let add = |name: &str, bytes: &[u8]| {
            std::fs::write(routes.path().join(name), bytes).expect("a file can be written");
        };
        add("plain.wasm", &plain());
        std::fs::create_dir(routes.path().join("in")).expect("a directory can be made");
        add("in/plain.wasm", &plain());
        add("in/plain.toml", b"path = '/in'");
        add(place, late);
        add("late.toml", b"path = '/late'");
        add("panics.wasm", &plain());
        add("panics.toml", b"path = '/panics'");
        let config = Config {
            routes: routes.path().to_owned(),
            workers: NonZeroUsize::MIN,
            timeouts: Timeouts { load: load_timeout, ..Timeouts::default() },
            error_detail,
            dev_hosts: vec!["test".to_owned()],
            ..Config::default()
        };
        let engine = Engine::new(&EngineOptions {
            max_invocations: 10,
            workers: 1,
            cache_directory: config.cache_directory.clone(),
            compiling: config.compiling.clone(),
            wasi_http_03: config.wasi_http_03,
        });
        let engine = engine.expect("there is an engine");
        let disk = Arc::new(Disk::new(&config.routes));
        let loader = Loader {
            source: disk.clone(),
            registries: Arc::default(),
            flags: Vec::new(),
            declare: Declare::Any,
            max_memory: None,
            interpreters: crate::routes::Interpreters::default(),
            engine: engine.clone(),
            grant_sources: Arc::default(),
            grant: None,
            metrics: None,
        };
        let gate = Arc::new(Gate::default());
        let gated = Gated { loader, late: place.into(), gate: gate.clone() };
        let directory =
            Directory::load_with(disk, Arc::default(), None, Arc::new(gated)).expect("the directory is there");
        let server = Server::of(config, Observers::default(), engine, directory, None);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        Self { running: server.start(vec![listener.into()]).expect("a server can be started"), gate, _routes: routes }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses()[0].socket_addr().expect("it listens on a port")
    }

    /// Sends a request with `Connection: close`.
    fn ask(&self, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address()).expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        let method = if path == "*" { "OPTIONS" } else { "GET" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the server reads");
        socket
    }

    /// Asks as a browser does.
    fn ask_for_page(&self, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address()).expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the server reads");
        socket
    }

    #[track_caller]
    fn expect_answer(&self, path: &str, status: &str) {
        expect_answer(self.ask(path), status);
    }
}

fn plain() -> Vec<u8> {
    wat::parse_str(include_str!("../../../tests/guests/plain.wat")).expect("the text is a component")
}

/// Reads until the server closes the connection, and returns the response.
#[track_caller]
fn expect_answer(mut socket: TcpStream, status: &str) -> String {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the server answers in time");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    answer
}

#[test]
fn a_request_waits_for_its_route_and_others_are_served_meanwhile() {
    let gateway = Gateway::start(&plain(), LONG);
    let waiting = [gateway.ask("/late"), gateway.ask("/late?again")];
    gateway.expect_answer("/plain", "200");
    gateway.expect_answer("/absent", "404");
    for socket in &waiting {
        socket.set_nonblocking(true).expect("a socket need not block");
        assert_eq!(socket.peek(&mut [0]).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        socket.set_nonblocking(false).expect("a socket can block");
    }
    gateway.gate.open();
    for socket in waiting {
        expect_answer(socket, "200");
    }
}

#[test]
fn a_request_that_no_route_answers_waits_for_none() {
    let gateway = Gateway::start(&plain(), LONG);
    let answer = expect_answer(gateway.ask("*"), "204");
    assert!(answer.contains("\r\nAllow: "), "{answer}");
}

#[test]
fn a_request_waits_for_the_middleware_of_its_route() {
    let sees = "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func (export \"on-response\") (canon lift (core func $i \"f\"))))";
    let sees = wat::parse_str(sees).expect("the text is a component");
    let gateway = Gateway::start_at("in/_middleware.wasm", &sees, LONG);
    let waiting = gateway.ask("/in");
    gateway.expect_answer("/plain", "200");
    waiting.set_nonblocking(true).expect("a socket need not block");
    assert_eq!(waiting.peek(&mut [0]).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    waiting.set_nonblocking(false).expect("a socket can block");
    gateway.gate.open();
    expect_answer(waiting, "200");
}

#[test]
fn a_route_that_cannot_be_loaded_is_not_found_after() {
    let gateway = Gateway::start(b"\0asm", LONG);
    let waiting = gateway.ask("/late");
    gateway.expect_answer("/plain", "200");
    gateway.gate.open();
    expect_answer(waiting, "404");
}

#[test]
fn a_component_over_which_loading_panics_costs_only_itself() {
    let gateway = Gateway::start(&plain(), LONG);
    gateway.expect_answer("/panics", "404");
    gateway.expect_answer("/plain", "200");
}

#[test]
fn a_request_that_has_waited_long_enough_is_told_to_come_again() {
    let gateway = Gateway::start(&plain(), Duration::from_millis(50));
    let answer = expect_answer(gateway.ask("/late"), "503");
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthe route is still being compiled\n"), "{answer}");
    gateway.gate.open();
}

#[test]
fn in_development_a_browser_is_shown_at_once_what_is_compiled_and_told_when_that_is_done() {
    let gateway = Gateway::start_for(ErrorDetail::Development, "late.wasm", &plain(), LONG);
    gateway.expect_answer("/plain", "200");
    let page = expect_answer(gateway.ask_for_page("/late"), "503");
    assert!(page.contains("\r\nRetry-After: 1\r\n"), "{page}");
    assert!(
        page.contains("<p>the route is still being compiled.</p><pre>Being compiled:\n  late.wasm</pre>"),
        "{page}"
    );
    let overview = expect_answer(gateway.ask_for_page("/"), "200");
    assert!(overview.contains("<p>Being compiled: late.wasm</p>"), "{overview}");
    // A program cannot reload a page, so it waits.
    let (waiting, seen) =
        (gateway.ask("/late"), page.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next()));
    let changes = gateway.ask(&format!("/__dev/changes?watch=page&seen={}", seen.expect("the page has a script")));
    gateway.expect_answer("/plain", "200");
    gateway.gate.open();
    expect_answer(waiting, "200");
    let told = expect_answer(changes, "200");
    assert!(told.contains("\"reload\":true"), "{told}");
    expect_answer(gateway.ask_for_page("/late"), "200");
}

#[test]
fn in_development_a_page_waits_no_longer_than_for_the_end_of_the_server_or_its_client() {
    let gateway = Gateway::start_for(ErrorDetail::Development, "late.wasm", &plain(), LONG);
    let page = expect_answer(gateway.ask_for_page("/absent"), "503");
    gateway.gate.open();
    let seen = page.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has a script");
    let changes = format!("/__dev/changes?watch=page&seen={seen}");
    // What has happened since is told, and then there is nothing to tell.
    let mut told = expect_answer(gateway.ask(&changes), "200");
    let mut waiting = loop {
        let seen =
            told.split("\"seen\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it says so").to_owned();
        let socket = gateway.ask(&format!("/__dev/changes?watch=page&seen={seen}"));
        socket.set_nonblocking(true).expect("a socket need not block");
        expect_answer(gateway.ask("/late"), "200");
        let waits = socket.peek(&mut [0]).is_err();
        socket.set_nonblocking(false).expect("a socket can block");
        match waits {
            true => break socket,
            false => told = expect_answer(socket, "200"),
        }
    };
    let gone = gateway.ask(&changes.replace("seen=", "seen=x"));
    expect_answer(gone, "200");
    gateway.running.stop();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("the server answers in time");
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.contains("\"failure\":null"), "{answer}");
}

#[test]
fn a_server_that_stops_lets_no_request_wait() {
    let gateway = Gateway::start(&plain(), LONG);
    let waiting = gateway.ask("/late");
    gateway.expect_answer("/plain", "200");
    gateway.running.stop();
    let answer = expect_answer(waiting, "503");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[test]
fn a_client_that_resets_while_it_waits_frees_its_place() {
    let gateway = Gateway::start(&plain(), LONG);
    let waiting = gateway.ask("/late");
    gateway.expect_answer("/plain", "200");
    SockRef::from(&waiting).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
    drop(waiting);
    let start = Instant::now();
    while gateway.running.stats().closed(CloseReason::ClientGone) == 0 {
        assert!(start.elapsed() < PATIENCE, "the connection is still open");
        std::thread::yield_now();
    }
}
