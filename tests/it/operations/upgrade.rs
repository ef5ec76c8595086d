//! A host that is replaced by a new process (SIGUSR2): no request is lost, and whatever is wrong with the new one, the old one
//! serves on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::http2::{ACK, END_HEADERS, END_STREAM, HEADERS, PING, block, frame, request};
use crate::support::wire::{HELLO_RESPONSE, HELLO_RESPONSE_CLOSE, get_and_close, get_script};
use crate::support::{Client, Http2Client, Process, RoutesDir, TIMEOUT, compile_cache, guest, host, wait_until};

/// The process that takes over, killed when dropped. It has the pipes of the old one, so it has to be dropped first.
struct Successor(String);

impl Successor {
    /// Waits until the old process says that it is replaced for the time of this number.
    #[track_caller]
    fn of(process: &Process, number: usize) -> Self {
        process.stderr().wait_for_another(&["another process serves now"], number - 1);
        let line = process.stderr().with(&["another process serves now"])[number - 1].clone();
        let id = line.split("process=").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        Self(id.unwrap_or_else(|| panic!("{line:?} names no process")).to_owned())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0]).status();
        assert!(status.expect("there is a kill command").success());
    }

    fn runs(&self) -> bool {
        runs(&self.0)
    }
}

/// Whether a process of this number runs.
fn runs(process: &str) -> bool {
    // The first process of a container may be none that reaps others, so a zombie has ended too.
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !matches!(state.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()), None | Some("Z" | "X"))
}

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-s", "KILL", &self.0]).status();
        wait_until("the new process ends", || !self.runs());
    }
}

