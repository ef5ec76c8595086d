//! Clients that take their time, that go, and that send without end: each costs itself and nobody else.

use std::net::TcpStream;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use host::http1::head::HeadLimits;
use socket2::SockRef;

use crate::support::wire::{
    BODY_TIMEOUT, CONTINUE, HEAD_TIMEOUT, HELLO_RESPONSE, TOO_MANY_CONNECTIONS, get, host_response_close,
};
use crate::support::{Client, End, RoutesDir, TIMEOUT, TestServer, guest};

/// A time-out that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

fn hello() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO)
}

#[test]
fn a_slow_head_ends_at_its_timeout_while_others_are_served() {
    let server = TestServer::builder(hello()).timeouts(|timeouts| timeouts.head = SHORT).start();
    let mut other = server.connect();
    let mut dribbling = server.connect();
    let start = Instant::now();
    dribbling.send("GET /hello HTTP/1.1\r\nX: ");
    // The pace is the other's: a byte for each of its requests.
    while dribbling.try_send("x").is_ok() {
        other.send(get!("/hello"));
        other.expect(HELLO_RESPONSE);
        assert!(start.elapsed() < TIMEOUT, "the head is still waited for");
    }
    assert!(start.elapsed() >= SHORT, "cut after {:?}", start.elapsed());
}

#[test]
fn a_head_that_stops_is_answered_408_at_its_timeout() {
    let server = TestServer::builder(hello()).timeouts(|timeouts| timeouts.head = SHORT).start();
    let head = HEAD_TIMEOUT.trim_end_matches("the head did not come in time\n");
    for begun in ["G", "GET /hello HTTP/1.1\r\nHost: it\r\n", "\r\n\r\nGET /hello HTTP/1.1\r\nHost: it\r\n\r"] {
        assert_eq!(server.exchange(begun), HEAD_TIMEOUT, "{begun:?}");
        assert_eq!(
            server.exchange(get!("/hello").to_owned() + begun),
            HELLO_RESPONSE.to_owned() + HEAD_TIMEOUT,
            "{begun:?}"
        );
    }
    assert_eq!(server.exchange("HEAD /hello HTTP/1.1\r\nHost: it\r\n"), head);
}

