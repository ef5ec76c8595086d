//! Responses that a handler leaves open.

use std::time::{Duration, Instant};

use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, log};

const GET: &str = get!("/script?{}");
const LEFT_OPEN: &str = "has exited with the connection possibly left open";

fn serve_as(name: &str) -> TestServer {
    TestServer::start(RoutesDir::new().with_as(&format!("{name}.wasm"), guest::SCRIPT))
}

/// A connection on which the handler has run `commands`, which sent `response`.
fn park(server: &TestServer, commands: &str, response: &str) -> Client {
    let mut client = server.connect();
    client.send(GET.replace("{}", commands));
    client.expect(response);
    client
}

#[test]
fn a_handler_that_parks_its_response_is_logged() {
    let server = serve_as("left_open_is_logged");
    let _client = park(&server, "write=one&manual", ok_chunked!("3\r\none\r\n"));
    let line = log().wait_for(&["left_open_is_logged", LEFT_OPEN]);
    assert!(line.contains(&format!("handler left_open_is_logged {LEFT_OPEN}")), "{line}");
    assert!(line.contains("request=1"), "{line}");
}

#[test]
fn a_parked_response_without_a_write_has_sent_nothing() {
    let server = serve_as("left_open_unwritten");
    let mut client = park(&server, "status=201&manual", "");
    log().wait_for(&["left_open_unwritten", LEFT_OPEN]);
    client.expect_silence(Duration::from_millis(100));
    client.half_close();
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_parked_response_has_sent_all_that_was_written() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "stream = false");
    let server = TestServer::start(routes);
    let mut client = park(&server, "write=a&write=b&manual", ok_chunked!("2\r\nab\r\n"));
    client.half_close();
    assert_eq!(client.read_to_end(), "", "no last chunk");
}

#[test]
fn a_parked_response_outlives_the_timeouts_of_keep_alive() {
    let idle = Duration::from_millis(100);
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "timeout = 0.1");
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.idle = idle).start();
    let mut parked = park(&server, "write=one&manual", ok_chunked!("3\r\none\r\n"));
    assert_eq!(server.connect().read_to_end(), "", "an idle connection is closed");
    parked.expect_silence(3 * idle);
}

#[test]
fn a_request_behind_a_parked_response_is_not_answered() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut parked = park(&server, "write=one&manual", ok_chunked!("3\r\none\r\n"));
    parked.send(GET.replace("{}", "body=two"));
    parked.expect_silence(Duration::from_millis(100));
}

#[test]
fn a_parked_response_is_released_when_its_client_disconnects() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let server = TestServer::builder(routes).limits(|limits| limits.max_connections = 1).start();
    let parked = park(&server, "write=one&manual", ok_chunked!("3\r\none\r\n"));
    let request = get_and_close!("/script?body=two");
    let refused = "HTTP/1.1 503 Service Unavailable\r\n";
    let served = ok_chunked_close!("3\r\ntwo\r\n0\r\n\r\n");
    assert!(server.exchange(request).starts_with(refused));
    drop(parked);
    let until = Instant::now() + TIMEOUT;
    let mut answer = server.exchange(request);
    while answer.starts_with(refused) && Instant::now() < until {
        answer = server.exchange(request);
    }
    assert_eq!(answer, served);
}

#[test]
fn an_invocation_that_parked_its_response_frees_its_permit() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "concurrency = 1");
    let server = TestServer::builder(routes).limits(|limits| limits.max_invocations = 1).start();
    let open = ok_chunked!("3\r\none\r\n");
    let parked = [(); 3].map(|()| park(&server, "write=one&manual", open));
    assert_eq!(parked.len(), 3);
}

#[test]
fn a_server_that_stops_ends_parked_responses() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut parked = park(&server, "write=one&manual", ok_chunked!("3\r\none\r\n"));
    server.stop();
    assert_eq!(parked.read_to_end(), "0\r\n\r\n");
    // Its end lets the server stop lingering.
    drop(parked);
    server.join();
}
