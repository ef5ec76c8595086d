//! Responses, uploads and WebSockets over TLS: what is other than without TLS, and the tables of outcomes once more.

use std::num::NonZeroU64;
use std::time::Duration;

use host::close_reason::CloseReason;

use crate::support::Connection::{Close, KeepAlive};
use crate::support::websocket::CLOSE;
use crate::support::wire::{LAST, LAST_RESPONSE, SCRIPT_HELLO, get_and_close, get_script};
use crate::support::{End, RoutesDir, TestServer, check, guest, wait_until};

const GET: &str = get!("/script?{}");
const GET_1_0: &str = "GET /script?{} HTTP/1.0\r\n\r\n";

fn script() -> TestServer {
    TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).tls().start()
}

#[test]
fn each_outcome_sends_what_it_sends_without_tls() {
    let server = script();
    let cases = [
        ("body=Hello", SCRIPT_HELLO, KeepAlive),
        ("write=Hello&body=", SCRIPT_HELLO, KeepAlive),
        ("write=Hello&end&body=ignored", SCRIPT_HELLO, KeepAlive),
        ("close", "", Close),
        ("close-now", "", Close),
        ("write=Hello&close", SCRIPT_HELLO, Close),
    ];
    check(&server, GET, &cases);
}

#[test]
fn a_complete_end_is_said_and_a_truncated_response_never_looks_complete() {
    let server = script();
    // What the client has sent, whether it is told that nothing follows, and how the socket ends.
    for (request, commands, is_complete, end) in [
        (GET, "write=Hello&close", true, End::Closed),
        (GET, "close", true, End::Closed),
        (GET, "write=Hello&trap", false, End::Closed),
        (GET, "write=Hello&fail", false, End::Closed),
        (GET_1_0, "write=Hello&body=", true, End::Closed),
        (GET_1_0, "write=Hello&trap", false, End::Reset),
    ] {
        let mut client = server.connect();
        client.send(request.replace("{}", commands));
        let (text, ended) = client.read_until_end();
        assert_eq!((client.tls().is_closed_by_server(), ended), (is_complete, end), "{request} {commands}: {text}");
    }
}

#[test]
fn a_client_that_ends_without_saying_so_is_gone_and_one_that_says_so_is_answered() {
    let server = script();
    let mut client = server.connect();
    client.send(LAST);
    client.half_close();
    assert_eq!(client.read_to_end(), LAST_RESPONSE);

    let mut client = server.connect();
    client.send(get_script("body=Hello"));
    client.expect(SCRIPT_HELLO);
    client.half_close_without_tls();
    let _ = client.read_until_end();
    wait_until("it is counted", || server.closed(CloseReason::ClientGone) == 1);
}

#[test]
fn large_bodies_pass_in_both_directions_and_pipelined_requests_in_order() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT).with(guest::ECHO)).tls().start();
    let body = "0123456789abcdef".repeat(16 * 1024);
    let mut client = server.connect();
    client.send(format!("POST /echo HTTP/1.1\r\nHost: it\r\nContent-Length: {}\r\n\r\n", body.len()));
    for piece in body.as_bytes().chunks(50_000) {
        client.send(piece);
    }
    let head = client.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let mut echoed = String::new();
    loop {
        let size = client.read_until("\r\n");
        let size = usize::from_str_radix(size.trim(), 16).expect("it is the size of a chunk");
        let chunk = client.read_exactly(size + 2);
        if size == 0 {
            break;
        }
        echoed.push_str(str::from_utf8(&chunk[..size]).expect("it is what was sent"));
    }
    assert!(echoed == body);

    client.send(get_script("body=Hello").repeat(20));
    for _ in 0..20 {
        client.expect(SCRIPT_HELLO);
    }
    // A byte a record.
    for byte in get_script("body=Hello").as_bytes() {
        client.send([*byte]);
    }
    client.expect(SCRIPT_HELLO);
}

#[test]
fn a_parked_response_is_left_open_and_idle_clients_are_told_that_they_are_closed() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .tls()
        .timeouts(|timeouts| timeouts.idle = Duration::from_millis(300))
        .start();
    let mut parked = server.park("write=Hello", ok_chunked!("5\r\nHello\r\n"));
    let mut idle = server.connect();
    idle.send(get_script("body=Hello"));
    idle.expect(SCRIPT_HELLO);
    assert_eq!(idle.read_to_end(), "");
    assert!(idle.tls().is_closed_by_server());
    parked.expect_silence(Duration::from_millis(100));
    assert_eq!(server.parked(), 1);
    parked.half_close();
    drop(parked);
    wait_until("the parked response has ended", || server.parked() == 0);
}

#[test]
fn a_client_that_reads_nothing_is_reset_at_the_write_timeout() {
    let server = TestServer::builder(RoutesDir::new().with(guest::ENDLESS))
        .tls()
        .timeouts(|timeouts| timeouts.write = Duration::from_millis(300))
        .start();
    let mut client = server.connect_with_small_window();
    client.send(get!("/endless"));
    wait_until("it is given up", || server.closed(CloseReason::WriteTimeout) == 1);
    let (_, end) = client.read_until_end();
    assert_eq!((end, client.tls().is_closed_by_server()), (End::Reset, false));
}

#[test]
fn a_slow_reader_above_the_minimum_rate_gets_every_byte() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .tls()
        .timeouts(|timeouts| {
            timeouts.write = Duration::from_secs(5);
            timeouts.min_write_rate = NonZeroU64::new(256);
        })
        .start();
    let mut client = server.connect_with_small_window();
    client.send(get_and_close("/script?body-bytes=300000"));
    let (text, end) = client.read_until_end();
    assert_eq!(end, End::Closed);
    assert!(text.ends_with("\r\n0\r\n\r\n") && text.len() > 300_000);
    assert!(client.tls().is_closed_by_server());
}

#[test]
fn a_websocket_is_opened_answered_and_closed() {
    let server = TestServer::builder(RoutesDir::new().with(guest::MESSAGES)).tls().start();
    let mut client = server.connect();
    client.open_websocket("/messages");
    client.expect_answer("echo=hello", "hello");
    let long = "x".repeat(65_000);
    client.expect_answer(&format!("echo={long}"), &long);
    client.send_frame(CLOSE, 1000_u16.to_be_bytes());
    client.expect_close(1000, "");
    assert_eq!(client.read_to_end(), "");
    assert!(client.tls().is_closed_by_server());
}
