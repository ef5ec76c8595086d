//! How WebSockets end, and with which close frame.

use std::time::Duration;

use host::close_reason::CloseReason;
use host::options::Value;

use crate::support::websocket::{BINARY, CLOSE, PING, PONG, TEXT};
use crate::support::{Client, RoutesDir, TestServer, guest, log, wait_until};

#[track_caller]
fn open(server: &TestServer) -> Client {
    let mut client = server.connect();
    client.open_websocket("/messages");
    client
}

fn configured(toml: &str) -> TestServer {
    TestServer::start(RoutesDir::new().with(guest::MESSAGES).with_file("messages.toml", toml))
}

#[test]
fn a_clients_close_frame_is_answered_with_the_same_and_the_end() {
    let server = TestServer::serving(guest::MESSAGES);
    for close in [&b""[..], b"\x03\xe8bye", b"\x0f\xa0"] {
        let mut client = open(&server);
        client.send_frame(CLOSE, close);
        client.expect_frame(CLOSE, close);
        assert_eq!(client.read_to_end(), "");
    }
}

#[test]
fn a_handler_closes_with_what_it_says() {
    let server = TestServer::serving(guest::MESSAGES);
    let long = "x".repeat(200);
    let cases = [
        ("close".to_owned(), Vec::new()),
        ("close-with=4001:enough".to_owned(), b"\x0f\xa1enough".to_vec()),
        (format!("close-with=1000:{long}"), [b"\x03\xe8", &long.as_bytes()[..123]].concat()),
    ];
    for (command, close) in cases {
        let mut client = open(&server);
        client.send_frame(TEXT, command);
        client.expect_frame(CLOSE, close);
        client.send_frame(CLOSE, "");
        assert_eq!(client.read_to_end(), "");
    }
    assert_eq!(server.closed(CloseReason::Handler), 3);
}

#[test]
fn a_handler_that_fails_closes_with_1011_and_the_log_says_why() {
    let cases = [
        ("trap", "handler messages wasm trap"),
        ("fail=on purpose", "handler messages failed: on purpose"),
        ("close-with=1005:", "it closes with the code 1005, which a close frame must not carry"),
        ("spin", "handler messages passed its timeout"),
        ("sleep=60000", "passed its timeout; it was waiting in a call to the host"),
        ("bytes=101", "it replied with 101 bytes, and `max_message` allows 100"),
    ];
    // The log has only so many failures of one route in a time.
    for (command, line) in cases {
        let server = configured("timeout = 0.2\nmax_message = 100\n");
        let mut client = open(&server);
        client.send_frame(TEXT, command);
        client.expect_close(1011, "the handler failed");
        client.send_frame(CLOSE, "");
        assert_eq!(client.read_to_end(), "");
        log().wait_for(&[line]);
        assert_eq!(server.closed(CloseReason::Failed), 1, "{command}");
    }
}

#[test]
fn a_client_that_breaks_the_protocol_gets_a_close_frame_with_the_reason() {
    let server = TestServer::serving(guest::MESSAGES);
    let cases: &[(&[u8], u16)] = &[
        // Without a mask, of an unknown opcode, with a reserved bit, a part of nothing.
        (b"\x81\x01a", 1002),
        (b"\x83\x80aaaa", 1002),
        (b"\xc1\x80aaaa", 1002),
        (b"\x80\x80aaaa", 1002),
        // Text that is not UTF-8.
        (b"\x81\x81\0\0\0\0\xff", 1007),
        // A message of more than 64 KiB, of which nothing has come but the header.
        (b"\x82\xff\0\0\0\0\0\x01\0\x01aaaa", 1009),
    ];
    for (frame, code) in cases {
        let mut client = open(&server);
        client.send(frame);
        let (first, close) = client.read_frame();
        assert_eq!((first, &close[..2]), (CLOSE, &code.to_be_bytes()[..]), "after {frame:?}");
        assert_eq!(client.read_to_end(), "");
    }
    assert_eq!(server.closed(CloseReason::Violation), 6);
}

#[test]
fn a_component_lowers_the_size_of_a_message_and_the_operator_raises_it() {
    let lower = TestServer::builder(RoutesDir::new().with(guest::MESSAGES));
    let lower = lower.option("max_message", Value::Integer(10)).start();
    let mut client = open(&lower);
    client.send_frame(BINARY, [0; 11]);
    client.expect_close(1009, "a message has more than 10 bytes");
    let raised = configured("max_message = 1_000_000\n");
    let mut client = open(&raised);
    client.send_frame(BINARY, vec![0; 1_000_000]);
    assert_eq!(client.read_frame().1.len(), 1_000_000);
}

#[test]
fn a_server_that_stops_answers_running_messages_and_closes_with_1001() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut idle = open(&server);
    let mut busy = open(&server);
    busy.send_frame(TEXT, "sleep=300");
    // The busy one is read from before this one is answered: both are served by one thread.
    idle.expect_answer("echo=here", "here");
    server.stop();
    idle.expect_close(1001, "the server stops");
    idle.send_frame(CLOSE, b"\x03\xe9");
    assert_eq!(idle.read_to_end(), "");
    busy.expect_frame(TEXT, "awake");
    busy.expect_close(1001, "the server stops");
    drop(busy);
    server.join();
}

#[test]
fn a_close_frame_that_is_not_answered_is_waited_for_a_moment() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server);
    client.send_frame(TEXT, "close");
    client.expect_frame(CLOSE, "");
    // It goes on as if nothing had been said.
    client.send_frame(TEXT, "echo=late");
    client.send_frame(PING, "late");
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_silent_client_is_sent_a_ping_and_is_dropped_without_an_answer() {
    let server = configured("heartbeat = 1\n");
    let mut client = open(&server);
    client.expect_frame(PING, "");
    client.send_frame(PONG, "");
    client.expect_frame(PING, "");
    client.expect_answer("echo=alive", "alive");
    client.expect_frame(PING, "");
    let (rest, _) = client.read_until_end();
    assert_eq!((rest.as_str(), server.closed(CloseReason::ClientGone)), ("", 1));
}

#[test]
fn a_client_that_its_rate_holds_back_is_not_silent() {
    // The last third of the message waits for more than three seconds.
    let server = configured("heartbeat = 1\nupload_rate = 300\nburst = 2000\n");
    let mut client = open(&server);
    let text = "x".repeat(3_000);
    client.expect_answer(&format!("echo={text}"), &text);
}

#[test]
fn a_websocket_without_messages_ends_where_its_route_says_so() {
    let server = configured("park_timeout = 0.2\n");
    let mut client = open(&server);
    client.expect_close(1000, "idle");
    client.send_frame(CLOSE, "");
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn without_a_free_permit_a_websocket_closes_with_1013() {
    let server = configured("concurrency = 1\n");
    let (mut first, mut second) = (open(&server), open(&server));
    first.send_frame(TEXT, "sleep=1000");
    second.send_frame(TEXT, "echo=me too");
    second.expect_close(1013, "try again later");
    first.expect_frame(TEXT, "awake");
    first.expect_answer("echo=still here", "still here");
}

#[test]
fn a_client_that_vanishes_frees_its_permit_at_once() {
    let server = TestServer::builder(RoutesDir::new().with(guest::MESSAGES));
    let server = server.timeouts(|timeouts| timeouts.grace = Duration::from_millis(100)).start();
    drop(open(&server));
    open(&server).half_close();
    let mut busy = open(&server);
    busy.send_frame(TEXT, "sleep=60000");
    open(&server).expect_answer("echo=here", "here");
    drop(busy);
    wait_until("they are gone", || server.parked() == 0);
}
