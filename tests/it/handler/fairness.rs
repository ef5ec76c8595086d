//! What one route or one client does to the others of its worker: each gets its share of the processor.
//!
//! Every server here has one worker.

use std::time::{Duration, Instant};

use host::options::Value;

use crate::support::wire::get;
use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, log};
use crate::wasi_http::worlds::WORLDS;

/// Asks for `path` on an open connection; the status of the answer.
fn ask(client: &mut Client, path: &str) -> String {
    client.send(get(path));
    let response = client.read_response();
    response.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Clients that wait for answers to these targets, each on a connection of its own.
fn crowd(server: &TestServer, targets: impl IntoIterator<Item = String>) -> Vec<Client> {
    let ask = |target: String| {
        let mut client = server.connect();
        client.send(get(&target));
        client
    };
    targets.into_iter().map(ask).collect()
}

/// That 20 requests are answered within the time that a test waits, which they are not if each waits for one slice of each
/// client of the crowd: 20 times 300 times 5 ms are 30 s.
#[track_caller]
fn assert_answered_beside(server: &TestServer, crowd: &mut [Client], path: &str) {
    let start = Instant::now();
    let mut client = server.connect();
    for _ in 0..20 {
        assert_eq!(ask(&mut client, path), "200");
        assert!(start.elapsed() < TIMEOUT, "{path} waits for the crowd");
    }
    // The crowd has waited all the while.
    crowd.iter_mut().for_each(|client| client.expect_silence(Duration::from_millis(1)));
}

fn with_long_timeouts(routes: RoutesDir) -> TestServer {
    TestServer::builder(routes)
        .option("timeout", Value::Integer(600))
        .option("cpu", Value::Integer(600_000))
        .limits(|limits| limits.max_invocations = 1_000)
        .start()
}

#[test]
fn a_request_waits_for_one_slice_and_not_for_one_of_each_client_of_another_route() {
    let server = with_long_timeouts(RoutesDir::new().with(guest::SPIN).with(guest::HELLO));
    let mut spinning = crowd(&server, (0..300).map(|_| "/spin".to_owned()));
    assert_answered_beside(&server, &mut spinning, "/hello");
}

#[test]
fn a_request_waits_for_one_slice_beside_components_of_either_version_of_wasi_http() {
    for world in WORLDS {
        let server = with_long_timeouts(world.routes("spins", "").with(guest::HELLO));
        let mut spinning = crowd(&server, (0..300).map(|_| "/script?ready-body&drop-request&spin".to_owned()));
        assert_answered_beside(&server, &mut spinning, "/hello");
    }
}

#[test]
fn a_request_waits_for_one_slice_beside_components_that_go_on_after_their_response() {
    for world in WORLDS {
        let server = with_long_timeouts(world.routes("goes_on", "").with(guest::HELLO));
        // All at once: each needs a slice for its response, in turn with those that spin.
        let mut answered = crowd(&server, (0..200).map(|_| "/script?set&write=Hello&finish&spin".to_owned()));
        for client in &mut answered {
            assert!(client.read_response().starts_with("HTTP/1.1 200 "), "{world:?}");
        }
        assert_answered_beside(&server, &mut [], "/hello");
        // Those that spin are there all the while: their connections are free, and have no second answer to send.
        answered.iter_mut().for_each(|client| client.expect_silence(Duration::from_millis(1)));
    }
}

#[test]
fn a_request_waits_no_longer_beside_many_routes_that_keep_the_processor_busy() {
    let names: Vec<String> = (0..30).map(|number| format!("spin-{number}")).collect();
    let routes = names
        .iter()
        .fold(RoutesDir::new().with(guest::HELLO), |routes, name| routes.with_as(&format!("{name}.wasm"), guest::SPIN));
    let server = with_long_timeouts(routes);
    let mut spinning = crowd(&server, names.iter().flat_map(|name| std::iter::repeat_n(format!("/{name}"), 10)));
    assert_answered_beside(&server, &mut spinning, "/hello");
}

#[test]
fn a_route_whose_requests_take_several_slices_gets_its_share_beside_a_crowd() {
    let server = with_long_timeouts(RoutesDir::new().with(guest::SPIN).with(guest::SCRIPT));
    let mut spinning = crowd(&server, (0..300).map(|_| "/spin".to_owned()));
    // To write 64 MiB takes some slices of its own.
    let large = "/script?write-bytes=16777216&write-bytes=16777216&write-bytes=16777216&write-bytes=16777216";
    let start = Instant::now();
    let mut client = server.connect();
    for _ in 0..5 {
        assert_eq!(ask(&mut client, large), "200");
        assert!(start.elapsed() < TIMEOUT, "the crowd has all of the processor");
    }
    spinning.iter_mut().for_each(|client| client.expect_silence(Duration::from_millis(1)));
}

#[test]
fn an_invocation_that_waits_for_its_slice_ends_when_its_time_is_up_with_a_backtrace() {
    let routes = RoutesDir::new().with_as("late_slice.wasm", guest::SPIN).with(guest::HELLO);
    let server = TestServer::builder(routes).option("timeout", Value::Float(0.5)).start();
    let mut spinning = crowd(&server, (0..200).map(|_| "/late_slice".to_owned()));
    for client in &mut spinning {
        assert!(client.read_response().starts_with("HTTP/1.1 504 "));
    }
    log().wait_for(&["handler late_slice passed its timeout", "wasm backtrace:\n    0: "]);
}

#[test]
fn an_invocation_that_uses_up_its_processor_time_is_answered_504_and_the_log_says_so() {
    let routes = RoutesDir::new().with_as("greedy.wasm", guest::SPIN).with_file("greedy.toml", "cpu = 50");
    let server = TestServer::start(routes);
    let response = server.get("/greedy");
    assert!(response.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{response}");
    log().wait_for(&["handler greedy used up its cpu of 50ms", "wasm backtrace:\n    0: ", "request=1"]);
}

#[test]
fn time_in_which_a_handler_waits_is_no_processor_time() {
    let routes = RoutesDir::new().with_as("waits.wasm", guest::SCRIPT);
    let routes = routes.with_file("waits.toml", "path = '/waits'\ncpu = 100\nreuse = 10");
    let server = TestServer::start(routes);
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(get!("/waits?sleep=150&write=a&sleep=150&write=b"));
        let response = client.read_response();
        assert!(response.ends_with("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), "{response}");
    }
}

/// How many requests of ten clients that send 1,000 ahead are served before the one of another client is.
fn served_before_another(server: &TestServer) -> u32 {
    let mut other = server.connect();
    let mut count = || {
        other.send(get!("/counts"));
        let response = other.read_response();
        let count = response.rsplit("\r\n").nth(3).and_then(|line| line.parse::<u32>().ok());
        count.expect("the body is a number")
    };
    let before = count();
    let ahead = get!("/counts").repeat(1_000);
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&ahead));
    count() - before
}

#[test]
fn a_client_that_sends_requests_ahead_does_not_keep_others_waiting() {
    let server = TestServer::start(RoutesDir::new().with(guest::COUNTS).with_file("counts.toml", "reuse = 1_000_000"));
    // The system may let the server run on before it lets the test send; not every time.
    let least = (0..20).map(|_| served_before_another(&server)).min();
    assert!(least.is_some_and(|least| least < 500), "{least:?} of 10,000 were served first");
}
