//! Clients that want to cost more than they pay. Other connections are served meanwhile.
//!
//! What a flooder may do is counted in frames, streams, instances and bytes, and not in time: it is told within 200 frames past
//! the bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host::close_reason::CloseReason;

use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
    frame, request,
};
use crate::support::{Http2Client, RoutesDir, TestServer, guest, wait_until};

/// More streams than any bound on resets.
const MANY: u32 = 1000;

/// How many resets a client always has, by itself or by the host because of it.
const RESETS: u32 = 100;

/// How many frames of no request a client always has.
const CONTROLS: u32 = 1000;

/// Within how many frames past its bound a flooder is told.
const PAST: u32 = 200;

fn server() -> TestServer {
    TestServer::serving(guest::SCRIPT)
}

fn head(stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block(&request("POST", target)))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, 8_u32.to_be_bytes())
}

/// Sends a flood, and a PING behind it. Sees that the client was told to calm down before that is answered, and that others
/// are served.
#[track_caller]
fn is_calmed_by(server: &TestServer, mut client: Http2Client, flood: Vec<u8>) {
    client.try_send([flood, frame(PING, 0, 0, b"isalive?")].concat());
    let lines = client.rest();
    assert!(!lines.iter().any(|line| line == "PING ACK isalive?"), "it goes on: {lines:?}");
    let goaway = lines.iter().find(|line| line.starts_with("GOAWAY "));
    assert!(goaway.is_some_and(|line| line.ends_with(" ENHANCE_YOUR_CALM")), "{goaway:?}");
    wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
    assert!(server.get("/script?body=served").contains("served"));
}

/// As many requests, each with frames behind its head that depend on its stream.
fn requests(number: u32, target: &str, more: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..number).flat_map(|number| [head(2 * number + 1, target), more(2 * number + 1)].concat()).collect()
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection_and_cost_no_instance() {
    let server = server();
    let client = Http2Client::open(server.connect());
    is_calmed_by(&server, client, requests(RESETS + PAST / 2, "/script?read", reset));
    // Each stream that had an instance counts a request, and the last one asks whether others are served.
    assert!(server.requests() <= u64::from(RESETS + PAST / 2) / 10, "{} requests", server.requests());
}

#[test]
fn streams_that_are_reset_one_by_one_cost_few_instances() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    let mut sent = 0;
    for number in 0..MANY {
        let stream = 2 * number + 1;
        if !client.try_send([head(stream, "/script?read"), reset(stream)].concat()) {
            break;
        }
        sent += 1;
    }
    let lines = client.rest();
    assert!(lines.iter().any(|line| line.ends_with(" ENHANCE_YOUR_CALM")), "{lines:?}");
    wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
    assert!(server.requests() <= sent.max(RESETS.into()) / 10, "{} requests of {sent}", server.requests());
}

#[test]
fn streams_that_are_reset_after_their_head_end_the_connection() {
    // A handler that ends with its stream, and one that goes on without it.
    for steps in ["write=a&read", "write=a&sleep=300"] {
        let server = server();
        let mut client = Http2Client::open(server.connect());
        let mut resets = 0;
        for number in 0..MANY {
            let stream = 2 * number + 1;
            client.try_send(head(stream, &format!("/script?{steps}")));
            let line = client.next();
            if !line.starts_with("HEADERS ") {
                assert!(line.ends_with(" ENHANCE_YOUR_CALM"), "{line}");
                break;
            }
            client.next();
            client.try_send(reset(stream));
            resets += 1;
            // Its end is noticed before the next one begins.
            wait_until("the reset is noticed", || server.requests() >= u64::from(resets));
        }
        assert!((RESETS..=RESETS + PAST).contains(&resets), "{steps}: after {resets} resets");
        wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
    }
}

/// A way in which a client makes a server reset a stream: its name, whether the request has ended, what is sent behind its head,
/// and what happens.
type Provocation = (&'static str, bool, fn(u32) -> Vec<u8>, &'static str);

/// The ways of CVE-2025-8671. Some are errors of the connection, which ends with the first of them; h2 calls all of these
/// PROTOCOL_ERROR.
const PROVOCATIONS: [Provocation; 7] = [
    ("a window that overflows", false, |stream| overflow(stream), "ENHANCE_YOUR_CALM"),
    ("a second head", false, |stream| frame(HEADERS, END_HEADERS, stream, block(&[("x-a", "1")])), "ENHANCE_YOUR_CALM"),
    ("an increment of 0", false, |stream| frame(WINDOW_UPDATE, 0, stream, [0; 4]), "PROTOCOL_ERROR"),
    ("a priority of another length", false, |stream| frame(PRIORITY, 0, stream, [0; 4]), "PROTOCOL_ERROR"),
    ("a stream that depends on itself", false, depends_on_itself, "ENHANCE_YOUR_CALM"),
    ("a head behind the end", true, |stream| frame(HEADERS, 5, stream, block(&[("x-a", "1")])), "PROTOCOL_ERROR"),
    ("data behind the end", true, |stream| frame(DATA, 1, stream, b"a"), "PROTOCOL_ERROR"),
];

