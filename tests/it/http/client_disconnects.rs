//! Clients that go while a handler works for them: what was theirs is free at once, and nothing is done in vain.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use host::options::Value;
use socket2::SockRef;

use crate::support::wire::get;
use crate::support::{RoutesDir, TIMEOUT, TestServer, guest};

const SHORT: Duration = Duration::from_millis(200);

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

/// A server with one place for an invocation, on which nothing ends for its time.
fn with_one_permit(grace: Duration) -> TestServer {
    TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .option("timeout", Value::Integer(3600))
        .timeouts(|timeouts| {
            (timeouts.write, timeouts.body, timeouts.idle) = (LONG, LONG, LONG);
            timeouts.grace = grace;
        })
        .limits(|limits| limits.max_invocations = 1)
        .start()
}

/// Sends a request, reads up to `awaited`, and resets the connection.
fn send_and_reset(server: &TestServer, request: &str, awaited: &str) {
    let socket = TcpStream::connect(server.address()).expect("the server accepts");
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
    let mut client = server.over(socket);
    client.send(request);
    client.read_until(awaited);
}

#[track_caller]
fn wait_until_the_permit_is_free(server: &TestServer) {
    let start = Instant::now();
    while server.get("/script?body=x").starts_with("HTTP/1.1 503 ") {
        assert!(start.elapsed() < TIMEOUT, "the place is still taken");
    }
}

#[test]
fn a_returned_body_is_dropped_when_its_client_disconnects() {
    let server = with_one_permit(LONG);
    send_and_reset(&server, get!("/script?body-bytes=50000000"), "\r\n\r\n");
    wait_until_the_permit_is_free(&server);
}

#[test]
fn a_handler_whose_client_resets_during_the_body_ends_after_its_grace() {
    let server = with_one_permit(SHORT);
    let request =
        "POST /script?read-one=10&spin HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    send_and_reset(&server, request, "100 Continue\r\n\r\n");
    wait_until_the_permit_is_free(&server);
}

#[test]
fn a_304_that_declares_the_length_of_the_whole_is_no_contradiction() {
    let response = TestServer::serving(guest::SCRIPT).get("/script?status=304&set=content-length:77&body=dropped");
    assert_eq!(response, "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\nConnection: close\r\n\r\n");
}

#[test]
fn a_failure_caused_by_the_client_is_not_logged_as_an_error() {
    let server = TestServer::start(RoutesDir::new().with_as("clients_fault.wasm", guest::ECHO));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.read_until("abc\r\n");
    client.send("x\r\n");
    client.read_to_end();
    crate::support::log()
        .wait_for(&["INFO", "handler clients_fault did not get its whole request: the chunked coding"]);
    assert_eq!(crate::support::log().with(&["ERROR", "clients_fault"]), [""; 0]);
}

#[test]
fn a_handler_whose_client_resets_is_logged_with_that_reason() {
    let routes = RoutesDir::new().with_as("left_alone.wasm", guest::SCRIPT);
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.grace = SHORT).start();
    for commands in ["write=in&sleep=3600000", "write=in&spin"] {
        send_and_reset(&server, &get(&format!("/script?{commands}")), "in\r\n");
    }
    let lines = ["INFO", "handler left_alone was ended: its client has gone"];
    crate::support::log().wait_for(&lines);
    crate::support::wait_until("both are told", || crate::support::log().with(&lines).len() == 2);
    assert_eq!(crate::support::log().with(&["handler left_alone passed its timeout"]), [""; 0]);
}

/// The same place, where a client that sends its end is waited for only shortly.
fn half_closed_with_one_permit() -> TestServer {
    TestServer::builder(RoutesDir::new().with_as("half_closed.wasm", guest::SCRIPT))
        .option("timeout", Value::Integer(3600))
        .timeouts(|timeouts| {
            (timeouts.write, timeouts.body, timeouts.idle) = (LONG, LONG, LONG);
            (timeouts.grace, timeouts.half_close) = (SHORT, SHORT);
        })
        .limits(|limits| limits.max_invocations = 1)
        .start()
}

