//! Clients that go while a handler works for them: what was theirs is free at once, and nothing is done in vain.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use host::options::Value;
use socket2::SockRef;

use super::support::{Client, PATIENCE, RoutesDir, TestServer};

const SHORT: Duration = Duration::from_millis(200);

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

/// A server with one place for an invocation, on which nothing ends for its time.
fn one_place(grace: Duration) -> TestServer {
    TestServer::builder(RoutesDir::new().with("script"))
        .option("timeout", Value::Integer(3600))
        .timeouts(|timeouts| {
            (timeouts.write, timeouts.body, timeouts.idle) = (LONG, LONG, LONG);
            timeouts.grace = grace;
        })
        .limits(|limits| limits.max_invocations = 1)
        .start()
}

/// Sends a request, reads up to `awaited`, and resets the connection.
fn go_after(server: &TestServer, request: &str, awaited: &str) {
    let socket = TcpStream::connect(server.address()).expect("the server accepts");
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
    let mut client = Client::over(socket);
    client.send(request);
    client.read_until(awaited);
}

#[track_caller]
fn the_place_is_free_again(server: &TestServer) {
    let start = Instant::now();
    while server.get("/script?body=x").starts_with("HTTP/1.1 503 ") {
        assert!(start.elapsed() < PATIENCE, "the place is still taken");
    }
}

#[test]
fn a_returned_body_that_nobody_reads_any_more_is_dropped_at_once() {
    let server = one_place(LONG);
    go_after(&server, "GET /script?body-bytes=50000000 HTTP/1.1\r\nHost: it\r\n\r\n", "\r\n\r\n");
    the_place_is_free_again(&server);
}

#[test]
fn a_handler_whose_client_resets_in_mid_body_has_its_grace_and_no_more() {
    let server = one_place(SHORT);
    let request =
        "POST /script?read-one=10&spin HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    go_after(&server, request, "100 Continue\r\n\r\n");
    the_place_is_free_again(&server);
}

#[test]
fn a_304_that_declares_the_length_of_the_whole_is_no_contradiction() {
    let response = TestServer::of("script").get("/script?status=304&set=content-length:77&body=dropped");
    assert_eq!(response, "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\nConnection: close\r\n\r\n");
}

#[test]
fn what_a_handler_makes_of_its_clients_fault_is_no_error_in_the_log() {
    let server = TestServer::start(RoutesDir::new().with_as("clients_fault.wasm", "echo"));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.read_until("abc\r\n");
    client.send("x\r\n");
    client.read_to_end();
    super::support::log().wait_for(&["INFO", "handler clients_fault ended without its request: the chunked coding"]);
    assert_eq!(super::support::log().with(&["ERROR", "clients_fault"]), [""; 0]);
}

/// A handler that sleeps on after its client stopped reading must cost no more than one that sleeps.
#[test]
#[cfg(target_os = "linux")]
fn a_worker_rests_while_a_handler_sleeps_whose_client_is_gone() {
    use super::support::{Process, host};

    let routes = RoutesDir::new().with("script");
    let mut command = host(&["run", "--routes", &routes.path().display().to_string(), "--listen", "127.0.0.1:0"]);
    command.args(["--write-timeout", "0.2", "--grace", "2", "--workers", "1"]);
    let process = Process::spawn(command, 1);
    let mut client = process.connect();
    client.send("GET /script?write-bytes=50000000&sleep=60000 HTTP/1.0\r\n\r\n");
    client.read_until("\r\n\r\n");
    // The host gives up on the client, then on the handler, and only then closes.
    process.stderr().wait_for(&["handler script passed its timeout"]);
    let used = process.processor_time();
    assert!(used < Duration::from_secs(1), "it used {used:?}");
}
