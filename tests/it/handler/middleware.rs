//! What a client gets through middleware: the order of the chain, how it ends, what it sees of each response.
//!
//! The guest `layer` does what the query says under its name.

use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;

use crate::support::Connection::{Close, KeepAlive};
use crate::support::wire::INTERNAL_SERVER_ERROR;
use crate::support::{Client, RoutesDir, TestServer, check, guest, log};

const GET: &str = get!("/in?{}");

/// A chunked response that all of the chain has seen: the fields before the trace, and the body in its chunks.
macro_rules! traced {
    ($fields:literal, $body:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n",
            $fields,
            "x-trace: cba\r\nTransfer-Encoding: chunked\r\n\r\n",
            $body
        )
    };
}

const HI: &str = traced!("", "2\r\nHi\r\n0\r\n\r\n");

/// The guest `script` at `/script` without middleware, and at `/in` behind `a`, `b` and `c`: the outermost is `a`, and
/// `c` is in a file of the test's name.
fn routes(name: &str, options: &str) -> RoutesDir {
    RoutesDir::new()
        .with(guest::SCRIPT)
        .with_as("in/_middleware.wasm", guest::LAYER)
        .with_file("in/_middleware.toml", "name = 'a'")
        .with_as("in/deep/_middleware.wasm", guest::LAYER)
        .with_file("in/deep/_middleware.toml", "name = 'b'")
        .with_as(&format!("in/_{name}.wasm"), guest::LAYER)
        .with_file(&format!("in/_{name}.toml"), "name = 'c'\ntimeout = 0.1")
        .with_as(&format!("in/deep/{name}.wasm"), guest::SCRIPT)
        .with_file(&format!("in/deep/{name}.toml"), &format!("path = '/in'\nmiddleware = ['{name}']\n{options}"))
}

#[track_caller]
fn serve_as(name: &str, options: &str) -> TestServer {
    let server = TestServer::start(routes(name, options));
    assert_eq!(server.diagnostics(), []);
    server
}

/// The answer to a failure, with a trace.
fn failed(trace: &str) -> String {
    INTERNAL_SERVER_ERROR.replace("Content-Length", &format!("x-trace: {trace}\r\nContent-Length"))
}

