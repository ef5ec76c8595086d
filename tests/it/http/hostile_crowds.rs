//! Hostile clients by the hundred and the thousand: what they cost the host in memory, descriptors and time is bounded.
//! The host is a process of its own here, so that what it uses can be told from what the tests use.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;

use crate::support::wire::{CONTINUE, HEAD_TIMEOUT, HELLO_RESPONSE, TOO_MANY_CONNECTIONS, get};
use crate::support::{Client, End, Process, RoutesDir, compile_cache, guest, host, wait_until};

/// How soon the answer to a normal request counts as served at once, on a machine that runs other tests meanwhile.
const AT_ONCE: Duration = Duration::from_secs(1);

fn hello() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO)
}

/// A host by one worker whose allocator gives back at once what it does not use, so that nothing hides what is used.
fn with_eager_purging(routes: &RoutesDir) -> Process {
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--workers", "1"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache());
    command.env("MIMALLOC_PURGE_DELAY", "0");
    Process::spawn(command, 1)
}

#[test]
fn five_hundred_slow_heads_end_at_the_deadline_and_delay_nobody() {
    let pace = Duration::from_millis(200);
    let deadline = Duration::from_secs(2);
    let host = Process::start(&hello(), &["--head-timeout", "2"]);
    let mut other = host.connect();
    let mut crowd: Vec<Client> = (0..500).map(|_| host.connect()).collect();
    let start = Instant::now();
    let head = "GET /hello HTTP/1.1\r\nHost: it\r\nX: ".bytes().chain(std::iter::repeat(b'x'));
    for (round, byte) in (1..).zip(head) {
        // One that is cut need not take it any more.
        crowd.iter_mut().for_each(|client| drop(client.try_send([byte])));
        if start.elapsed() > deadline + 2 * pace {
            break;
        }
        while start.elapsed() < pace * round {
            probe(&mut other);
        }
    }
    for client in &mut crowd {
        assert_eq!(client.read_to_end(), HEAD_TIMEOUT);
    }
    probe(&mut other);
}

#[test]
fn two_hundred_that_read_slowly_hold_little_of_the_host() {
    // The same guest with the smallest output tells what is the guests' own.
    let routes = hello().with_as("small.wasm", guest::ENDLESS).with_file("small.toml", "buffer_size = 1024");
    let host = with_eager_purging(&routes.with(guest::ENDLESS));
    // The first crowd finds what loading has left in the allocator.
    drop(slow_readers(&host, "/small"));
    wait_until("descriptors are closed", || host.descriptors() < 200);
    let (small, crowd) = slow_readers(&host, "/small");
    drop(crowd);
    wait_until("descriptors are closed", || host.descriptors() < 200);
    let (large, mut crowd) = slow_readers(&host, "/endless");
    let each = large.saturating_sub(small) / crowd.len();
    assert!(each <= 128 * 1024, "{each} bytes each");
    for _ in 0..100 {
        crowd.iter_mut().for_each(|client| drop(client.read_exactly(1024)));
    }
    let later = host.memory();
    let more = later.saturating_sub(large) / crowd.len();
    assert!(more <= 4096, "{more} bytes more each, after they have read 100 KiB");
}

/// The memory of the host while 200 clients read an endless response slowly.
#[track_caller]
fn slow_readers(host: &Process, path: &str) -> (usize, Vec<Client>) {
    let request = get(path);
    let mut crowd: Vec<Client> = (0..200).map(|_| Client::with_small_window(host.addresses()[0])).collect();
    crowd.iter_mut().for_each(|client| client.send(&request));
    crowd.iter_mut().for_each(|client| assert!(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 ")));
    // Each guest has had its turns by then.
    let mut other = host.connect();
    (0..100).for_each(|_| probe(&mut other));
    (host.memory(), crowd)
}

#[test]
fn five_thousand_idle_connections_cost_little_each() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a limit can be raised to its maximum");
    let host = with_eager_purging(&hello());
    // What the allocator keeps for a crowd that has gone is not there to hide the cost of the next.
    drop(idle(&host, 500));
    wait_until("descriptors are closed", || host.descriptors() < 500);
    let before = host.memory();
    let crowd = idle(&host, 5000);
    let each = host.memory().saturating_sub(before) / crowd.len();
    assert!(each <= 4096, "{each} bytes each");
    let mut other = host.connect();
    probe(&mut other);
}

/// Connections without a request in flight: every other one has had one.
fn idle(host: &Process, count: usize) -> Vec<Client> {
    let mut crowd: Vec<Client> = (0..count).map(|_| host.connect()).collect();
    crowd.iter_mut().step_by(2).for_each(probe);
    crowd
}

#[test]
fn two_thousand_resets_leave_no_descriptor_behind() {
    let routes = hello()
        .with(guest::UPLOAD)
        .with(guest::ENDLESS)
        .with(guest::MANUAL)
        .with_file("endless.toml", "concurrency = 1");
    let host = Process::start(&routes, &["--max-invocations", "8"]);
    let mut other = host.connect();
    probe(&mut other);
    // What compiles has descriptors of its own.
    host.stderr().wait_for(&["routes loaded"]);
    let before = host.descriptors();
    // What is sent, and what is waited for before the reset.
    let exchanges = [
        ("GET /hel", None),
        ("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 10\r\n\r\nabc", None),
        ("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", Some("HTTP/1.1 ")),
        (get!("/endless"), Some("HTTP/1.1 ")),
        ("GET /endless HTTP/1.0\r\n\r\n", None),
        (get!("/manual"), Some("HTTP/1.1 ")),
        (get!("/none"), None),
        ("GET\r\n\r\n", Some("HTTP/1.1 ")),
    ];
    for (request, awaited) in exchanges {
        for _ in 0..250 {
            let socket = TcpStream::connect(host.addresses()[0]).expect("the server accepts");
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
            let mut client = Client::over(socket);
            client.send(request);
            awaited.map(|start| client.read_until(start));
        }
    }
    // Fewer is well: a descriptor of the loading may still have been open when they were counted.
    wait_until("descriptors are closed", || host.descriptors() <= before);
    probe(&mut other);
    // No invocation is left either: the one place is free.
    wait_until("the permit is free", || {
        let mut client = host.connect();
        client.send(get!("/endless"));
        client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn past_the_bound_connections_are_answered_503_and_serving_recovers() {
    let host = Process::start(&hello().with(guest::UPLOAD), &["--max-connections", "50"]);
    let mut admitted: Vec<Client> = (0..50).map(|_| host.connect()).collect();
    admitted.iter_mut().for_each(|client| {
        client.send("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        client.expect(CONTINUE);
    });
    let mut refused: Vec<Client> = (0..100).map(|_| host.connect()).collect();
    refused
        .iter_mut()
        .for_each(|client| assert_eq!(client.read_until_end(), (TOO_MANY_CONNECTIONS.to_owned(), End::Closed)));
    for client in &mut admitted {
        client.send("abc");
        assert!(client.read_response().starts_with("HTTP/1.1 200 OK\r\n"));
        probe(client);
    }
    drop((admitted, refused));
    wait_until("a connection is admitted", || {
        let mut client = host.connect();
        client.send(get!("/hello"));
        client.read_response() == HELLO_RESPONSE
    });
}

/// A normal request, which is served at once.
#[track_caller]
fn probe(client: &mut Client) {
    let start = Instant::now();
    client.send(get!("/hello"));
    client.expect(HELLO_RESPONSE);
    assert!(start.elapsed() < AT_ONCE, "served after {:?}", start.elapsed());
}
