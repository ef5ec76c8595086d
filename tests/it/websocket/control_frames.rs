//! Control frames of WebSockets while a message is answered, and while what is sent waits for the client.

use std::time::{Duration, Instant};

use host::close_reason::CloseReason;

use crate::support::websocket::{BINARY, CLOSE, LAST_PART, PING, PONG, TEXT, TEXT_PART, masked};
use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, log, wait_until};

#[track_caller]
fn open(server: &TestServer, query: &str) -> Client {
    let mut client = server.connect();
    client.open_websocket(&format!("/messages{query}"));
    client
}

fn configured(name: &str, toml: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), guest::MESSAGES);
    TestServer::start(routes.with_file(&format!("{name}.toml"), toml))
}

/// A server whose handlers have a tenth of a second after their client has gone.
fn with_short_grace(name: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), guest::MESSAGES);
    TestServer::builder(routes).timeouts(|timeouts| timeouts.grace = Duration::from_millis(100)).start()
}

#[test]
fn a_ping_is_answered_while_a_message_is_worked_on() {
    let server = configured("messages", "timeout = 2\n");
    for command in ["sleep=60000", "spin"] {
        let mut client = open(&server, "");
        client.send_frame(TEXT, command);
        for ping in ["", "one", &"x".repeat(125)] {
            client.send_frame(PING, ping);
            client.expect_frame(PONG, ping);
        }
        client.expect_close(1011, "the handler failed");
    }
}

#[test]
fn a_ping_behind_other_messages_is_answered_before_them_and_none_of_them_is_lost() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "");
    client.send_frame(TEXT, "sleep=1000");
    client.send_frame(TEXT, "echo=second");
    client.send_frame(TEXT_PART, "echo=in ");
    client.send_frame(PING, "one");
    client.send_frame(LAST_PART, "parts");
    client.send_frame(BINARY, [7; 10_000]);
    client.send_frame(PING, "two");
    client.expect_frame(PONG, "one");
    client.expect_frame(PONG, "two");
    client.expect_frame(TEXT, "awake");
    client.expect_frame(TEXT, "second");
    client.expect_frame(TEXT, "in parts");
    client.expect_frame(BINARY, [7; 10_000]);
}

#[test]
fn messages_past_what_is_read_ahead_wait_and_are_answered_in_order() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = open(&server, "");
    client.send_frame(TEXT, "sleep=300");
    let messages: Vec<String> = (0..500).map(|number| format!("{number}{}", "x".repeat(1_000))).collect();
    let sent = messages.iter().flat_map(|message| masked(TEXT, format!("echo={message}").as_bytes()));
    client.send(sent.collect::<Vec<u8>>());
    client.expect_frame(TEXT, "awake");
    messages.iter().for_each(|message| client.expect_frame(TEXT, message));
}

#[test]
fn a_clients_close_frame_is_answered_while_a_message_is_worked_on_and_ends_it() {
    let server = with_short_grace("closed_meanwhile");
    for command in ["sleep=60000", "spin"] {
        let mut client = server.connect();
        client.open_websocket("/messages");
        client.send_frame(TEXT, command);
        client.send_frame(CLOSE, b"\x03\xe8bye");
        client.expect_frame(CLOSE, b"\x03\xe8bye");
        // The end comes with it, and not after what is worked on.
        assert_eq!(client.read_to_end(), "");
        wait_until("the handler has ended", || server.parked() == 0);
    }
    log().wait_for(&["handler closed_meanwhile was ended: the client of its WebSocket has gone"]);
    assert_eq!(log().with(&["closed_meanwhile", "passed its timeout"]), Vec::<String>::new());
    assert_eq!(server.closed(CloseReason::ClientClosed), 2);
}

#[test]
fn messages_before_a_close_frame_are_still_answered() {
    let server = TestServer::serving(guest::MESSAGES);
    let mut listener = open(&server, "?subscribe=room");
    let mut client = open(&server, "");
    for message in ["sleep=200", "publish=room:one", "publish=room:two"] {
        client.send_frame(TEXT, message);
    }
    client.send_frame(CLOSE, b"\x03\xe8");
    client.expect_frame(CLOSE, b"\x03\xe8");
    assert_eq!(client.read_to_end(), "");
    listener.expect_frame(TEXT, "one");
    listener.expect_frame(TEXT, "two");
    wait_until("it has ended", || server.parked() == 1);
}

#[test]
fn a_client_that_breaks_the_protocol_during_a_message_gets_a_close_frame() {
    let server = with_short_grace("messages");
    let mut client = open(&server, "");
    client.send_frame(TEXT, "sleep=60000");
    client.send_frame(TEXT, "echo=never answered");
    client.send(b"\x83\x80aaaa");
    let (first, close) = client.read_frame();
    assert_eq!((first, &close[..2]), (CLOSE, &1002_u16.to_be_bytes()[..]));
    assert_eq!(client.read_to_end(), "");
    // Its place is free a moment before its end is counted.
    wait_until("the handler has ended", || server.parked() == 0 && server.closed(CloseReason::Violation) == 1);
}

#[test]
fn control_frames_are_answered_while_output_waits_for_its_rate() {
    let server = configured("messages", "rate = 40_000\nburst = 1_000\npush_queue = 1_000_000\n");
    let mut client = open(&server, "?subscribe=room");
    let mut other = open(&server, "");
    // Half a second each.
    for _ in 0..6 {
        other.expect_answer("publish-bytes=room:20000", "1");
    }
    client.send_frame(PING, "one");
    let before_pong = frames_before(&mut client, PONG, b"one");
    client.send_frame(CLOSE, b"\x03\xe8");
    // What was begun is finished, the rest is of no use to a client that closes.
    let before_close = frames_before(&mut client, CLOSE, b"\x03\xe8");
    assert!(before_pong + before_close < 6, "{before_pong} {before_close}");
    assert_eq!(client.read_to_end(), "");
}

/// How many published chunks come before a control frame.
#[track_caller]
fn frames_before(client: &mut Client, control: u8, holds: &[u8]) -> usize {
    let mut frames = 0;
    loop {
        match client.read_frame() {
            (BINARY, chunk) => assert_eq!(chunk, [0xff; 20_000]),
            frame => {
                assert_eq!(frame, (control, holds.to_vec()));
                return frames;
            }
        }
        frames += 1;
    }
}

#[test]
fn of_many_pings_of_a_client_that_does_not_read_the_last_is_answered() {
    const PINGS: u32 = 300_000;
    let server = TestServer::serving(guest::MESSAGES);
    let mut client = server.connect_with_small_window();
    client.open_websocket("/messages");
    let start = Instant::now();
    for pings in (1..=PINGS).collect::<Vec<_>>().chunks(1_000) {
        let frames = pings.iter().flat_map(|ping| masked(PING, &[&ping.to_be_bytes()[..], &[0; 100]].concat()));
        client.send(frames.collect::<Vec<u8>>());
    }
    let mut answered = 0;
    loop {
        let (first, pong) = client.read_frame();
        assert_eq!((first, pong.len()), (PONG, 104));
        let number = u32::from_be_bytes([pong[0], pong[1], pong[2], pong[3]]);
        assert!(number > answered, "pongs come in order");
        answered = number;
        if answered == PINGS {
            break;
        }
        assert!(start.elapsed() < 3 * TIMEOUT);
    }
    client.expect_answer("echo=still here", "still here");
}