#[test]
fn a_head_past_a_bound_is_refused_and_the_connection_closed() {
    let bounds = HeadLimits { max_bytes: 200, max_fields: 4, max_target: 50 };
    let server = TestServer::builder(hello()).limits(|limits| limits.head = bounds).start();
    let long = "x".repeat(200);
    let (target, head) = (414, 431);
    let many = "X: y\r\n".repeat(4);
    let heads = [
        (get(&format!("/{long}")), target, "the target is too long\n"),
        (format!("GET /hello HTTP/1.1\r\nHost: it\r\nX: {long}\r\n\r\n"), head, "the head is too large\n"),
        (format!("GET /hello HTTP/1.1\r\nHost: it\r\nX: {long}"), head, "the head is too large\n"),
        (format!("GET /hello HTTP/1.1\r\nHost: it\r\n{many}\r\n"), head, "too many fields\n"),
    ];
    for (head, status, text) in heads {
        let response = host_response_close(status, text);
        assert_eq!(server.exchange(&head), response, "{head}");
    }
    let most = format!("GET /hello HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(2));
    assert!(server.exchange(most).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_connection_without_a_request_is_closed_at_the_idle_timeout() {
    let server = TestServer::builder(hello()).timeouts(|timeouts| timeouts.idle = SHORT).start();
    assert_eq!(server.exchange(""), "");
    let mut client = server.connect();
    client.send(get!("/hello"));
    client.expect(HELLO_RESPONSE);
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_body_that_stops_is_answered_408() {
    let routes = RoutesDir::new().with(guest::UPLOAD).with(guest::SCRIPT);
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.body = SHORT).start();
    let response = BODY_TIMEOUT;
    for target in ["/script?read", "/upload"] {
        let request = format!("POST {target} HTTP/1.1\r\nHost: it\r\nContent-Length: 10\r\n\r\nabc");
        assert_eq!(server.exchange(request), response, "{target}");
    }
}

#[test]
fn a_body_below_the_minimum_rate_ends_after_its_total_timeout() {
    let server = TestServer::builder(RoutesDir::new().with(guest::ECHO)).timeouts(|timeouts| {
        (timeouts.body, timeouts.min_body_rate) = (SHORT, NonZeroU64::new(u64::MAX));
    });
    let server = server.start();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    client.read_until("\r\n\r\n1\r\nx\r\n");
    let start = Instant::now();
    // Each byte is sent once the one before is back: no wait comes near the time-out.
    while client.try_send("1\r\nx\r\n").is_ok() && matches!(client.read_some(), Ok(1..)) {
        assert!(start.elapsed() < TIMEOUT, "it is still waited for");
    }
    assert!(start.elapsed() >= SHORT, "cut after {:?}", start.elapsed());
}

#[test]
fn a_client_that_stops_reading_is_closed_at_the_write_timeout() {
    let routes = RoutesDir::new().with(guest::ENDLESS).with_file("endless.toml", "concurrency = 1");
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.write = SHORT).start();
    for version in ["1.0", "1.1"] {
        let mut stalled = server.connect();
        stalled.send(format!("GET /endless HTTP/{version}\r\nHost: it\r\n\r\n"));
        stalled.read_until("\r\n\r\n");
        // The route has one place: another is let in once the first is gone.
        wait_until_served(&server, "/endless");
        // To HTTP/1.0 only a reset tells that this is not the whole.
        assert_eq!(stalled.read_until_end().1, End::Reset, "HTTP/{version}");
    }
}

#[test]
fn a_client_that_reads_below_the_minimum_rate_is_closed_after_its_total_timeout() {
    let server = TestServer::builder(hello().with(guest::ENDLESS)).timeouts(|timeouts| {
        (timeouts.write, timeouts.min_write_rate) = (SHORT, NonZeroU64::new(u64::MAX));
    });
    let (server, mut other) = (server.start(), None);
    let mut client = server.connect_with_small_window();
    client.send(get!("/endless"));
    client.read_until("\r\n\r\n");
    let start = Instant::now();
    // It takes some as often as another is served: no wait comes near the time-out.
    while matches!(client.read_some(), Ok(1..)) {
        let other = other.get_or_insert_with(|| server.connect());
        other.send(get!("/hello"));
        other.expect(HELLO_RESPONSE);
        assert!(start.elapsed() < TIMEOUT, "it is still served");
    }
    assert!(start.elapsed() >= SHORT, "cut after {:?}", start.elapsed());
}

#[test]
fn the_rate_of_a_route_is_not_held_against_its_clients() {
    let routes =
        RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "rate = 1000\nburst = 1\nbuffer_size = 100");
    let server = TestServer::builder(routes).timeouts(|timeouts| {
        (timeouts.write, timeouts.min_write_rate) = (SHORT, NonZeroU64::new(u64::MAX));
    });
    let response = server.start().get("/script?write-bytes=800&body=end");
    assert!(response.ends_with("3\r\nend\r\n0\r\n\r\n"), "{response}");
}

#[test]
fn a_connection_past_the_limit_is_answered_503_until_one_ends() {
    let routes = hello().with(guest::UPLOAD);
    let server = TestServer::builder(routes).limits(|limits| limits.max_connections = 2).start();
    let mut first = server.connect();
    let mut second = server.connect();
    for client in [&mut first, &mut second] {
        client.send("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        client.expect(CONTINUE);
    }
    assert_eq!(server.connect().read_to_end(), TOO_MANY_CONNECTIONS);
    first.send("abc");
    assert!(first.read_response().starts_with("HTTP/1.1 200 OK\r\n"));
    first.send(get!("/hello"));
    first.expect(HELLO_RESPONSE);
    drop(second);
    connect(&server);
}

#[test]
fn a_reset_leaves_nothing_behind() {
    let routes = hello().with(guest::UPLOAD).with(guest::ENDLESS).with(guest::MANUAL);
    let server =
        TestServer::builder(routes).limits(|limits| (limits.max_connections, limits.max_invocations) = (1, 1)).start();
    // What is sent, and what is waited for before the reset.
    let exchanges = [
        ("GET /hel", None),
        ("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 10\r\n\r\nabc", None),
        ("POST /upload HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", None),
        (
            "POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
            Some("100 Continue"),
        ),
        (get!("/endless"), Some("\r\nxxx")),
        (get!("/manual"), Some("one\n")),
    ];
    for (request, awaited) in exchanges {
        for _ in 0..5 {
            let (socket, mut client) = connect(&server);
            client.send(request);
            awaited.map(|end| client.read_until(end));
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
        }
    }
    connect(&server);
}

#[test]
fn a_flood_behind_a_parked_response_is_dropped_and_harms_nobody() {
    let server = TestServer::start(hello().with(guest::MANUAL));
    let mut client = server.connect();
    client.send(get!("/manual"));
    client.read_until("4\r\none\n\r\n");
    let flood = get!("/hello").repeat(1000);
    for _ in 0..100 {
        client.send(&flood);
    }
    let mut other = server.connect();
    other.send(get!("/hello"));
    other.expect(HELLO_RESPONSE);
    client.expect_silence(SHORT);
}

#[test]
fn a_flood_of_requests_to_a_handler_that_waits_is_not_read() {
    let server = TestServer::start(hello().with(guest::ENDLESS));
    let (socket, mut client) = connect(&server);
    socket.set_write_timeout(Some(SHORT)).expect("a time-out can be set");
    // Nothing of the response is read, so no second request is served.
    let flood = get!("/endless").repeat(1000);
    let taken = (0..1000).take_while(|_| client.try_send(&flood).is_ok()).count();
    assert!(taken * flood.len() < 32 * 1024 * 1024, "{taken} times {} bytes were taken", flood.len());
}

/// Requests `path` on connections of their own until it is answered 200: its place is free, and everything of before
/// is gone.
#[track_caller]
fn wait_until_served(server: &TestServer, path: &str) {
    let start = Instant::now();
    loop {
        let mut client = server.connect();
        client.send(get(path));
        let head = client.read_until("\r\n\r\n");
        if head.starts_with("HTTP/1.1 200 ") {
            return;
        }
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(start.elapsed() < TIMEOUT, "there is still no place");
    }
}

/// A connection, and its socket, once there is a place for it.
#[track_caller]
fn connect(server: &TestServer) -> (TcpStream, Client) {
    let start = Instant::now();
    loop {
        let socket = TcpStream::connect(server.address()).expect("the server accepts");
        let mut client = server.over(socket.try_clone().expect("a socket can be shared"));
        client.send(get!("/hello"));
        if client.read_response() == HELLO_RESPONSE {
            return (socket, client);
        }
        assert!(start.elapsed() < TIMEOUT, "there is still no place");
    }
}
