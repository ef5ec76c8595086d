//! Clients that want to cost more than they pay. Other connections are served meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host::close_reason::CloseReason;

use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, block, frame, request,
};
use crate::support::{Http2Client, RoutesDir, TestServer, guest, wait_until};

/// More streams than any bound on resets.
const MANY: u32 = 1000;

fn server() -> TestServer {
    TestServer::serving(guest::SCRIPT)
}

fn head(stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block(&request("POST", target)))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, 8_u32.to_be_bytes())
}

/// Sees that the client was told to calm down, and that others are served.
#[track_caller]
fn is_calmed(server: &TestServer, mut client: Http2Client) {
    let lines = client.rest();
    let goaway = lines.iter().find(|line| line.starts_with("GOAWAY "));
    assert!(goaway.is_some_and(|line| line.ends_with(" ENHANCE_YOUR_CALM")), "{goaway:?}");
    wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
    assert!(server.get("/script?body=served").contains("served"));
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    for number in 0..MANY {
        let stream = 2 * number + 1;
        if !client.try_send([head(stream, "/script?read"), reset(stream)].concat()) {
            break;
        }
    }
    is_calmed(&server, client);
    // Each stream that had an instance counts a request.
    assert!(server.requests() < u64::from(MANY) / 2, "{} requests", server.requests());
}

#[test]
fn streams_that_are_reset_after_their_head_end_the_connection() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    let mut resets = 0;
    for number in 0..MANY {
        let stream = 2 * number + 1;
        client.send(head(stream, "/script?write=a&read"));
        let line = client.next();
        if !line.starts_with("HEADERS ") {
            assert!(line.ends_with(" ENHANCE_YOUR_CALM"), "{line}");
            break;
        }
        client.next();
        client.send(reset(stream));
        resets += 1;
    }
    assert!((100..300).contains(&resets), "after {resets} resets");
    wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
}

#[test]
fn streams_that_the_client_makes_the_host_reset_end_the_connection() {
    // A second head, and a window that overflows (CVE-2025-8671). What else could be tried ends the connection at once.
    let provocations: [fn(u32) -> Vec<u8>; 2] = [
        |stream| frame(HEADERS, END_HEADERS, stream, block(&[("x-a", "1")])),
        |stream| (0..2).flat_map(|_| frame(8, 0, stream, 0x7fff_ffff_u32.to_be_bytes())).collect(),
    ];
    for provoke in provocations {
        let server = server();
        let mut client = Http2Client::open(server.connect());
        for number in 0..MANY {
            let stream = 2 * number + 1;
            if !client.try_send([head(stream, "/script?read"), provoke(stream)].concat()) {
                break;
            }
        }
        is_calmed(&server, client);
    }
}

#[test]
fn a_handler_counts_until_it_has_ended_also_if_its_stream_is_reset() {
    let one = std::num::NonZeroU32::MIN;
    let server =
        TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).limits(|limits| limits.max_streams = one).start();
    let mut client = Http2Client::open(server.connect());
    let start = Instant::now();
    client.get(1, "/script?write=a&sleep=300&body=");
    client.expect(&["HEADERS 1 :status=200 content-type=text/html; charset=utf-8", "DATA 1 a"]);
    client.send(reset(1));
    client.get(3, "/script?body=b");
    client.expect(&["HEADERS 3 :status=200 content-type=text/html; charset=utf-8 content-length=1", "DATA 3 b END"]);
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
}

#[test]
fn streams_past_the_limit_are_refused_and_the_others_served() {
    let two = std::num::NonZeroU32::new(2).expect("2 is not 0");
    let server =
        TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).limits(|limits| limits.max_streams = two).start();
    let mut client = Http2Client::open(server.connect());
    for stream in [1, 3, 5] {
        client.post(stream, "/script?read");
    }
    client.expect(&["RST_STREAM 5 REFUSED_STREAM"]);
    client.data(1, "one", true);
    assert_eq!(client.body_of(1), "one");
    client.data(3, "three", true);
    assert_eq!(client.body_of(3), "three");
    client.get(7, "/script?body=more");
    assert_eq!(client.body_of(7), "more");
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.frame(HEADERS, END_STREAM, 1, block(&request("GET", "/script?body=a")));
    for _ in 0..100_000 {
        if !client.try_send(frame(CONTINUATION, 0, 1, b"")) {
            break;
        }
    }
    is_calmed(&server, client);
}

