//! WebSockets: how they open, how messages are answered, and what is published to them.

use std::time::Duration;

use host::close_reason::CloseReason;

use crate::support::websocket::{BINARY, CLOSE, HANDSHAKE, LAST_PART, PING, PONG, TEXT, TEXT_PART, accepted, masked};
use crate::support::{Client, RoutesDir, TestServer, guest, log};

/// A WebSocket of the guest `messages`.
#[track_caller]
fn open(server: &TestServer, query: &str) -> Client {
    let mut client = server.connect();
    client.open_websocket(&format!("/messages{query}"));
    client
}

#[test]
fn messages_are_answered_one_after_the_other_however_they_come() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "");
    let whole = [masked(TEXT, b"echo=1"), masked(BINARY, b"\xff\xfe"), masked(TEXT, b"nothing")].concat();
    let parts = [masked(TEXT_PART, b"ec"), masked(PING, b"between"), masked(LAST_PART, b"ho=2")].concat();
    client.send([&whole[..], &parts].concat());
    client.expect_frame(TEXT, "1");
    client.expect_frame(BINARY, b"\xff\xfe");
    client.expect_frame(PONG, "between");
    client.expect_frame(TEXT, "2");
    for byte in masked(TEXT, b"echo=byte by byte") {
        client.send([byte]);
    }
    client.expect_frame(TEXT, "byte by byte");
    let long = "x".repeat(65_536 - "echo=".len());
    client.expect_answer(&format!("echo={long}"), &long);
}

#[test]
fn a_client_may_send_its_first_message_with_its_handshake() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = server.connect();
    let request = format!("GET /messages HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n");
    client.send([request.as_bytes(), &masked(TEXT, b"echo=early")].concat());
    client.expect(&accepted(""));
    client.expect_frame(TEXT, "early");
}

#[test]
fn a_request_that_opens_no_websocket_is_answered_with_what_is_missing() {
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const NOT_ASKED: &str = "HTTP/1.1 426 Upgrade Required\r\nDate: <date>\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Length: 89\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\
        this route speaks WebSocket: the request has to be a GET of HTTP/1.1 that upgrades to it\n";
    let other_version = HANDSHAKE.replace(VERSION, "Sec-WebSocket-Version: 8\r\n");
    let wrong_key = HANDSHAKE.replace("dGhl", "dGh=");
    let cases = [
        ("GET", "", NOT_ASKED),
        ("POST", HANDSHAKE, NOT_ASKED),
        (
            "GET",
            &other_version,
            "HTTP/1.1 426 Upgrade Required\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Length: 38\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\
             the version of WebSocket has to be 13\n",
        ),
        (
            "GET",
            &wrong_key,
            "HTTP/1.1 400 Bad Request\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 47\r\n\r\nSec-WebSocket-Key has to be 16 bytes in base64\n",
        ),
    ];
    let server = TestServer::serving(guest::MESSAGES);
    // The connection lives: all of them go over one.
    let mut client = server.connect();
    for (method, fields, answer) in cases {
        client.send(format!("{method} /messages HTTP/1.1\r\nHost: it\r\n{fields}\r\n"));
        client.expect(answer);
    }
    client.send(format!("GET /messages HTTP/1.0\r\n{HANDSHAKE}\r\n"));
    assert_eq!(client.read_to_end(), NOT_ASKED.replace("Connection: Upgrade", "Connection: close, Upgrade"));
}

