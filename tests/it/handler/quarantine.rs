//! What becomes of a route or a middleware that fails again and again.
//!
//! Its states are tested with an injected clock in the host. Here its options say that three failures are enough.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use host::config::ErrorDetail;

use crate::support::websocket::TEXT;
use crate::support::wire::get_and_close;
use crate::support::{RoutesDir, TestServer, guest, log};

/// Far longer than it takes.
const LONG: Duration = Duration::from_secs(60);

const TEXT_OF_503: &str = "the route is in quarantine, because it has failed again and again\n";

/// Asks until what comes is wanted, which is the result. Everything before begins with `meanwhile`.
#[track_caller]
fn ask_until(mut ask: impl FnMut() -> String, meanwhile: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let response = ask();
        if is_wanted(&response) {
            return response;
        }
        assert!(response.starts_with(meanwhile), "{response}");
        assert!(start.elapsed() < LONG, "still {response}");
    }
}

fn is_refused(response: &str) -> bool {
    response.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
}

/// Asks for what fails until it is in quarantine.
#[track_caller]
fn fail_until_refused(server: &TestServer, target: &str, status: u16) -> String {
    ask_until(|| server.get(target), &format!("HTTP/1.1 {status} "), is_refused)
}

/// The guest `script` as the route `name` at `/NAME`.
fn script(name: &str, options: &str) -> RoutesDir {
    let file = format!("path = '/{name}'\nquarantine = 3\n{options}");
    RoutesDir::new().with_as(&format!("{name}.wasm"), guest::SCRIPT).with_file(&format!("{name}.toml"), &file)
}

/// How often the log says that something is in quarantine, and that it has left it.
fn told(who: &str) -> (usize, usize) {
    let begun = log().with(&["ERROR", &format!("{who} is in quarantine")]).len();
    (begun, log().with(&["WARN", &format!("{who} has left quarantine")]).len())
}

#[test]
fn a_handler_that_traps_again_and_again_is_not_called_until_its_file_changes() {
    let server = TestServer::builder(script("quarantine_a", "")).watched().start();
    let refused = fail_until_refused(&server, "/quarantine_a?trap", 500);
    let (head, body) = refused.split_once("\r\n\r\n").expect("it has a head");
    assert_eq!(body, TEXT_OF_503);
    let retry_after = head.split("\r\nRetry-After: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let seconds: u64 = retry_after.and_then(|seconds| seconds.parse().ok()).expect("it says when to try again");
    assert!((1..=5).contains(&seconds), "{seconds}");
    let line = log().wait_for(&["ERROR", "handler quarantine_a is in quarantine"]);
    for part in
        ["route=\"quarantine_a\"", " for the clients that have seen it fail: ", "; the last time it wasm trap: "]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.routes().replace("quarantine_a.toml", "path = '/quarantine_a'\nquarantine = 3\nnote = 'mended'");
    log().wait_for(&["WARN", "handler quarantine_a has left quarantine"]);
    server.wait_for("/quarantine_a?body=Hi", "200");
    assert_eq!(told("handler quarantine_a"), (1, 1));
}

#[test]
fn after_a_pause_a_request_that_succeeds_ends_it() {
    let server = TestServer::start(script("quarantine_b", ""));
    fail_until_refused(&server, "/quarantine_b?trap", 500);
    let get = || server.get("/quarantine_b?body=Hi");
    ask_until(get, "HTTP/1.1 503 ", |response| response.starts_with("HTTP/1.1 200 "));
    assert!(get().starts_with("HTTP/1.1 200 "), "and the next one too");
    log().wait_for(&["WARN", "handler quarantine_b has left quarantine"]);
    assert_eq!(told("handler quarantine_b"), (1, 1));
}

#[test]
fn clients_that_do_not_send_what_fails_are_served() {
    let server = TestServer::start(script("quarantine_c", ""));
    fail_until_refused(&server, "/quarantine_c?trap", 500);
    let from =
        |last: u8, target: &str| server.connect_from(Ipv4Addr::new(127, 0, 0, last)).exchange(get_and_close(target));
    assert!(from(2, "/quarantine_c?body=Hi").starts_with("HTTP/1.1 200 "));
    // If it fails for others too, it is for all.
    let mut clients = (2..=4).cycle();
    let fail = || from(clients.next().expect("they go round"), "/quarantine_c?trap");
    ask_until(fail, "HTTP/1.1 500 ", is_refused);
    assert!(is_refused(&from(9, "/quarantine_c?body=Hi")));
}

#[test]
fn a_handler_that_passes_its_timeout_gets_there_too() {
    let server = TestServer::start(script("quarantine_d", "timeout = 0.05"));
    fail_until_refused(&server, "/quarantine_d?sleep=60000", 504);
    log().wait_for(&["handler quarantine_d is in quarantine", "the last time it passed its timeout"]);
}

#[test]
fn components_of_wasi_http_get_there_too() {
    for (name, guest) in [("quarantine_e", guest::WASI_SCRIPT), ("quarantine_f", guest::WASI_SCRIPT_P3)] {
        let file = format!("path = '/{name}'\nquarantine = 3");
        let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), guest);
        let server = TestServer::start(routes.with_file(&format!("{name}.toml"), &file));
        fail_until_refused(&server, &format!("/{name}?trap"), 500);
        log().wait_for(&[&format!("handler {name} is in quarantine")]);
    }
}

