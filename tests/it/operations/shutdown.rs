//! What a server that was told to stop waits for, and for how long.

use std::time::{Duration, Instant};

use host::close_reason::CloseReason;

use crate::support::wire::SCRIPT_HELLO;
use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, log};

/// A server that waits for the rest of a request for a tenth of a second once it stops, and for half a minute before.
fn serve() -> TestServer {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT));
    server.timeouts(|timeouts| timeouts.drain_request = Duration::from_millis(100)).start()
}

/// Stops the server: it has stopped long before the time for requests in flight is over.
#[track_caller]
fn join(server: TestServer, client: Client) {
    drop(client);
    let start = Instant::now();
    server.join();
    assert!(start.elapsed() < TIMEOUT);
}

#[test]
fn a_shutdown_waits_a_moment_for_the_rest_of_a_head() {
    for begun in ["G", "GET /script HTTP/1.1\r\nHost: te", "GET /script HTTP/1.1\r\nHost: it\r\n"] {
        let server = serve();
        let mut client = server.connect();
        client.send(begun);
        server.stop();
        let answer = client.read_to_end();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert_eq!(server.closed(CloseReason::HeadTimeout), 1);
        join(server, client);
    }
}

#[test]
fn a_shutdown_waits_a_moment_for_the_rest_of_a_body() {
    let bodies = [("Content-Length: 10", "Hello"), ("Transfer-Encoding: chunked", "5\r\nHello\r\n3\r\nWo")];
    for (number, (framing, body)) in bodies.into_iter().enumerate() {
        let server = serve();
        let mut client = server.connect();
        client.send(format!(
            "POST /script?stderr=half_a_body_{number}&read HTTP/1.1\r\nHost: it\r\n{framing}\r\n\r\n{body}"
        ));
        log().wait_for(&[&format!("half_a_body_{number}")]);
        server.stop();
        let answer = client.read_to_end();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
        join(server, client);
    }
}

#[test]
fn a_slow_body_is_waited_for_no_longer_either() {
    let server = serve();
    let mut client = server.connect();
    client.send("POST /script?stderr=it_trickles&read HTTP/1.1\r\nHost: it\r\nContent-Length: 50000000\r\n\r\n");
    log().wait_for(&["it_trickles"]);
    server.stop();
    let start = Instant::now();
    // It is heard of as soon as the host has ended its side and lingered.
    while client.try_send("x").is_ok() {
        assert!(start.elapsed() < TIMEOUT);
        std::thread::yield_now();
    }
    join(server, client);
}

#[test]
fn a_shutdown_does_not_wait_for_a_body_that_nobody_reads() {
    let server = serve();
    let mut client = server.connect();
    client.send("POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nContent-Length: 10\r\n\r\nHello");
    client.expect(SCRIPT_HELLO);
    server.stop();
    assert_eq!(client.read_to_end(), "");
    join(server, client);
}

#[test]
fn a_complete_request_has_its_time_during_a_shutdown() {
    let server = serve();
    let mut client = server.connect();
    client.send("POST /script?stderr=it_is_whole&read-one=9&sleep=500&body=Hello HTTP/1.1\r\nHost: it\r\n");
    client.send("Content-Length: 1\r\n\r\nx");
    log().wait_for(&["it_is_whole"]);
    server.stop();
    let answer = ok_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    assert_eq!(client.read_to_end(), answer);
    join(server, client);
}