#[test]
fn the_handler_decides_what_becomes_of_a_handshake() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = server.connect();
    let mut ask = |query: &str| {
        client.send(format!("GET /messages?{query} HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    };
    ask("body=no");
    client.expect(ok_chunked!("2\r\nno\r\n0\r\n\r\n"));
    client.send(format!("GET /messages?set=Sec-WebSocket-Protocol:chat HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    client.expect(&accepted("Sec-WebSocket-Protocol: chat\r\n"));
    let closed = server.exchange(format!("GET /messages?close HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    assert_eq!(closed, "");
    let cut = server.exchange(format!("GET /messages?write=a HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    assert_eq!(cut, ok_chunked!("1\r\na\r\n"), "no last chunk");
    log().wait_for(&["handler messages wrote before it left its connection to be a WebSocket"]);
}

#[test]
fn a_message_knows_the_request_that_opened_its_websocket_and_has_no_response() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "?subscribe=a");
    client.expect_answer("path", "/messages");
    client.expect_answer("field=sec-websocket-version", "13");
    client.expect_answer("body", "Ok([])");
    client.expect_answer("response", "closed closed closed");
    client.expect_answer("option=websocket", "true");
}

#[test]
fn each_message_has_an_instance_of_its_own_unless_instances_are_reused() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "");
    client.expect_answer("count", "1");
    client.expect_answer("count", "1");
    // The handshake counts too.
    let server = TestServer::start(RoutesDir::new().with(guest::MESSAGES).with_file("messages.toml", "reuse = 3\n"));
    let mut client = open(&server, "");
    client.expect_answer("count", "1");
    client.expect_answer("count", "2");
    client.expect_answer("count", "1");
}

#[test]
fn what_is_published_is_a_message_to_every_subscriber() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut clients =
        ["?subscribe=room", "?subscribe=room&subscribe=other", "?subscribe=other"].map(|it| open(&server, it));
    clients[2].expect_answer("publish=room:Hello", "2");
    clients[2].expect_answer("publish-bytes=room:2", "2");
    for client in &mut clients[..2] {
        client.expect_frame(TEXT, "Hello");
        client.expect_frame(BINARY, b"\xff\xff");
    }
    // A message can subscribe its WebSocket too, and hears itself.
    clients[2].expect_answer("subscribe=room", "ok");
    clients[2].send_frame(TEXT, "publish=room:me");
    clients[2].expect_frame(TEXT, "3");
    clients[2].expect_frame(TEXT, "me");
    clients[0].expect_frame(TEXT, "me");
    clients[0].expect_answer("finish=other", "2");
    for client in &mut clients[1..] {
        if client.read_frame().0 == TEXT {
            client.expect_close(1000, "");
        }
    }
    clients[0].expect_answer("publish=other:nobody", "0");
}

#[test]
fn while_a_message_is_answered_what_is_published_goes_out() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut busy = open(&server, "?subscribe=room");
    busy.send_frame(TEXT, "sleep=1000");
    open(&server, "").expect_answer("publish=room:meanwhile", "1");
    busy.expect_frame(TEXT, "meanwhile");
    busy.expect_frame(TEXT, "awake");
}

#[test]
fn a_client_that_does_not_read_is_read_from_no_more_and_loses_nothing() {
    const MESSAGES: usize = 400;
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "");
    for _ in 0..MESSAGES {
        client.send_frame(TEXT, "bytes=60000");
    }
    client.send_frame(TEXT, "echo=last");
    for _ in 0..MESSAGES {
        let (first, bytes) = client.read_frame();
        assert_eq!((first, bytes.len()), (BINARY, 60_000));
    }
    client.expect_frame(TEXT, "last");
}

#[test]
fn a_client_that_does_not_keep_up_with_what_is_published_is_disconnected() {
    let server = TestServer::serving(guest::MESSAGES);
    let slow = open(&server, "?subscribe=room");
    let mut fast = open(&server, "");
    while server.closed(CloseReason::Lagging) == 0 {
        fast.send_frame(TEXT, "publish-bytes=room:65536");
        fast.read_frame();
    }
    fast.expect_answer("publish=room:nobody", "0");
    drop(slow);
}

#[test]
fn rates_hold_for_messages_in_both_directions() {
    let toml = "rate = 100_000\nupload_rate = 100_000\nburst = 1_000\n";
    let server = TestServer::start(RoutesDir::new().with(guest::MESSAGES).with_file("messages.toml", toml));
    let mut client = open(&server, "");
    let start = std::time::Instant::now();
    client.send_frame(BINARY, [0; 20_000]);
    client.read_frame();
    // 20,000 bytes each way, but for the bursts.
    assert!(start.elapsed() >= Duration::from_millis(370), "{:?}", start.elapsed());
}

#[test]
fn a_route_that_takes_websockets_needs_something_to_answer_them() {
    let server = TestServer::serving(guest::WS_MUTE);
    let diagnostics = server.diagnostics().iter().map(ToString::to_string).collect::<String>();
    assert!(diagnostics.contains("does not export `on-message`"), "{diagnostics}");
    assert!(server.get("/ws-mute").starts_with("HTTP/1.1 404 "));
}

#[test]
fn no_more_websockets_are_open_than_the_limit() {
    let server =
        TestServer::builder(RoutesDir::new().with(guest::MESSAGES)).limits(|limits| limits.max_parked = 1).start();
    let mut first = open(&server, "");
    let second = server.exchange(format!("GET /messages HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{HANDSHAKE}\r\n"));
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    first.send_frame(CLOSE, "");
    first.expect_frame(CLOSE, "");
    assert_eq!(first.read_to_end(), "");
    open(&server, "").expect_answer("echo=room again", "room again");
}

#[test]
fn middleware_guards_a_websocket_as_any_request() {
    let options = include_str!("../../../examples/auth/route.toml");
    let routes = RoutesDir::new().with(guest::MESSAGES).with_as("_middleware.wasm", guest::AUTH);
    let server = TestServer::start(routes.with_file("_middleware.toml", options));
    assert_eq!(server.diagnostics(), []);
    let handshake =
        |authorization: &str| format!("GET /messages HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}{authorization}\r\n");
    let mut client = server.connect();
    client.send(handshake(""));
    assert!(client.read_response().starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    client.send(handshake("Authorization: Bearer lovelace\r\n"));
    client.expect(&accepted(""));
    client.expect_answer("echo=Ada", "Ada");
}

#[test]
fn a_middleware_that_returns_manual_opens_the_websocket() {
    let routes = RoutesDir::new().with(guest::MESSAGES).with_as("_middleware.wasm", guest::LAYER);
    let server = TestServer::start(routes.with_file("_middleware.toml", "name = 'a'"));
    let mut client = server.connect();
    client.send(format!("GET /messages?a=manual HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    client.expect(&accepted("x-trace: a\r\n"));
    client.expect_answer("echo=here", "here");
}