/// A host on a free port and on a Unix socket of `directory`.
fn start(routes: &RoutesDir, directory: &Path, arguments: &[&str]) -> Process {
    let unix = format!("unix:{}", socket(directory).display());
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--listen", &unix, "--no-watch", "--workers", "2"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(arguments);
    let process = Process::spawn(command, 1);
    process.stderr().wait_for(&["routes loaded"]);
    process
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("host.sock")
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

/// Clients that send requests without a pause until they are told to stop. Each request has to be answered whole.
struct Load {
    stops: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(clients: Vec<Box<dyn FnMut() + Send>>) -> Self {
        let (stops, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = clients.into_iter().map(|mut client| {
            let (stops, served) = (stops.clone(), served.clone());
            std::thread::spawn(move || {
                while !stops.load(Ordering::Relaxed) {
                    client();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let clients = clients.collect();
        Self { stops, served, clients }
    }

    /// Waits until as many more requests were answered.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let start = self.served.load(Ordering::Relaxed);
        wait_until("requests are answered", || {
            assert!(!self.clients.iter().any(JoinHandle::is_finished), "a request was lost");
            self.served.load(Ordering::Relaxed) >= start + more
        });
    }

    /// How many were answered.
    fn end(self) -> usize {
        self.stops.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("no request was lost"));
        self.served.load(Ordering::Relaxed)
    }
}

/// A client with a connection for each request.
fn connecting(connect: impl Fn() -> Client + Send + 'static) -> Box<dyn FnMut() + Send> {
    Box::new(move || assert_eq!(connect().exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE))
}

/// A client that keeps its connection. The server may close that between two requests; then the client sends the request again,
/// on another connection, as RFC 9112 section 9.3.1 says.
fn keeping(connect: impl Fn() -> Client + Send + 'static) -> Box<dyn FnMut() + Send> {
    let mut client: Option<Client> = None;
    Box::new(move || {
        let is_new = client.is_none();
        let kept = client.get_or_insert_with(&connect);
        if kept.try_send(get!("/hello")).is_ok() && matches!(kept.read_some(), Ok(1..)) {
            let response = kept.read_until("0\r\n\r\n");
            match response == HELLO_RESPONSE {
                true => return,
                // A host that ends lets a connection end with its response.
                false => assert_eq!(response, HELLO_RESPONSE_CLOSE),
            }
        } else {
            assert!(!is_new, "a new connection is served");
        }
        client = None;
    })
}

/// A client of HTTP/2 that has four requests under way on its connection. If it is told that the connection ends, it opens
/// another one, and sends again what the server says that it has not begun (RFC 9113 section 6.8).
fn multiplexing(connect: impl Fn() -> Client + Send + 'static) -> Box<dyn FnMut() + Send> {
    let mut kept: Option<(Http2Client, u32)> = None;
    Box::new(move || {
        let mut left = 4;
        while left > 0 {
            let (client, next) = kept.get_or_insert_with(|| (Http2Client::open(connect()), 1));
            let streams: Vec<u32> = (0..left).map(|number| *next + 2 * number).collect();
            *next += 2 * left;
            let head = block(&request("GET", "/hello"));
            let heads = streams.iter().flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, *stream, &head));
            // If the server has closed it, it has said before which of them it has not begun.
            client.try_send(heads.collect::<Vec<u8>>());
            let (served, ends) = read_hellos(client, &streams);
            left -= served;
            if ends {
                kept = None;
            }
        }
    })
}

/// Reads the responses on these streams. Returns how many there were, and whether the connection ends.
fn read_hellos(client: &mut Http2Client, streams: &[u32]) -> (u32, bool) {
    let mut bodies: BTreeMap<u32, String> = streams.iter().map(|stream| (*stream, String::new())).collect();
    let (mut served, mut ends) = (0, false);
    while !bodies.is_empty() {
        let line = client.next();
        let mut words = line.splitn(3, ' ');
        let [kind, number, rest] = std::array::from_fn(|_| words.next().unwrap_or_default());
        let number: u32 = number.parse().unwrap_or_default();
        match kind {
            "HEADERS" => assert!(rest.starts_with(":status=200 "), "{line}"),
            "DATA" => {
                let body = bodies.get_mut(&number).unwrap_or_else(|| panic!("no such stream: {line}"));
                body.push_str(rest.trim_end_matches("END").trim_end());
                if rest.ends_with("END") {
                    assert_eq!(bodies.remove(&number).as_deref(), Some("HelloWorld!"));
                    served += 1;
                }
            }
            "PING" => {
                let payload = client.last_ping.clone();
                client.try_send(frame(PING, ACK, 0, payload));
            }
            "GOAWAY" => {
                assert_eq!(rest, "NO_ERROR");
                ends = true;
                bodies.retain(|stream, _| *stream <= number);
            }
            _ => panic!("a request was lost: {line}, and {bodies:?} are awaited"),
        }
    }
    (served, ends)
}

/// Sends requests over a port and a Unix socket while the host is replaced `times` times, and at least `requests` in all.
fn replace_under_load(times: usize, requests: usize) -> usize {
    let (routes, directory) = (RoutesDir::new().with(guest::HELLO), directory());
    let mut process = vec![start(&routes, directory.path(), &[])];
    let address = process[0].addresses()[0];
    let path = socket(directory.path());
    let unix = {
        let path = path.clone();
        move || Client::connect_unix(&path)
    };
    let load = Load::start(vec![
        connecting(move || Client::connect(address)),
        connecting(unix.clone()),
        keeping(move || Client::connect(address)),
        keeping(unix.clone()),
        multiplexing(move || Client::connect(address)),
        multiplexing(unix),
    ]);
    let mut successors: Vec<Successor> = Vec::new();
    for number in 1..=times {
        load.wait_for(200);
        match successors.last() {
            None => process[0].signal("USR2"),
            Some(last) => last.signal("USR2"),
        }
        let next = Successor::of(&process[0], number);
        if let Some(last) = successors.last() {
            wait_until("the process before ends", || !last.runs());
        }
        successors.push(next);
        load.wait_for(200);
    }
    while load.served.load(Ordering::Relaxed) < requests {
        load.wait_for(100);
    }
    let served = load.end();
    assert!(path.exists());
    let last = successors.pop().expect("it was replaced");
    last.signal("TERM");
    wait_until("the last process ends", || !last.runs());
    assert!(!path.exists(), "the last process removes the file");
    drop((last, successors));
    process.clear();
    served
}

#[test]
fn no_request_is_lost_while_the_host_is_replaced_also_twice() {
    let served = replace_under_load(2, 2000);
    assert!(served >= 2000);
}

#[test]
#[ignore = "takes long: 60,000 requests over three changes"]
fn of_sixty_thousand_requests_none_is_lost() {
    let served = replace_under_load(3, 60_000);
    println!("{served} requests were answered, none was lost");
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_serving() {
    let (parent, directory) = (directory(), directory());
    let routes = parent.path().join("routes");
    std::fs::rename(RoutesDir::new().with(guest::HELLO).path(), &routes).expect("it can be moved");
    let unix = format!("unix:{}", socket(directory.path()).display());
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--listen", &unix, "--no-watch", "--routes"]);
    command.arg(&routes).arg("--cache-dir").arg(compile_cache());
    let process = Process::spawn(command, 1);
    process.wait_for("/hello", "200");
    let away = parent.path().join("away");
    std::fs::rename(&routes, &away).expect("it can be moved");
    process.signal("USR2");
    let failed = ["the upgrade has failed, and this host goes on", "the new host has ended (exit status: 2)"];
    process.stderr().wait_for(&failed);
    process.stderr().wait_for(&["error: cannot read the routes directory"]);
    assert_eq!(process.get("/hello"), HELLO_RESPONSE_CLOSE);
    let over_unix = || Client::connect_unix(&socket(directory.path())).exchange(get_and_close!("/hello"));
    assert_eq!(over_unix(), HELLO_RESPONSE_CLOSE, "its socket is still there");
    std::fs::rename(&away, &routes).expect("it can be moved");
    process.signal("USR2");
    let successor = Successor::of(&process, 1);
    assert_eq!(
        (process.get("/hello"), over_unix()),
        (HELLO_RESPONSE_CLOSE.to_owned(), HELLO_RESPONSE_CLOSE.to_owned())
    );
    drop(successor);
}

#[test]
fn a_request_in_flight_ends_in_the_old_process_and_the_new_one_serves_meanwhile() {
    let (routes, directory) = (RoutesDir::new().with(guest::SCRIPT), directory());
    let process = start(&routes, directory.path(), &[]);
    let mut slow = process.connect();
    slow.send("POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    slow.expect("HTTP/1.1 100 Continue\r\n\r\n");
    process.signal("USR2");
    let successor = Successor::of(&process, 1);
    assert!(process.get("/script?body=new").ends_with("3\r\nnew\r\n0\r\n\r\n"));
    slow.send("Hello");
    assert!(slow.read_to_end().ends_with("5\r\nHello\r\n0\r\n\r\n"));
    drop(successor);
}

#[test]
fn parked_responses_end_one_after_the_other_over_the_time_for_it() {
    const WINDOW: Duration = Duration::from_secs(2);
    let (routes, directory) = (RoutesDir::new().with(guest::SCRIPT), directory());
    let process = start(&routes, directory.path(), &["--park-drain", "2"]);
    let parked: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = process.connect();
            client.send(get_script("subscribe=upgrade&write=1&manual"));
            client.expect(ok_chunked!("1\r\n1\r\n"));
            client
        })
        .collect();
    process.signal("USR2");
    let successor = Successor::of(&process, 1);
    let clients = parked.into_iter().map(|mut client| {
        std::thread::spawn(move || {
            assert_eq!(client.read_to_end(), "0\r\n\r\n", "it ends whole");
            Instant::now()
        })
    });
    let clients: Vec<JoinHandle<Instant>> = clients.collect();
    let mut ends: Vec<Instant> = clients.into_iter().map(|client| client.join().expect("it ends")).collect();
    ends.sort_unstable();
    // Each worker spreads its own, so that the first and the last are far apart.
    let spread = ends[ends.len() - 1] - ends[0];
    assert!(spread >= WINDOW / 2 && spread < WINDOW + TIMEOUT, "{spread:?}");
    drop(successor);
}

#[test]
fn parked_streams_of_http2_end_one_after_the_other_over_the_time_for_it() {
    const WINDOW: Duration = Duration::from_secs(2);
    const STREAMS: u32 = 10;
    let (routes, directory) = (RoutesDir::new().with(guest::SCRIPT), directory());
    let process = start(&routes, directory.path(), &["--park-drain", "2"]);
    let parked: Vec<Http2Client> = (0..2)
        .map(|_| {
            let mut client = Http2Client::open(process.connect());
            for stream in (1..).step_by(2).take(STREAMS as usize) {
                client.get(stream, "/script?subscribe=upgrade&write=1&manual");
                assert!(client.next().starts_with(&format!("HEADERS {stream} :status=200")));
                assert_eq!(client.next(), format!("DATA {stream} 1"));
            }
            client
        })
        .collect();
    process.signal("USR2");
    let successor = Successor::of(&process, 1);
    let clients = parked.into_iter().map(|mut client| {
        std::thread::spawn(move || {
            let mut ends = Vec::new();
            loop {
                let line = client.next();
                match line.split(' ').next() {
                    Some("DATA") if line.ends_with("  END") => ends.push(Instant::now()),
                    Some("PING") => {
                        let payload = client.last_ping.clone();
                        client.try_send(frame(PING, ACK, 0, payload));
                    }
                    Some("GOAWAY") => assert!(line.ends_with(" NO_ERROR"), "{line}"),
                    Some("closed") => return ends,
                    _ => panic!("{line}"),
                }
            }
        })
    });
    let clients: Vec<JoinHandle<Vec<Instant>>> = clients.collect();
    for client in clients {
        let ends = client.join().expect("its streams end whole");
        assert_eq!(ends.len(), STREAMS as usize);
        let spread = ends[ends.len() - 1] - ends[0];
        assert!(spread >= WINDOW / 4 && spread < WINDOW + TIMEOUT, "{spread:?}");
    }
    drop(successor);
}

#[test]
fn what_is_in_stores_is_taken_over_and_no_change_is_lost() {
    let (directory, state) = (directory(), directory());
    let grant = "[grant.kv]\n'' = 'shop'\n";
    let routes = RoutesDir::new().with(guest::HELLO).with_as("kv.wasm", guest::STORES).with_file("kv.toml", grant);
    let process = start(&routes, directory.path(), &["--state", &state.path().display().to_string()]);
    let address = process.addresses()[0];
    let increment = |client: &mut Client| {
        client.send(get_and_close("/kv?increment=:n:1"));
        let answer = client.read_to_end();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("increment: "), "{answer}");
    };
    let load = Load::start(
        (0..2).map(|_| Box::new(move || increment(&mut Client::connect(address))) as Box<dyn FnMut() + Send>).collect(),
    );
    load.wait_for(20);
    process.signal("USR2");
    let successor = Successor::of(&process, 1);
    load.wait_for(20);
    let made = load.end();
    let found = process.get("/kv?get=:n");
    assert!(found.contains(&format!("get: {made}\n")), "{made} were answered, and there are {found}");
    let mut publish = host(&["publish", "--state"]);
    let output = publish.arg(state.path()).args(["--topics", "upgrade", "topic", "text"]).output();
    let printed = String::from_utf8_lossy(&output.expect("it can be run").stderr).into_owned();
    assert!(!printed.contains("no host runs"), "the control socket was taken over: {printed}");
    drop(successor);
}

#[test]
fn the_admin_listener_goes_over_to_the_new_process() {
    let directory = directory();
    let path = directory.path().join("admin.sock");
    let unix = format!("unix:{}", path.display());
    let routes = RoutesDir::new().with(guest::HELLO);
    for is_tcp in [true, false] {
        let (process, tcp) = match is_tcp {
            true => {
                let (process, admin) = Process::start_with_admin(&routes, &["--no-watch"]);
                (process, Some(admin))
            }
            false => (Process::start(&routes, &["--no-watch", "--admin", &unix]), None),
        };
        assert_eq!(process.get("/hello"), HELLO_RESPONSE_CLOSE);
        let asked = |target: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            match &tcp {
                Some(admin) => admin.connect().exchange(request),
                None => Client::connect_unix(&path).exchange(request),
            }
        };
        let started = |stats: &str| {
            let (_, json) = stats.split_once("\r\n\r\n").expect("it has a head");
            let stats: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
            (stats["started"].as_f64().expect("it is a time"), stats["requests"].as_u64().expect("it is a number"))
        };
        wait_until("the request is counted", || started(&asked("/stats.json")).1 == 1);
        let (old, _) = started(&asked("/stats.json"));
        process.signal("USR2");
        let successor = Successor::of(&process, 1);
        // Both accept until the old process hands over.
        wait_until("the new process answers", || started(&asked("/stats.json")).0 > old);
        assert!(asked("/readyz").ends_with("ready\n"));
        assert_eq!(started(&asked("/stats.json")).1, 0);
        // The old process ends, and what it does at its end takes nothing away.
        wait_until("the old process ends", || !runs(&process.id().to_string()));
        assert!(successor.runs() && asked("/healthz").ends_with("ok\n"));
    }
}

#[test]
fn a_signal_that_stops_the_host_ends_a_new_process_that_does_not_serve_yet() {
    let (routes, directory) = (RoutesDir::new().with(guest::HELLO), directory());
    let process = start(&routes, directory.path(), &[]);
    process.signal("USR2");
    process.signal("TERM");
    // Whatever comes first: either it is replaced, or it ends and the new one too.
    wait_until("it stops or is replaced", || {
        let lines = |part| !process.stderr().with(&[part]).is_empty();
        lines("another process serves now") || lines("stopping: waiting")
    });
    let replaced = !process.stderr().with(&["another process serves now"]).is_empty();
    let successor = replaced.then(|| Successor::of(&process, 1));
    drop(successor);
}
