//! Windows: they are the back-pressure in both directions, and those of one stream are no matter of another's.

use std::time::Duration;

use crate::support::http2::{SETTINGS, settings};
use crate::support::{Http2Client, RoutesDir, TestServer, guest};

/// What the host lets a client send on a stream before its handler reads.
const STREAM_WINDOW: usize = 64 * 1024;
/// The window of a connection at its start, for what the server sends.
const INITIAL_WINDOW: usize = 65_535;
const FRAME: usize = 16 * 1024;

fn server() -> TestServer {
    TestServer::serving(guest::SCRIPT)
}

/// A connection on which the server may send any number of bytes.
fn wide_open(server: &TestServer) -> Http2Client {
    let mut client = Http2Client::open_with(server.connect(), &[(4, 0x7fff_ffff)]);
    client.open_window(0, 0x7fff_ffff - u32::try_from(INITIAL_WINDOW).expect("it is small"));
    client
}

fn opened(client: &Http2Client, stream: u32) -> usize {
    let updates = client.window_updates.iter().filter(|(other, _)| *other == stream);
    updates.map(|(_, increment)| *increment as usize).sum()
}

#[test]
fn a_client_may_send_no_more_than_a_window_before_the_handler_reads() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.post(1, "/script?subscribe=go&write=begun&manual");
    client.expect(&["HEADERS 1 :status=200 content-type=text/html; charset=utf-8", "DATA 1 begun"]);
    client.post(3, "/script?write=begun&sleep=200&count");
    client.expect(&["HEADERS 3 :status=200 content-type=text/html; charset=utf-8", "DATA 3 begun"]);
    for _ in 0..STREAM_WINDOW / FRAME {
        client.data(3, vec![b'x'; FRAME], false);
    }
    client.expect_answer_to_ping();
    assert_eq!(opened(&client, 3), 0, "the handler has read nothing");
    // Once it reads, the window opens.
    let mut sent = STREAM_WINDOW;
    while sent < 4 * STREAM_WINDOW {
        client.wait_for_window();
        while sent + FRAME <= STREAM_WINDOW + opened(&client, 3) && sent < 4 * STREAM_WINDOW {
            client.data(3, vec![b'x'; FRAME], false);
            sent += FRAME;
        }
    }
    client.data(3, "", true);
    assert_eq!(client.body_of(3), sent.to_string());
}

#[test]
fn bodies_that_nobody_reads_take_no_window_from_others() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    // The windows are those of the server's settings once the client has acknowledged them.
    client.expect_answer_to_ping();
    // More than the whole window of a connection would be, if it were as large as that of a stream.
    for stream in [1, 3, 5, 7] {
        client.post(stream, "/script?write=a&sleep=400&body=");
        for _ in 0..STREAM_WINDOW / FRAME {
            client.data(stream, vec![b'x'; FRAME], false);
        }
    }
    client.post(9, "/script?count");
    client.data(9, vec![b'x'; FRAME], true);
    assert_eq!(client.body_of(9), FRAME.to_string());
}

#[test]
fn a_response_waits_for_its_window_and_others_go_on() {
    let server = server();
    let mut client = Http2Client::open_with(server.connect(), &[(4, 0)]);
    client.get(1, "/script?body=Hello");
    client.expect(&["HEADERS 1 :status=200 content-type=text/html; charset=utf-8 content-length=5"]);
    client.expect_answer_to_ping();
    client.open_window(1, 2);
    client.expect(&["DATA 1 He"]);
    client.get(3, "/script?body=other");
    client.expect(&["HEADERS 3 :status=200 content-type=text/html; charset=utf-8 content-length=5"]);
    client.open_window(3, 100);
    client.expect(&["DATA 3 other END"]);
    client.open_window(1, 1);
    client.expect(&["DATA 1 l"]);
    client.frame(SETTINGS, 0, 0, settings(&[(4, 100)]));
    client.expect(&["DATA 1 lo END"]);
}

#[test]
fn a_stream_whose_window_stays_shut_is_cancelled_and_the_connection_lives() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| (timeouts.write, timeouts.min_write_rate) = (Duration::from_millis(200), None))
        .start();
    let mut client = Http2Client::open_with(server.connect(), &[(4, 1)]);
    client.get(1, "/script?body=Hello");
    client.expect(&["HEADERS 1 :status=200 content-type=text/html; charset=utf-8 content-length=5", "DATA 1 H"]);
    client.expect(&["RST_STREAM 1 CANCEL"]);
    client.get(3, "/script?body=a");
    client.expect(&["HEADERS 3 :status=200 content-type=text/html; charset=utf-8 content-length=1", "DATA 3 a END"]);
}

#[test]
fn a_handler_that_writes_more_than_the_window_waits() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?write-bytes=300000&end");
    let mut received = 0;
    let head = client.next();
    assert!(head.starts_with("HEADERS 1 :status=200"), "{head}");
    while received < INITIAL_WINDOW {
        received += client.next().len() - "DATA 1 ".len();
    }
    assert_eq!(received, INITIAL_WINDOW);
    client.expect_answer_to_ping();
    client.open_window(0, 1_000_000);
    client.open_window(1, 1_000_000);
    assert_eq!(client.body_of(1).len(), 300_000 - INITIAL_WINDOW);
}

#[test]
fn a_paced_stream_keeps_no_window_from_others() {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_as("slow.wasm", guest::SCRIPT)
        .with_file("slow.toml", "path = '/slow'\nrate = 10_000\nburst = 1_000\nbuffer_size = 65_536");
    let server = TestServer::start(routes);
    let mut client = Http2Client::open(server.connect());
    for stream in [1, 3, 5, 7] {
        client.get(stream, "/slow?body-bytes=60000");
    }
    let mut heads = 0;
    while heads < 4 {
        heads += usize::from(client.next().contains(" content-length=60000"));
    }
    // All of the window of the connection but what the paced streams have sent.
    client.get(9, "/script?body-bytes=40000");
    assert_eq!(client.body_of(9).len(), 40_000);
}

#[test]
fn streams_of_a_connection_share_its_rate_and_a_reset_gives_back_what_was_not_sent() {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_file("script.toml", "rate = 100_000\nburst = 10_000\nrate_scope = 'connection'");
    let server = TestServer::start(routes);
    let start = std::time::Instant::now();
    let mut client = wide_open(&server);
    let streams = [1, 3, 5, 7];
    for stream in streams {
        client.get(stream, "/script?body-bytes=15000");
    }
    let mut ended = 0;
    while ended < streams.len() {
        ended += usize::from(client.next().ends_with(" END"));
    }
    // 60,000 bytes after a burst of 10,000.
    assert!(start.elapsed() >= Duration::from_millis(490), "{:?}", start.elapsed());
}

#[test]
fn a_large_body_and_small_ones_are_sent_side_by_side() {
    let server = server();
    let mut client = wide_open(&server);
    client.get(1, "/script?body-bytes=20000000");
    for stream in (3..40).step_by(2) {
        client.get(stream, "/script?body=small");
    }
    let (mut large, mut small, mut small_before_the_end) = (0, 0, 0);
    while large < 20_000_000 || small < 19 {
        let line = client.next();
        match line.strip_prefix("DATA 1 ") {
            Some(data) => large += data.strip_suffix(" END").unwrap_or(data).len(),
            None if line.ends_with("small END") => {
                small += 1;
                small_before_the_end += usize::from(large < 20_000_000);
            }
            None => {}
        }
    }
    assert_eq!((large, small_before_the_end), (20_000_000, 19));
}
