//! What a client gets of a handler that traps, gives up or passes its deadline, and what the log says of it.

use crate::support::Connection::{Close, KeepAlive, Reset};
use crate::support::wire::{CONTENT_TOO_LARGE_CLOSE, GATEWAY_TIMEOUT, INTERNAL_SERVER_ERROR, SCRIPT_HELLO};
use crate::support::{RoutesDir, TestServer, check, guest, log};

const GET: &str = get!("/script?{}");
const GET_OTHER: &str = get!("/other?{}");

/// The guest `script` as it is at `/script`, and at `/other` with more options and under a name of its own.
fn serve_as(name: &str, options: &str) -> TestServer {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as(&format!("{name}.wasm"), guest::SCRIPT);
    TestServer::start(routes.with_file(&format!("{name}.toml"), &format!("path = \"/other\"\n{options}")))
}

#[test]
fn a_trap_before_the_head_answers_500_and_the_connection_lives() {
    let cases = [
        ("trap", INTERNAL_SERVER_ERROR, KeepAlive),
        ("panic=why", INTERNAL_SERVER_ERROR, KeepAlive),
        ("status=201&set=x-a:1&set=content-length:5&trap", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    let server = serve_as("traps_before", "chunked = false");
    check(&server, GET, &cases);
    check(&server, GET_OTHER, &cases);
    let head_only = INTERNAL_SERVER_ERROR.trim_end_matches("Internal Server Error\n");
    check(&server, &GET.replace("GET", "HEAD"), &[("trap", head_only, KeepAlive)]);
}

#[test]
fn a_trap_after_the_head_truncates_the_body_visibly() {
    let cases = [
        ("write=Hello&trap", ok_chunked!("5\r\nHello\r\n"), Close),
        ("set=content-length:9&write=Hello&trap", ok!("Content-Length: 9\r\n", "Hello"), Close),
        ("write=Hello&end&trap", SCRIPT_HELLO, KeepAlive),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn a_trap_in_a_body_that_ends_with_the_connection_resets_it() {
    let server = serve_as("trap_resets", "chunked = false");
    check(&server, GET_OTHER, &[("write=Hello&trap", ok!("Connection: close\r\n", "Hello"), Reset)]);
}

#[test]
fn a_trap_is_logged_once_with_route_request_and_backtrace() {
    let server = serve_as("trap_is_logged", "");
    check(&server, GET_OTHER, &[("panic=this+is+why", INTERNAL_SERVER_ERROR, KeepAlive)]);
    log().wait_for(&["guest", "trap_is_logged", "request=1", "stderr", "this is why"]);
    let line = log().wait_for(&["ERROR", "handler trap_is_logged"]);
    for part in ["route=\"trap_is_logged\"", "request=1", "unreachable", "wasm backtrace", "panic_with_hook"] {
        assert!(line.contains(part), "{part:?} is in {line}");
    }
    assert_eq!(log().with(&["ERROR", "trap_is_logged"]).len(), 1);
}

#[test]
fn a_handler_that_fails_before_the_head_is_answered_500_whatever_it_set_and_returns() {
    let cases = [
        ("fail=why", INTERNAL_SERVER_ERROR, KeepAlive),
        ("status=201&set=x-a:1&set=content-length:5&fail=why", INTERNAL_SERVER_ERROR, KeepAlive),
        ("fail=why&body=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("fail=why&close", INTERNAL_SERVER_ERROR, KeepAlive),
        ("fail=why&manual", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    let server = serve_as("gives_up_before", "chunked = false");
    check(&server, GET, &cases);
    check(&server, GET_OTHER, &cases);
    let head_only = INTERNAL_SERVER_ERROR.trim_end_matches("Internal Server Error\n");
    check(&server, &GET.replace("GET", "HEAD"), &[("fail=why", head_only, KeepAlive)]);
}

#[test]
fn a_handler_that_fails_after_the_head_leaves_a_truncated_body() {
    let cases = [
        ("write=Hello&fail=why", ok_chunked!("5\r\nHello\r\n"), Close),
        ("write=Hello&fail=why&body=Hi", ok_chunked!("5\r\nHello\r\n"), Close),
        ("write=Hello&fail=why&manual", ok_chunked!("5\r\nHello\r\n"), Close),
        ("set=content-length:9&write=Hello&fail=why", ok!("Content-Length: 9\r\n", "Hello"), Close),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
    let server = serve_as("gives_up_after", "chunked = false");
    check(&server, GET_OTHER, &[("write=Hello&fail=why", ok!("Connection: close\r\n", "Hello"), Reset)]);
}

#[test]
fn a_handler_that_fails_after_the_end_leaves_the_response_complete_and_is_logged() {
    let whole = SCRIPT_HELLO;
    let server = serve_as("gives_up_late", "");
    check(&server, GET_OTHER, &[("write=Hello&end&fail=why", whole, KeepAlive)]);
    log().wait_for(&["ERROR", "handler gives_up_late failed: why", "request=1"]);
}

#[test]
fn a_failure_is_logged_once_in_a_bounded_line_with_route_and_request() {
    let server = serve_as("says_why", "");
    let long = "x".repeat(2049);
    check(
        &server,
        GET_OTHER,
        &[
            ("fail=a%0A2000-01-01+ERROR+forged%1B%5B2J&fail=second", INTERNAL_SERVER_ERROR, KeepAlive),
            (&format!("fail={long}"), INTERNAL_SERVER_ERROR, KeepAlive),
        ],
    );
    let route = "route=\"says_why\" request=";
    let line = log().wait_for(&["ERROR", &format!("{route}1\n")]);
    assert!(line.contains(r"handler says_why failed: a\n2000-01-01 ERROR forged\u{1b}[2J "), "{line}");
    let line = log().wait_for(&["ERROR", &format!("{route}3\n")]);
    assert!(line.contains(&format!("handler says_why failed: {}... ", &long[1..])), "{line}");
    assert_eq!(log().with(&["says_why failed"]).len(), 2);
}

#[test]
fn calls_to_a_response_that_has_failed_are_refused() {
    let server = serve_as("calls_on", "");
    let calls = "fail=why&status=201&set=a:b&append=a:b&remove=a&write=Hi&end&close-now&fail=why&log";
    check(&server, GET_OTHER, &[(calls, INTERNAL_SERVER_ERROR, KeepAlive)]);
    let refused = ["status", "set", "append", "remove", "write", "end"].map(|call| format!("{call}: closed"));
    for said in refused.iter().map(String::as_str).chain(["close-now: ok", "fail: ok"]) {
        log().wait_for(&[&format!("INFO guest: {said} "), "route=\"calls_on\" request=1 "]);
    }
}

#[test]
fn a_handler_that_fails_for_a_broken_body_is_answered_with_the_status_of_the_body() {
    let server = serve_as("no_body", "max_body = 4");
    let mut client = server.connect();
    client.send(
        "POST /other?read&fail=why HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    );
    // So the handler runs, and waits for the body.
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("5\r\nHello\r\n0\r\n\r\n");
    assert_eq!(client.read_to_end(), CONTENT_TOO_LARGE_CLOSE);
    log().wait_for(&["INFO", "handler no_body did not get its whole request: the body is larger than max_body"]);
    assert_eq!(log().with(&["ERROR", "no_body"]), [""; 0]);
}

#[test]
fn a_handler_that_passes_its_deadline_is_answered_504_or_truncated() {
    let cases = [
        ("spin", GATEWAY_TIMEOUT, KeepAlive),
        ("sleep=3600000", GATEWAY_TIMEOUT, KeepAlive),
        ("status=201&spin", GATEWAY_TIMEOUT, KeepAlive),
        ("write=Hello&spin", ok_chunked!("5\r\nHello\r\n"), Close),
        ("write=Hello&sleep=3600000", ok_chunked!("5\r\nHello\r\n"), Close),
        ("write=Hello&end&spin", SCRIPT_HELLO, KeepAlive),
    ];
    check(&serve_as("deadline", "timeout = 0.1"), GET_OTHER, &cases);
    let server = serve_as("deadline_resets", "timeout = 0.1\nchunked = false");
    check(&server, GET_OTHER, &[("write=Hello&spin", ok!("Connection: close\r\n", "Hello"), Reset)]);
}

#[test]
fn a_passed_deadline_is_logged_with_where_the_handler_was() {
    let server = serve_as("deadline_is_logged", "timeout = 0.1");
    check(&server, GET_OTHER, &[("spin", GATEWAY_TIMEOUT, KeepAlive), ("sleep=3600000", GATEWAY_TIMEOUT, KeepAlive)]);
    let spun = log().wait_for(&["ERROR", "handler deadline_is_logged passed its timeout", "request=1"]);
    assert!(spun.contains("wasm backtrace"), "{spun}");
    let slept = log().wait_for(&["ERROR", "handler deadline_is_logged passed its timeout", "request=3"]);
    assert!(slept.contains("waiting in a call to the host"), "{slept}");
}

#[test]
fn a_write_is_sent_before_its_busy_handler_ends() {
    let server = serve_as("busy", "timeout = 60");
    let mut client = server.connect();
    client.send(GET_OTHER.replace("{}", "write=Hello&spin"));
    client.expect(ok_chunked!("5\r\nHello\r\n"));
}

#[test]
fn a_busy_handler_does_not_hold_up_the_other_requests_of_its_worker() {
    let server = serve_as("busy_among_others", "timeout = 60");
    let mut busy = server.connect();
    busy.send(GET_OTHER.replace("{}", "write=Hello&spin"));
    busy.expect(ok_chunked!("5\r\nHello\r\n"));
    check(&server, GET, &[("body=Hi", ok_chunked!("2\r\nHi\r\n0\r\n\r\n"), KeepAlive)]);
}