fn overflow(stream: u32) -> Vec<u8> {
    (0..2).flat_map(|_| frame(WINDOW_UPDATE, 0, stream, 0x7fff_ffff_u32.to_be_bytes())).collect()
}

fn depends_on_itself(stream: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, [&stream.to_be_bytes()[..], &[1]].concat())
}

#[test]
fn streams_that_the_client_makes_the_host_reset_end_the_connection() {
    for (what, has_ended, provoke, code) in PROVOCATIONS {
        let server = server();
        let mut client = Http2Client::open(server.connect());
        let flags = if has_ended { END_HEADERS | END_STREAM } else { END_HEADERS };
        let target = if has_ended { "/script?write=a&sleep=300" } else { "/script?read" };
        let flood: Vec<u8> = (0..RESETS + PAST / 2)
            .flat_map(|number| {
                let stream = 2 * number + 1;
                [frame(HEADERS, flags, stream, block(&request("POST", target))), provoke(stream)].concat()
            })
            .collect();
        client.try_send([flood, frame(PING, 0, 0, b"isalive?")].concat());
        let lines = client.rest();
        println!("{what}: {:?}", lines.iter().find(|line| line.starts_with("GOAWAY ")));
        assert!(!lines.iter().any(|line| line == "PING ACK isalive?"), "{what}: it goes on: {lines:?}");
        let goaway = lines.iter().find(|line| line.starts_with("GOAWAY "));
        assert!(goaway.is_some_and(|line| line.ends_with(code)), "{what}: {goaway:?}");
        let reason = if code == "ENHANCE_YOUR_CALM" { CloseReason::Flooding } else { CloseReason::Http2Violation };
        wait_until("the connection is counted", || server.closed(reason) == 1);
        // No more handlers run than streams may be open.
        assert!(server.requests() <= 128, "{what}: {} requests", server.requests());
        assert!(server.get("/script?body=served").contains("served"));
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
    for part in [&b""[..], b"\x00\x01x\x01y"] {
        let server = server();
        let mut client = Http2Client::open(server.connect());
        client.frame(HEADERS, END_STREAM, 1, block(&request("GET", "/script?body=a")));
        // A head of the most bytes that are taken needs five frames at most.
        is_calmed_by(&server, client, frame(CONTINUATION, 0, 1, part).repeat(5 + PAST as usize));
    }
}

#[test]
fn frames_of_a_body_without_bytes_or_of_one_that_are_not_read_end_the_connection() {
    for (bytes, bound) in [(&b""[..], 100), (b"a", 66_000)] {
        let server = server();
        let mut client = Http2Client::open(server.connect());
        client.post(1, "/script?sleep=2000");
        is_calmed_by(&server, client, frame(DATA, 0, 1, bytes).repeat(bound + PAST as usize));
    }
}

#[test]
fn frames_that_are_of_no_request_end_the_connection_also_if_their_answers_are_read() {
    let on_closed_stream = reset(1);
    for (what, flood) in [
        ("PING", frame(PING, 0, 0, b"flooding")),
        ("answers to PING", frame(PING, 1, 0, b"flooding")),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"")),
        ("SETTINGS with a value", frame(SETTINGS, 0, 0, [0, 4, 0, 0, 255, 255])),
        ("PRIORITY", frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])),
        ("RST_STREAM", on_closed_stream),
        ("an unknown type", frame(0x10, 0, 0, b"0u=1")),
    ] {
        println!("{what}");
        let server = server();
        let mut client = Http2Client::open(server.connect());
        client.get(1, "/script?body=a");
        client.until_end_of(1);
        // A request allows ten more, and its response no more than that.
        is_calmed_by(&server, client, flood.repeat((CONTROLS + 10 + PAST) as usize));
    }
}

#[test]
fn a_client_with_many_requests_may_send_as_many_more_frames() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    let more = [frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]), frame(0x10, 0, 0, b"0u=1")].concat().repeat(5);
    for number in 0..300 {
        let stream = 2 * number + 1;
        client.send(&more);
        client.get(stream, "/script?body=a");
        assert_eq!(client.body_of(stream), "a");
    }
    client.expect_answer_to_ping();
}

