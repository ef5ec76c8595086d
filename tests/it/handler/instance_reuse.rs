//! Which requests share an instance: none, unless a route says so.

use crate::support::wire::get;
use crate::support::{RoutesDir, TestServer, assemble, guest, log};

/// What stands for a response other than 200.
const FAILED: &str = "failed";

/// A server whose route `name` is the guest `counts` with these options.
fn counting(name: &str, options: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), guest::COUNTS);
    TestServer::start(routes.with_file(&format!("{name}.toml"), options))
}

/// The number that the handler counts, or `failed` where it did, at each of these targets, asked one after the other on one connection.
fn counted(server: &TestServer, targets: &[&str]) -> Vec<String> {
    let mut client = server.connect();
    let ask = |target: &&str| {
        client.send(get(target));
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
fn every_request_has_an_instance_of_its_own() {
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
    waiting.send("POST /apart?wait HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\n\r\n");
    // The other one holds the only instance that there was.
    assert_eq!(counted(&server, &["/apart"; 2]), [1, 2].map(chunk));
    waiting.send("ok");
    assert!(waiting.read_response().ends_with(&chunk(1)));
}

#[test]
fn an_incomplete_body_ends_the_invocation_and_not_the_instance() {
    let server = counting("broken_off", "reuse = 100");
    assert_eq!(counted(&server, &["/broken_off"]), [chunk(1)]);
    let mut client = server.connect();
    client.send("POST /broken_off?wait HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\n\r\n");
    client.half_close();
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
    assert_eq!(counted(&server, &["/broken_off"]), [chunk(3)]);
}

#[test]
fn an_invocation_that_passes_its_timeout_takes_its_instance_with_it() {
    let server = counting("too_late", "reuse = 100\ntimeout = 0.1");
    let targets = ["/too_late", "/too_late?sleep", "/too_late", "/too_late"];
    assert_eq!(counted(&server, &targets), [chunk(1), FAILED.to_owned(), chunk(1), chunk(2)]);
}

#[test]
fn the_longest_idle_instances_are_evicted_first() {
    let names: Vec<String> = (0..66).map(|number| format!("route-{number:02}")).collect();
    let routes = names.iter().fold(RoutesDir::new(), |routes, name| {
        routes.with_as(&format!("{name}.wasm"), guest::COUNTS).with_file(&format!("{name}.toml"), "reuse = 100")
    });
    let server = TestServer::start(routes);
    let targets: Vec<String> = names.iter().map(|name| format!("/{name}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    assert_eq!(counted(&server, &targets), vec![chunk(1); 66]);
    // 64 wait for a thread: all but the first two.
    assert_eq!(counted(&server, &[targets[65], targets[2], targets[0], targets[1]]), [2, 2, 1, 1].map(chunk));
}

#[test]
fn an_instance_too_large_for_the_pool_evicts_no_other() {
    let routes = RoutesDir::new().with_as("small.wasm", guest::COUNTS).with_file("small.toml", "reuse = 100");
    let routes =
        routes.with_as("large.wasm", guest::COUNTS).with_file("large.toml", "reuse = 1000\nmemory = 268_435_456");
    let server = TestServer::start(routes);
    assert_eq!(counted(&server, &["/small"]), [chunk(1)]);
    let counts = counted(&server, &["/large?grow"; 130]);
    assert!(counts[1..].contains(&chunk(1)), "130 MiB were too large to wait");
    assert_eq!(counted(&server, &["/small"]), [chunk(2)]);
}

#[test]
fn the_output_of_a_shared_instance_belongs_to_the_current_request() {
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
fn a_component_that_asks_for_reuse_needs_the_operator_to_allow_it() {
    let server = TestServer::serving(guest::ASKS_FOR_REUSE);
    let [diagnostic] = server.diagnostics() else { panic!("it asks for one thing") };
    assert_eq!(diagnostic.reason, "option `reuse` is 1000 in the component and is held to the operator's 1");
    assert_eq!(counted(&server, &["/asks_for_reuse"; 3]), vec![chunk(1); 3]);
    let routes = RoutesDir::new().with(guest::ASKS_FOR_REUSE).with_file("asks_for_reuse.toml", "reuse = 2");
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    assert_eq!(counted(&server, &["/asks_for_reuse"; 3]), [1, 2, 1].map(chunk));
}

#[test]
fn a_reuse_of_0_is_refused() {
    let routes = RoutesDir::new().with_as("wrong.wasm", guest::COUNTS).with_file("wrong.toml", "reuse = 0");
    let server = TestServer::start(routes);
    let [diagnostic] = server.diagnostics() else { panic!("one thing is wrong") };
    assert_eq!(diagnostic.reason, "line 1: option `reuse` is 0; expected a whole number from 1 to 4294967295");
}

#[test]
fn a_start_function_may_ask_for_its_request() {
    let bytes = assemble(guest::EARLY_WAT);
    let server = TestServer::start(RoutesDir::new().with_bytes("early.wasm", &bytes));
    assert_eq!(server.diagnostics(), []);
    let mut client = server.connect();
    for version in ["1.1", "1.0", "1.1", "1.0"] {
        client.send(format!("GET /early HTTP/{version}\r\nHost: it\r\nConnection: keep-alive\r\n\r\n"));
        let response = client.read_response();
        assert!(response.contains(&format!("http/{version}")), "{response}");
    }
}