#[test]
fn a_middleware_that_traps_is_in_quarantine_and_not_the_routes_behind_it() {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_as("quarantine_g/_middleware.wasm", guest::LAYER)
        .with_file("quarantine_g/_middleware.toml", "name = 'a'\nquarantine = 3")
        .with_as("quarantine_g/one.wasm", guest::SCRIPT)
        .with_file("quarantine_g/one.toml", "path = '/quarantine_g/one'\nquarantine = 3")
        .with_as("quarantine_g/two.wasm", guest::SCRIPT)
        .with_file("quarantine_g/two.toml", "path = '/quarantine_g/two'\nquarantine = 3");
    let server = TestServer::builder(routes).watched().start();
    for failing in ["a=trap", "body=Hi&a-response=trap"] {
        fail_until_refused(&server, &format!("/quarantine_g/one?{failing}"), 500);
        assert!(is_refused(&server.get("/quarantine_g/two?body=Hi")), "all routes behind it");
        assert!(server.get("/script?body=Hi").starts_with("HTTP/1.1 200 "), "and no other");
        let file = format!("name = 'a'\nquarantine = 3\nnote = '{failing}'");
        server.routes().replace("quarantine_g/_middleware.toml", file);
        server.wait_for("/quarantine_g/two?body=Hi", "200");
    }
    assert_eq!(told("middleware quarantine_g/_middleware"), (2, 2));
    assert_eq!(log().with(&["handler quarantine_g/", "quarantine"]).len(), 0, "the routes have not failed");
}

#[test]
fn the_messages_of_websockets_count_and_are_refused_too() {
    let file = "path = '/quarantine_h'\nquarantine = 3";
    let routes = RoutesDir::new().with_as("quarantine_h.wasm", guest::MESSAGES).with_file("quarantine_h.toml", file);
    let server = TestServer::start(routes);
    let mut open = server.connect();
    open.open_websocket("/quarantine_h");
    let fail = || {
        let mut client = server.connect();
        let request = "GET /quarantine_h HTTP/1.1\r\nHost: it\r\n";
        client.send(format!("{request}{}\r\n", crate::support::websocket::HANDSHAKE));
        let head = client.read_until("\r\n\r\n");
        if head.starts_with("HTTP/1.1 101 ") {
            client.send_frame(TEXT, "trap");
            client.expect_close(1011, "the handler failed");
        }
        head
    };
    ask_until(fail, "HTTP/1.1 101 ", is_refused);
    open.send_frame(TEXT, "echo=1");
    open.expect_close(1013, "try again later");
    assert_eq!(told("handler quarantine_h").0, 1);
}

#[test]
fn development_mode_shows_what_is_in_quarantine_and_why() {
    let server = TestServer::builder(script("quarantine_i", "")).error_detail(ErrorDetail::Development);
    let server = server.config(|config| config.dev_hosts = vec!["it".to_owned()]).watched().start();
    let refused = fail_until_refused(&server, "/quarantine_i?trap", 500);
    let page = server.get("/");
    for text in [&refused, &page] {
        let reason = "handler quarantine_i is in quarantine for the clients that have seen it fail: ";
        assert!(text.contains(reason) && text.contains("the last time it wasm trap: "), "{text}");
    }
    assert!(refused.contains("With the option `quarantine = 0` it always is."), "{refused}");
}