#[test]
fn a_million_resets_of_streams_that_have_ended_cost_nothing() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?body=a");
    client.until_end_of(1);
    let flood = reset(1).repeat(10_000);
    let sent = (0..100).take_while(|_| client.try_send(&flood)).count();
    let lines = client.rest();
    assert!(lines.iter().any(|line| line.ends_with(" ENHANCE_YOUR_CALM")) || sent < 100, "{lines:?}");
    wait_until("the connection counts as one that floods", || server.closed(CloseReason::Flooding) == 1);
    assert_eq!(server.requests(), 1);
}

#[test]
fn windows_that_are_opened_by_a_byte_at_a_time_hold_up_no_other_stream() {
    let server = server();
    let mut client = Http2Client::open_with(server.connect(), &[(4, 1)]);
    client.get(1, "/script?body-bytes=5000");
    let mut received = client.next();
    assert!(received.starts_with("HEADERS 1 :status=200"), "{received}");
    client.send((0..1000).flat_map(|_| frame(WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes())).collect::<Vec<u8>>());
    client.get(3, "/script?body=b");
    client.open_window(3, 10);
    let mut bytes = 0;
    let mut has_other = false;
    while bytes < 1001 || !has_other {
        received = client.next();
        match received.strip_prefix("DATA 1 ") {
            Some(data) => bytes += data.len(),
            None => has_other |= received == "DATA 3 b END",
        }
    }
    assert_eq!(bytes, 1001, "no byte past the window");
    client.expect_answer_to_ping();
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
fn a_client_that_does_not_read_what_it_has_asked_for_is_closed() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| (timeouts.write, timeouts.min_write_rate) = (Duration::from_millis(200), None))
        .start();
    let mut client = Http2Client::open_with(server.connect_with_small_window(), &[(4, 0x7fff_ffff)]);
    client.open_window(0, 0x7fff_0000);
    client.get(1, "/script?body-bytes=20000000");
    let flood = frame(PING, 0, 0, [0; 8]).repeat(100);
    (0..9).for_each(|_| client.send(&flood));
    wait_until("the connection is closed", || server.closed(CloseReason::WriteTimeout) == 1);
    assert!(server.get("/script?body=served").contains("served"));
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
    client.get(1, "/script?subscribe=news&write=first&manual");
    let flood = frame(WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes()).repeat(1000);
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

#[test]
#[cfg(target_os = "linux")]
fn no_attack_takes_more_than_some_memory() {
    const CONNECTIONS: usize = 16;
    const MOST: usize = 64 << 20;
    let process = crate::support::Process::start(&RoutesDir::new().with(guest::SCRIPT), &["--workers", "1"]);
    let mut bomb = block(&request("GET", "/script?body=a"));
    bomb.extend_from_slice(b"\x40\x01x\x7f\xb9\x16");
    bomb.extend_from_slice(&[b'y'; 3000]);
    bomb.resize(16_000, 0xbe);
    let attacks: [(&str, Vec<u8>); 9] = [
        ("resets at once", requests(MANY, "/script?read", reset)),
        ("requests that are not read", requests(MANY, "/script?body-bytes=100000", |_| Vec::new())),
        ("provoked resets", requests(MANY, "/script?read", overflow)),
        (
            "a head without an end",
            [
                frame(HEADERS, END_STREAM, 1, block(&request("GET", "/script?body=a"))),
                frame(CONTINUATION, 0, 1, [0; 16_000]).repeat(100),
            ]
            .concat(),
        ),
        ("PING", frame(PING, 0, 0, [0; 8]).repeat(100_000)),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"").repeat(100_000)),
        (
            "bodies that are not read",
            requests(100, "/script?sleep=1000", |stream| frame(DATA, 0, stream, [0; 16_000]).repeat(4)),
        ),
        ("bombs", (0..100).flat_map(|number| frame(HEADERS, 5, 2 * number + 1, &bomb)).collect()),
        ("windows of a byte", frame(WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes()).repeat(100_000)),
    ];
    assert!(process.get("/script?body=served").contains("served"));
    let before = process.memory();
    for (what, flood) in attacks {
        let clients: Vec<Http2Client> = (0..CONNECTIONS)
            .map(|_| {
                let mut client = Http2Client::open(process.connect());
                client.try_send(&flood);
                client
            })
            .collect();
        assert!(process.get("/script?body=served").contains("served"), "{what}");
        let taken = process.memory().saturating_sub(before);
        println!("{what}: {taken} bytes");
        assert!(taken <= MOST, "{what}: {taken} bytes");
        drop(clients);
    }
}
