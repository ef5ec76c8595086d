//! What one route may take of what all routes share: it never has the last places, however it takes them.

use std::num::NonZeroUsize;

use host::options::Value;

use crate::support::websocket::{CLOSE, TEXT};
use crate::support::wire::get;
use crate::support::{Client, RoutesDir, TestServer, guest, log, wait_until};

/// A request that has its place once `in` has come, and keeps it.
const STAYS: &str = "write=in&sleep=3600000";

/// `script` at `/a`, `/b` and `/c`, with options for `/a`.
fn three_routes(options: &str) -> RoutesDir {
    let routes = RoutesDir::new()
        .with_as("a.wasm", guest::SCRIPT)
        .with_as("b.wasm", guest::SCRIPT)
        .with_as("c.wasm", guest::SCRIPT);
    let routes = routes.with_file("a.toml", &format!("path = '/a'\n{options}"));
    routes.with_file("b.toml", "path = '/b'").with_file("c.toml", "path = '/c'")
}

/// A server with ten places for invocations.
fn with_ten_permits(routes: RoutesDir) -> TestServer {
    TestServer::builder(routes).limits(|limits| limits.max_invocations = 10).start()
}

/// Takes places of a route until it gets no more.
#[track_caller]
fn take_all_permits(server: &TestServer, path: &str) -> Vec<Client> {
    let mut taken = Vec::new();
    loop {
        let mut client = server.connect();
        client.send(get(&format!("{path}?{STAYS}")));
        if client.read_until("\r\n\r\n").starts_with("HTTP/1.1 503 ") {
            client.expect("too many requests are running\n");
            return taken;
        }
        client.expect("2\r\nin\r\n");
        taken.push(client);
    }
}

#[track_caller]
fn is_served(server: &TestServer, path: &str) {
    let answer = server.get(&format!("{path}?body=x"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
}

#[test]
fn a_route_that_takes_all_permits_it_can_leaves_half_to_others() {
    for workers in [1, 3] {
        let workers = NonZeroUsize::new(workers).expect("it is above 0");
        let server =
            TestServer::builder(three_routes("")).workers(workers).limits(|limits| limits.max_invocations = 10);
        let server = server.start();
        let taken = take_all_permits(&server, "/a");
        assert_eq!(taken.len(), 5);
        is_served(&server, "/b");
        drop(take_all_permits(&server, "/a"));
        is_served(&server, "/c");
    }
}

#[test]
fn routes_that_take_all_they_can_together_leave_some_to_others() {
    let server = with_ten_permits(three_routes(""));
    let taken = [take_all_permits(&server, "/a"), take_all_permits(&server, "/b")];
    assert_eq!(taken.each_ref().map(Vec::len), [5, 2]);
    is_served(&server, "/c");
}

#[test]
fn the_operator_says_how_much_a_route_may_take() {
    for (flag, options, most) in [(50, "share = 100", 10), (20, "", 2), (100, "", 10), (100, "share = 30", 3)] {
        let server = TestServer::builder(three_routes(options)).option("share", Value::Integer(flag));
        let server = server.limits(|limits| limits.max_invocations = 10).start();
        assert_eq!(take_all_permits(&server, "/a").len(), most, "{flag} {options}");
    }
}

#[test]
fn a_route_that_runs_nothing_is_served_while_there_is_a_permit() {
    let server = TestServer::builder(three_routes("share = 1")).limits(|limits| limits.max_invocations = 1).start();
    is_served(&server, "/a");
    assert_eq!(take_all_permits(&server, "/a").len(), 1);
}

#[test]
fn requests_behind_middleware_count_for_both_their_permits() {
    let server = with_ten_permits(
        three_routes("").with_as("_middleware.wasm", guest::LAYER).with_file("_middleware.toml", "name = 'm'"),
    );
    assert_eq!(take_all_permits(&server, "/a").len(), 2);
    is_served(&server, "/b");
}

#[test]
fn clients_that_do_not_read_hold_no_more_than_the_share() {
    let server = with_ten_permits(three_routes(""));
    let mut crowd: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut crowd {
        client.send(get!("/a?body-bytes=30000000"));
    }
    let mut heads: Vec<String> = crowd.iter_mut().map(|client| client.read_until("\r\n\r\n")).collect();
    heads.retain(|head| head.starts_with("HTTP/1.1 200 "));
    assert_eq!(heads.len(), 5);
    is_served(&server, "/b");
}

#[test]
fn messages_of_websockets_count_as_requests_do() {
    let server =
        TestServer::builder(three_routes("").with(guest::MESSAGES)).limits(|limits| limits.max_invocations = 4).start();
    let mut sockets: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for socket in &mut sockets {
        socket.open_websocket("/messages");
    }
    for socket in &mut sockets {
        socket.send_frame(TEXT, "sleep=3600000");
    }
    let refused = [&1013_u16.to_be_bytes()[..], b"try again later"].concat();
    wait_until("one of them is refused", || server.closed(host::close_reason::CloseReason::Overloaded) <= 1);
    let last = sockets.last_mut().expect("there are three");
    last.expect_frame(CLOSE, refused);
    is_served(&server, "/b");
}

#[test]
fn a_route_leaves_half_of_the_parked_responses_to_others() {
    let routes = three_routes("").with_as("shares_all.wasm", guest::SCRIPT).with_file("shares_all.toml", "path = '/d'");
    let server = TestServer::builder(routes).limits(|limits| limits.max_parked = 4).start();
    let park = |path: &str| {
        let mut client = server.connect();
        client.send(get(&format!("{path}?manual&write=one")));
        client
    };
    let _of_first: Vec<Client> = (1..=2)
        .map(|number| {
            let client = park("/d");
            wait_until("it is left open", || server.parked() == number);
            client
        })
        .collect();
    assert!(park("/d").read_until("\r\n\r\n").starts_with("HTTP/1.1 503 "));
    log().wait_for(&["WARN", "handler shares_all cannot leave its connection open", "`share` of --max-parked"]);
    let _of_second = park("/b");
    wait_until("another route leaves one open", || server.parked() == 3);
}