#[test]
fn frames_of_a_body_without_bytes_end_the_connection() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.post(1, "/script?read");
    for _ in 0..100_000 {
        if !client.try_send(frame(DATA, 0, 1, b"")) {
            break;
        }
    }
    is_calmed(&server, client);
}

#[test]
fn a_head_that_decompresses_to_much_is_refused() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    // A field of 3,000 bytes, which is indexed once and then named by one byte a time: 15 KiB that become 45 MiB.
    let mut bomb = block(&request("GET", "/script?body=a"));
    bomb.extend_from_slice(b"\x40\x01x\x7f\xb9\x16");
    bomb.extend_from_slice(&[b'y'; 3000]);
    bomb.resize(16_000, 0xbe);
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb);
    let line = client.next();
    assert!(line == "HEADERS 1 :status=431 END" || line.ends_with(" ENHANCE_YOUR_CALM"), "{line}");
    assert!(server.get("/script?body=served").contains("served"));
}

#[test]
fn a_client_that_asks_for_answers_and_does_not_read_them_is_closed() {
    for question in [frame(PING, 0, 0, [0; 8]), frame(SETTINGS, 0, 0, b"")] {
        let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
            .timeouts(|timeouts| (timeouts.write, timeouts.min_write_rate) = (Duration::from_millis(200), None))
            .start();
        let mut client = Http2Client::open(server.connect_with_small_window());
        let flood = question.repeat(10_000);
        while client.try_send(&flood) {}
        wait_until("the connection is closed", || server.closed(CloseReason::WriteTimeout) == 1);
        assert!(server.get("/script?body=served").contains("served"));
    }
}

#[test]
fn a_connection_without_a_request_is_closed_after_the_head_timeout() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| timeouts.head = Duration::from_millis(200))
        .start();
    let is_counted = |closed: u64| wait_until("it is closed", || server.closed(CloseReason::HeadTimeout) == closed);
    let mut silent = Http2Client::open(server.connect());
    assert_eq!(silent.rest().last().map(String::as_str), Some("closed"));
    is_counted(1);
    let mut begun = Http2Client::open(server.connect());
    // Within a block of fields the client must not even acknowledge settings.
    begun.expect_answer_to_ping();
    begun.frame(HEADERS, END_STREAM, 1, block(&request("GET", "/script?body=a")));
    assert_eq!(begun.rest().last().map(String::as_str), Some("closed"));
    is_counted(2);
    let mut half = server.connect();
    half.send(b"PRI * HTTP/2.0\r\n\r\nSM");
    half.read_until_end();
    is_counted(3);
}

#[test]
fn a_head_that_stops_in_the_middle_is_closed_also_beside_other_requests() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| timeouts.head = Duration::from_millis(200))
        .start();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?subscribe=news&write=first&manual");
    client.expect(&["HEADERS 1 :status=200 content-type=text/html; charset=utf-8", "DATA 1 first"]);
    client.frame(HEADERS, END_STREAM, 3, block(&request("GET", "/script?body=a")));
    let lines = client.rest();
    assert_eq!(lines.first().map(String::as_str), Some("GOAWAY 1 NO_ERROR"), "{lines:?}");
    wait_until("it is closed", || server.closed(CloseReason::HeadTimeout) == 1);
}

#[test]
fn a_flood_of_frames_holds_up_no_other_connection() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.expect_answer_to_ping();
    // They need no answer, so the client does not have to read.
    let flood = frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]).repeat(1000);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if !client.try_send(&flood) {
                    break;
                }
            }
        });
        for _ in 0..20 {
            assert!(server.get("/script?body=served").contains("served"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