#[test]
fn a_handler_that_writes_nothing_for_a_client_that_has_sent_its_end_is_ended() {
    let server = half_closed_with_one_permit();
    for (commands, head) in
        [("sleep=3600000", "HTTP/1.1 504 "), ("spin", "HTTP/1.1 504 "), ("write=in&spin", "HTTP/1.1 200 ")]
    {
        let mut client = server.connect();
        client.send(get(&format!("/script?{commands}")));
        client.half_close();
        // It may still read: it is told so.
        let response = client.read_to_end();
        assert!(response.starts_with(head) && !response.ends_with("0\r\n\r\n"), "{commands}: {response}");
        wait_until_the_permit_is_free(&server);
    }
    crate::support::log().wait_for(&["INFO", "handler half_closed was ended: its client has sent its last byte"]);
}

#[test]
fn a_client_that_has_closed_both_ways_frees_its_permit() {
    let server = half_closed_with_one_permit();
    let mut client = server.connect();
    client.send(get!("/script?sleep=3600000"));
    drop(client);
    wait_until_the_permit_is_free(&server);
}

#[test]
fn a_client_that_has_sent_its_end_is_served_while_something_is_sent_to_it() {
    let server = half_closed_with_one_permit();
    let commands = "write=x&sleep=150&".repeat(8);
    let mut client = server.connect();
    client.send(get(&format!("/script?{commands}body=end")));
    client.half_close();
    let response = client.read_to_end();
    assert!(response.ends_with(&("1\r\nx\r\n".repeat(8) + "3\r\nend\r\n0\r\n\r\n")), "{response}");
}

#[test]
fn a_client_that_reads_slowly_after_its_end_is_served_to_the_last_byte() {
    let server = half_closed_with_one_permit();
    let mut client = server.connect_with_small_window();
    client.send(get!("/script?write-bytes=3000000&sleep=1&body=end"));
    client.half_close();
    client.read_until("\r\n\r\n");
    let start = Instant::now();
    let mut other = server.connect();
    // The pace is another's, until it has taken longer than a silent handler has.
    while start.elapsed() < 3 * SHORT {
        other.send(get!("/none"));
        other.read_until("there is no route at /none\n");
    }
    assert!(client.read_to_end().ends_with("3\r\nend\r\n0\r\n\r\n"));
}

#[test]
fn a_client_that_resets_unseen_is_noticed_at_once() {
    // Nothing else ends a handler here but its grace.
    let server = with_one_permit(SHORT);
    let ahead = get!("/script?body=next").repeat(1000);
    for (half_closes, ahead) in [(true, ""), (false, &*ahead), (true, &*ahead)] {
        let socket = TcpStream::connect(server.address()).expect("the server accepts");
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
        let mut client = server.over(socket);
        client.send(format!("GET /script?write=in&sleep=3600000 HTTP/1.1\r\nHost: it\r\n\r\n{ahead}"));
        client.read_until("in\r\n");
        if half_closes {
            client.half_close();
            // Others are served meanwhile, so that the end is seen before the reset.
            for _ in 0..20 {
                server.get("/none");
            }
        }
        drop(client);
        wait_until_the_permit_is_free(&server);
    }
}

#[test]
fn an_end_behind_more_pipelined_bytes_than_are_read_ahead_is_noticed() {
    let server = half_closed_with_one_permit();
    let ahead = get!("/script?body=next").repeat(1000);
    let mut client = server.connect();
    client.send(format!("GET /script?sleep=3600000 HTTP/1.1\r\nHost: it\r\n\r\n{ahead}"));
    client.half_close();
    assert!(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 504 "));
}

/// A handler that sleeps on after its client stopped reading must cost no more than one that sleeps.
#[test]
#[cfg(target_os = "linux")]
fn a_worker_is_idle_while_a_handler_without_a_client_sleeps() {
    use crate::support::{Process, host};

    let routes = RoutesDir::new().with(guest::SCRIPT);
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