#[test]
fn requests_pass_from_the_root_inwards_and_responses_back() {
    let cases = [
        ("body=Hi", HI, KeepAlive),
        ("ask=context:trace&report", traced!("", "13\r\ncontext:trace: abc\n\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&serve_as("order", ""), GET, &cases);
}

#[test]
fn what_a_middleware_sets_stands_until_another_sets_it() {
    let set = traced!("x-b: 1\r\n", "2\r\nHi\r\n0\r\n\r\n");
    let created = HI.replace("200 OK", "201 Created");
    let cases = [
        ("b=set:x-b=1&body=Hi", set, KeepAlive),
        ("b=status:201&body=Hi", &created, KeepAlive),
        ("b=status:202&status=201&body=Hi", &created, KeepAlive),
        ("a-response=status:201&status=202&body=Hi", &created, KeepAlive),
    ];
    check(&serve_as("sets", ""), GET, &cases);
}

#[test]
fn a_middleware_ends_a_request_as_a_handler_does() {
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    let cases = [
        ("b=body:early&trap", early, KeepAlive),
        ("b=close&trap", "", Close),
        ("b=close-now&trap", "", Close),
        ("b=end&trap", traced!("", "0\r\n\r\n"), KeepAlive),
        ("b=write:early&body=late", traced!("", "5\r\nearly\r\n4\r\nlate\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&serve_as("ends", ""), GET, &cases);
}

#[test]
fn a_middleware_can_park_the_response() {
    let server = serve_as("leaves_open", "");
    let mut client = server.connect();
    client.send(GET.replace("{}", "b=manual&trap"));
    log().wait_for(&["handler in/deep/leaves_open has exited with the connection possibly left open"]);
    client.half_close();
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn every_response_that_has_a_head_is_seen_once() {
    let failed = failed("cba");
    let cases = [
        ("write=Hi", HI, KeepAlive),
        ("write=H&write=i", traced!("", "1\r\nH\r\n1\r\ni\r\n0\r\n\r\n"), KeepAlive),
        ("end", traced!("", "0\r\n\r\n"), KeepAlive),
        ("write=Hi&close", HI, Close),
        ("write=Hi&end&close", HI, KeepAlive),
        ("close", "", Close),
        ("trap", &failed, KeepAlive),
        ("fail=why", &failed, KeepAlive),
        ("set=content-length:1&body=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("write=Hello&trap", traced!("", "5\r\nHello\r\n"), Close),
        ("status=204&body=Hi", "HTTP/1.1 204 No Content\r\nDate: <date>\r\nx-trace: cba\r\n\r\n", KeepAlive),
    ];
    let server = serve_as("sees", "");
    check(&server, GET, &cases);
    let head = HI.trim_end_matches("2\r\nHi\r\n0\r\n\r\n");
    check(&server, &GET.replace("GET", "HEAD"), &[("body=Hi", head, KeepAlive), ("write=Hi", head, KeepAlive)]);
    let length = |end: &str| HI.replace("Transfer-Encoding: chunked", end).replace("2\r\nHi\r\n0\r\n\r\n", "Hi");
    let (told, untold) = (length("Content-Length: 2\r\nConnection: close"), length("Connection: close"));
    check(&server, &GET.replace("1.1", "1.0"), &[("body=Hi", &told, Close), ("write=Hi", &untold, Close)]);
}

#[test]
fn middleware_has_seen_a_parked_response() {
    let server = serve_as("seen_open", "");
    let mut client = server.connect();
    client.send(GET.replace("{}", "write=Hi&manual"));
    client.expect(HI.trim_end_matches("0\r\n\r\n"));
}

#[test]
fn a_middleware_sees_and_changes_what_will_go_out() {
    let seen = HI
        .replace("200 OK", "201 Created")
        .replace("x-trace", "x-h: 1\r\nx-trace")
        .replace("Transfer", "x-seen: 201 content-type=text/html; charset=utf-8 x-h=1 x-trace=cba\r\nTransfer");
    let length = HI.replace("Transfer-Encoding: chunked", "Content-Length: 2").replace("2\r\nHi\r\n0\r\n\r\n", "Hi");
    let cases = [
        ("a-response=see&status=201&set=x-h:1&body=Hi", &*seen, KeepAlive),
        ("a-response=length:2&body=Hi", &length, KeepAlive),
        // It contradicts what the handler makes.
        ("a-response=length:3&body=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("a-response=length:1&write=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("b-response=close-now&body=Hi", "", Close),
        ("b-response=close-now&write=Hi", "", Close),
    ];
    check(&serve_as("changes", ""), GET, &cases);
}

#[test]
fn a_middleware_that_sees_a_response_cannot_write() {
    let refused = HI.replace("x-trace: cba", "x-trace: cba\r\nx-wrote: closed");
    check(&serve_as("refused", ""), GET, &[("a-response=write:no&body=Hi", &refused, KeepAlive)]);
}

#[test]
fn a_middleware_that_fails_over_a_request_is_answered_500_and_the_handler_is_not_called() {
    let failed = failed("cba");
    let cases = [("b=trap&close", &*failed, KeepAlive), ("b=fail:why&close", &failed, KeepAlive)];
    check(&serve_as("fails_before", ""), GET, &cases);
}

#[test]
fn a_middleware_that_fails_over_a_response_is_answered_500_which_the_outer_ones_see() {
    let cases = [
        ("c-response=trap&body=Hi", &*failed("ba"), KeepAlive),
        ("c-response=fail:why&write=Hi&write=There", &failed("ba"), KeepAlive),
        ("b-response=trap&set=x-h:1&body=Hi", &failed("a"), KeepAlive),
        ("a-response=trap&body=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("a-response=fail:why&trap", INTERNAL_SERVER_ERROR, KeepAlive),
        ("c-response=trap&b-response=trap&a-response=trap&trap", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    check(&serve_as("fails_after", ""), GET, &cases);
}

#[test]
fn a_failure_is_logged_with_route_middleware_request_and_backtrace() {
    let server = serve_as("tells", "");
    check(&server, GET, &[("c=print:over+here&body=Hi", HI, KeepAlive)]);
    log().wait_for(&["guest", "over here", "in/_tells", "request=1"]);
    check(
        &server,
        GET,
        &[("c=trap", &failed("cba"), KeepAlive), ("c-response=fail:why&body=Hi", &failed("ba"), KeepAlive)],
    );
    let line = log().wait_for(&["ERROR", "middleware in/_tells of in/deep/tells", "request=3"]);
    for part in ["route=\"in/deep/tells\"", "middleware=in/_tells", "unreachable", "wasm backtrace"] {
        assert!(line.contains(part), "{part:?} is in {line}");
    }
    log().wait_for(&["ERROR", "middleware in/_tells of in/deep/tells failed: why", "request=5"]);
}

#[test]
fn the_time_of_the_route_is_that_of_all_the_chain() {
    let late = failed("cba").replace("500 Internal Server Error", "504 Gateway Timeout");
    let late =
        late.replace("Content-Length: 22", "Content-Length: 16").replace("Internal Server Error", "Gateway Timeout");
    let late_of = |trace: &str| late.replace("x-trace: cba\r\n", trace);
    let cases = [
        ("a=spin", &*late, KeepAlive),
        ("a=sleep", &late, KeepAlive),
        ("spin", &late, KeepAlive),
        ("sleep=3600000", &late, KeepAlive),
        ("b-response=spin&body=Hi", &late_of("x-trace: a\r\n"), KeepAlive),
        ("b-response=sleep&body=Hi", &late_of(""), KeepAlive),
        // The first chunk goes out only after the chain.
        ("b-response=sleep&write=Hi&spin", &late_of(""), KeepAlive),
    ];
    check(&serve_as("in_time", "timeout = 0.1"), GET, &cases);
    // Its own is 0.1 s.
    check(
        &serve_as("in_own_time", "timeout = 3600"),
        GET,
        &[("c=spin", &*late, KeepAlive), ("c=sleep", &late, KeepAlive)],
    );
}

#[test]
fn a_chain_whose_client_has_disconnected_ends() {
    let server = TestServer::builder(routes("gone", "timeout = 3600\nconcurrency = 1"));
    let server = server.timeouts(|timeouts| timeouts.grace = Duration::from_millis(10)).start();
    for commands in
        ["a=sleep", "a-response=sleep&body=Hi", "a-response=sleep&write=Hi&sleep=3600000", "a-response=spin"]
    {
        let socket = TcpStream::connect(server.address()).expect("the server accepts");
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
        Client::over(socket).send(GET.replace("{}", commands));
        server.wait_for("/in?body=Hi", "200");
    }
}

#[test]
fn the_handler_does_not_see_the_body_that_middleware_has_read() {
    let post = "POST /in?{} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello";
    let cases = [
        ("read", traced!("", "5\r\nHello\r\n0\r\n\r\n"), KeepAlive),
        ("b=read&read", traced!("", "0\r\n\r\n"), KeepAlive),
        ("b=body:early", traced!("", "5\r\nearly\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&serve_as("reads", ""), post, &cases);
}

#[test]
fn what_is_left_in_the_context_is_bounded() {
    // The trace has 8 bytes with its name, and this name 4.
    let left = |said: &str| HI.replace("x-trace", &format!("x-left: {said}\r\nx-trace"));
    let cases = [
        ("c=leave:65524&body=Hi", &*left("ok"), KeepAlive),
        ("c=leave:65525&body=Hi", &left("too-large"), KeepAlive),
        ("ask=context:absent&report", traced!("", "15\r\ncontext:absent: none\n\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&serve_as("notes", ""), GET, &cases);
}

#[test]
fn the_host_answers_through_the_chain_of_a_route() {
    let server = serve_as("host_answers", "methods = ['GET']");
    let allow = "Allow: GET, HEAD, OPTIONS\r\nx-trace: cba\r\n";
    let options = format!("HTTP/1.1 204 No Content\r\nDate: <date>\r\n{allow}\r\n");
    check(&server, &GET.replace("GET", "OPTIONS"), &[("", &options, KeepAlive)]);
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    check(&server, &GET.replace("GET", "OPTIONS"), &[("b=body:early", early, KeepAlive)]);
    let text = "POST is not allowed for /in (allowed: GET, HEAD, OPTIONS)\n";
    let refused = format!(
        "HTTP/1.1 405 Method Not Allowed\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Allow: GET, HEAD, OPTIONS\r\nVary: Accept\r\nx-trace: cba\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    check(&server, &GET.replace("GET", "POST"), &[("", &refused, KeepAlive)]);
}

#[test]
fn without_a_route_there_is_no_chain() {
    let server = serve_as("no_route", "max_body = 1");
    let absent = server.get("/in/deep/absent");
    assert!(absent.starts_with("HTTP/1.1 404 ") && !absent.contains("x-trace"), "{absent}");
    let post = "POST /in HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 2\r\n\r\nHi";
    let large = server.exchange(post);
    assert!(large.starts_with("HTTP/1.1 413 ") && !large.contains("x-trace"), "{large}");
    let beside = server.get("/script?body=Hi");
    assert!(beside.starts_with(ok_chunked_close!("2\r\nHi\r\n")), "{beside}");
}

#[test]
fn a_sealed_context_value_cannot_be_changed() {
    let server = serve_as("seals", "");
    let sealed = |report: &str| {
        let body = format!("{:x}\r\n{report}\r\n0\r\n\r\n", report.len());
        traced!("x-a: 1\r\n", "").to_owned() + &body
    };
    let refused = |commands: &str, report: &str| {
        let query = format!("a=seal:x-a=1&{commands}&report");
        check(&server, GET, &[(&query, &*sealed(report), KeepAlive)]);
    };
    refused("set=x-a:2", "set: forbidden\n");
    refused("set=X-A:2", "set: forbidden\n");
    refused("append=x-A:2", "append: forbidden\n");
    refused("remove=x-a", "remove: forbidden\n");
    let cases = [
        // Another name is as free as before.
        ("a=seal:x-a=1&set=x-ab:2&body=Hi", traced!("x-a: 1\r\nx-ab: 2\r\n", "2\r\nHi\r\n0\r\n\r\n"), KeepAlive),
        // What is not there is sealed as such.
        ("a=seal:x-a&set=x-a:2&body=Hi", HI, KeepAlive),
        // The chain changes it still when it sees the response.
        ("a=seal:x-a=1&b-response=set:x-a=3&body=Hi", traced!("x-a: 3\r\n", "2\r\nHi\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&server, GET, &cases);
    // It stands where a later middleware fails of it, and where the handler fails in order to lose it.
    let lost = |query: &str| {
        let answer = server.get(&format!("/in?{query}"));
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("\r\nx-a: 1\r\n"), "{query}: {answer}");
        assert!(!answer.contains("x-b"), "{query}: {answer}");
    };
    lost("a=seal:x-a=1&b=set:x-a=2");
    lost("a=seal:x-a=1&set=x-b:1&trap");
    lost("a=seal:x-a=1&set=x-b:1&fail=why");
    lost("a=seal:x-a=1&set=x-b:1&set=content-length:9&body=short");
    // What describes the handler's body is not true of the host's.
    for name in ["content-type", "content-length", "content-encoding"] {
        let value = if name == "content-length" { "9" } else { "x/y" };
        let answer = server.get(&format!("/in?a=seal:{name}={value}&trap"));
        assert!(answer.ends_with("Content-Length: 22\r\nConnection: close\r\n\r\nInternal Server Error\n"), "{answer}");
        assert!(!answer.contains("x/y"), "{answer}");
    }
}

#[test]
fn only_the_value_that_middleware_sealed_is_reported_as_sealed() {
    let server = serve_as("vouches", "");
    let says = |query: &str, sealed: &str, report: &str| {
        let answer = server.get(&format!("/in?{query}&c-response=sealed:user&report"));
        assert!(answer.contains(&format!("\r\nx-sealed: {sealed}\r\n")), "{query}: {answer}");
        assert!(answer.contains(&format!("\r\n{report}\r\n0\r\n")), "{query}: {answer}");
    };
    says("a=vouch:user=Ada&leave=user:Eve&ask=context:user", "Ada", "leave: forbidden\ncontext:user: Ada\n");
    // Sealed without bytes, nobody leaves any.
    says("a=vouch:user&leave=user:Eve&ask=context:user", "nothing", "leave: forbidden\ncontext:user: none\n");
    // What the handler leaves is for its own eyes.
    says("leave=user:Eve&ask=context:user", "nothing", "leave: ok\ncontext:user: Eve\n");
}

#[test]
fn only_a_middleware_that_sees_a_request_seals() {
    let server = serve_as("sealers", "");
    for path in ["/in", "/script"] {
        let answer = server.get(&format!("{path}?seal=x-a&set=x-a:1&report"));
        assert!(answer.contains("\r\nx-a: 1\r\n") && answer.contains("seal: forbidden\nset: ok\n"), "{answer}");
    }
    let answer = server.get("/in?a-response=try-seal&body=Hi");
    assert!(answer.contains("\r\nx-tried: forbidden forbidden\r\n"), "{answer}");
}
