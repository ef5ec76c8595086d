//! How connections of HTTP/2 live and end, and how they count.

use std::time::Duration;

use host::close_reason::CloseReason;
use host::config::ConnectionsPerClient;

use crate::support::{Http2Client, RoutesDir, TestServer, guest, wait_until};

const HEAD: &str = ":status=200 content-type=text/html; charset=utf-8";

#[test]
fn an_idle_connection_is_told_and_closed() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| timeouts.idle = Duration::from_millis(200))
        .start();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?body=a");
    client.expect(&[&format!("HEADERS 1 {HEAD} content-length=1"), "DATA 1 a END"]);
    assert_eq!(client.rest(), ["GOAWAY 1 NO_ERROR", "closed"]);
    wait_until("it is counted", || server.closed(CloseReason::Idle) == 1);
}

#[test]
fn a_connection_with_a_parked_stream_is_not_idle() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| timeouts.idle = Duration::from_millis(100))
        .start();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?subscribe=news&write=first&manual");
    client.expect(&[&format!("HEADERS 1 {HEAD}"), "DATA 1 first"]);
    client.expect_answer_to_ping();
    client.expect_silence(Duration::from_millis(300));
    client.get(3, "/script?publish=news:more&finish=news&body=");
    let mut lines = client.until_end_of(1);
    lines.retain(|line| line.starts_with("DATA 1"));
    assert_eq!(lines, ["DATA 1 more", "DATA 1  END"]);
}

#[test]
fn a_server_that_stops_serves_the_streams_that_are_open() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).start();
    let mut client = Http2Client::open(server.connect());
    client.post(1, "/script?read");
    client.expect_answer_to_ping();
    server.stop();
    let goaway = client.next();
    assert_eq!(goaway, format!("GOAWAY {} NO_ERROR", i32::MAX));
    assert_eq!(client.next(), "PING");
    let payload = client.last_ping.clone();
    client.frame(6, 1, 0, payload);
    assert_eq!(client.next(), "GOAWAY 1 NO_ERROR");
    client.data(1, "late", true);
    assert_eq!(client.rest(), [&format!("HEADERS 1 {HEAD}"), "DATA 1 late END", "closed"]);
    server.join();
}

#[test]
fn a_server_that_stops_waits_for_no_client_without_streams() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .timeouts(|timeouts| timeouts.drain_request = Duration::from_millis(100))
        .start();
    let mut silent = Http2Client::open(server.connect());
    silent.get(1, "/script?body=a");
    silent.until_end_of(1);
    server.stop();
    // It does not answer the PING, and still the server ends.
    let lines = silent.rest();
    assert_eq!(lines.last().map(String::as_str), Some("closed"), "{lines:?}");
    server.join();
}

#[test]
fn a_server_that_stops_ends_parked_streams() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).start();
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?subscribe=news&write=first&manual");
    client.expect(&[&format!("HEADERS 1 {HEAD}"), "DATA 1 first"]);
    client.get(3, "/script?subscribe=news&manual");
    super::wait_for_parked(&server, 2);
    server.stop();
    let lines = client.rest();
    assert!(lines.iter().any(|line| line == "DATA 1  END"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("HEADERS 3 :status=503")), "{lines:?}");
    server.join();
}

#[test]
fn an_idle_connection_makes_room_and_one_with_a_stream_does_not() {
    let bounds = |limits: &mut host::config::Limits| {
        limits.max_connections = 1;
        limits.max_connections_per_client = ConnectionsPerClient::Unbounded;
    };
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).limits(bounds).start();
    let mut idle = Http2Client::open(server.connect());
    idle.get(1, "/script?body=a");
    idle.until_end_of(1);
    idle.expect_answer_to_ping();
    let mut busy = Http2Client::open(server.connect());
    busy.get(1, "/script?subscribe=news&write=first&manual");
    busy.expect(&[&format!("HEADERS 1 {HEAD}"), "DATA 1 first"]);
    assert!(matches!(&idle.rest().last().expect("it ends")[..], "closed" | "reset"));
    wait_until("it was evicted", || server.closed(CloseReason::Evicted) == 1);
    let response = server.get("/script?body=a");
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    busy.expect_answer_to_ping();
}

#[test]
fn a_client_that_disconnects_ends_all_of_its_streams() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).start();
    for is_reset in [false, true] {
        let mut client = Http2Client::open(server.connect());
        for stream in [1, 3, 5] {
            client.get(stream, "/script?subscribe=news&write=first&manual");
        }
        super::wait_for_parked(&server, 3);
        if is_reset {
            client.reset();
        } else {
            client.half_close();
            client.rest();
        }
        super::wait_for_parked(&server, 0);
    }
}

#[test]
fn a_connection_counts_once_and_each_stream_counts_a_request() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).start();
    let mut client = Http2Client::open(server.connect());
    for stream in [1, 3, 5] {
        client.get(stream, "/script?body=a");
        client.until_end_of(stream);
    }
    assert_eq!((server.connections(), server.requests()), (1, 3));
}

#[test]
fn chunks_reach_parked_streams_of_both_versions() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).start();
    let mut client = Http2Client::open(server.connect());
    for stream in [1, 3] {
        client.get(stream, "/script?subscribe=news&write=first&manual");
    }
    super::wait_for_parked(&server, 2);
    let mut other = server.connect();
    other.send("GET /script?subscribe=news&write=first&manual HTTP/1.1\r\nHost: it\r\n\r\n");
    other.read_until("first\r\n");
    super::wait_for_parked(&server, 3);
    let response = server.get("/script?publish=news:second&report");
    assert!(response.contains("publish: 3"), "{response}");
    other.read_until("second\r\n");
    let mut received = Vec::new();
    while received.len() < 2 {
        let line = client.next();
        if line.ends_with("second") {
            received.push(line);
        }
    }
    received.sort();
    assert_eq!(received, ["DATA 1 second", "DATA 3 second"]);
}
