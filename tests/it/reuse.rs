//! Which requests share an instance: none, unless a route says so.

use crate::support::{RoutesDir, TestServer, log};

/// What stands for a response other than 200.
const FAILED: &str = "failed";

/// A server whose route `name` is the guest `counts` with these options.
fn counting(name: &str, options: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), "counts");
    TestServer::start(routes.with_file(&format!("{name}.toml"), options))
}

/// The number that the handler counts, or `failed` where it did, at each of these targets, asked one after the other on one connection.
fn counted(server: &TestServer, targets: &[&str]) -> Vec<String> {
    let mut client = server.connect();
    let ask = |target: &&str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let response = client.read_response();
        let (head, body) = response.split_once("\r\n\r\n").expect("a response has a head");
        if head.starts_with("HTTP/1.1 200 ") { body.to_owned() } else { FAILED.to_owned() }
    };
    targets.iter().map(ask).collect()
}

/// A number as the one chunk of a body.
fn chunk(number: u32) -> String {
    format!("1\r\n{number}\r\n0\r\n\r\n")
}

#[test]
fn every_request_has_an_instance_that_none_had_before() {
    for options in ["", "reuse = 1"] {
        let server = counting("fresh", options);
        assert_eq!(counted(&server, &["/fresh"; 20]), vec![chunk(1); 20], "{options:?}");
    }
}

#[test]
fn an_instance_serves_as_many_requests_as_its_route_says() {
    let server = counting("thrice", "reuse = 3");
    assert_eq!(counted(&server, &["/thrice"; 7]), [1, 2, 3, 1, 2, 3, 1].map(chunk));
}

#[test]
fn an_instance_that_trapped_serves_nothing_more() {
    let server = counting("traps_in_reuse", "reuse = 100");
    let targets = ["/traps_in_reuse", "/traps_in_reuse?trap", "/traps_in_reuse", "/traps_in_reuse"];
    assert_eq!(counted(&server, &targets), [chunk(1), FAILED.to_owned(), chunk(1), chunk(2)]);
}

#[test]
fn requests_at_the_same_time_never_share_an_instance() {
    let server = counting("apart", "reuse = 100");
    let mut waiting = server.connect();
    waiting.send("POST /apart?wait HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n");
    // The other one holds the only instance that there was.
    assert_eq!(counted(&server, &["/apart"; 2]), [1, 2].map(chunk));
    waiting.send("ok");
    assert!(waiting.read_response().ends_with(&chunk(1)));
}

#[test]
fn a_client_that_goes_takes_its_instance_with_it() {
    let server = counting("gone", "reuse = 100\nmethods = ['GET', 'POST']");
    assert_eq!(counted(&server, &["/gone"]), [chunk(1)]);
    let mut client = server.connect();
    client.send("POST /gone?wait HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n");
    client.half_close();
    // Its body is incomplete, which the handler is told; the instance ends well and goes on.
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
    assert_eq!(counted(&server, &["/gone"]), [chunk(3)]);
}

#[test]
fn what_a_shared_instance_prints_belongs_to_the_request_at_hand() {
    let server = counting("prints_in_reuse", "reuse = 3");
    counted(&server, &["/prints_in_reuse?print"; 3]);
    for number in 1..=3 {
        let printed = format!("call {number} prints");
        let request = format!("request={number} ");
        log().wait_for(&["guest", "prints_in_reuse", &request, &printed]);
    }
}

#[test]
fn the_memory_of_a_shared_instance_is_bounded_over_all_its_requests() {
    let server = counting("grows", "reuse = 100\nmemory = 6_291_456");
    let counts = counted(&server, &["/grows?grow"; 20]);
    let failed = counts.iter().position(|count| count == FAILED).expect("six MiB do not hold twenty");
    assert_eq!(counts[failed + 1], chunk(1));
    log().wait_for(&["ERROR", "handler grows", "reached its memory limit of 6291456 bytes"]);
}

#[test]
fn a_component_may_ask_for_reuse_and_the_operator_may_refuse() {
    let server = counting("refused", "reuse = 1");
    assert_eq!(counted(&server, &["/refused"; 2]), vec![chunk(1); 2]);
    let routes = RoutesDir::new().with_as("wrong.wasm", "counts").with_file("wrong.toml", "reuse = 0");
    let server = TestServer::start(routes);
    let [diagnostic] = server.diagnostics() else { panic!("one thing is wrong") };
    assert_eq!(diagnostic.reason, "line 1: option `reuse` is 0; expected a whole number from 1 to 4294967295");
}

#[test]
fn a_handler_that_starts_with_its_request_is_never_started_before() {
    let bytes = wat::parse_str(include_str!("../guests/early.wat")).expect("the guest is well-formed");
    let server = TestServer::start(RoutesDir::new().with_bytes("early.wasm", &bytes));
    assert_eq!(server.diagnostics(), []);
    let mut client = server.connect();
    for version in ["1.1", "1.0", "1.1", "1.0"] {
        client.send(format!("GET /early HTTP/{version}\r\nHost: test\r\nConnection: keep-alive\r\n\r\n"));
        let response = client.read_response();
        assert!(response.contains(&format!("http/{version}")), "{response}");
    }
}
