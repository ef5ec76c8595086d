//! What a client gets through middleware: the order of the chain, how it ends, what it sees of each response.
//!
//! The guest `layer` does what the query says under its name.

use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;

use crate::support::Then::{Closes, Lives};
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
        ("body=Hi", HI, Lives),
        ("ask=context:trace&report", traced!("", "13\r\ncontext:trace: abc\n\r\n0\r\n\r\n"), Lives),
    ];
    check(&serve_as("order", ""), GET, &cases);
}

#[test]
fn what_a_middleware_sets_stands_until_another_sets_it() {
    let set = traced!("x-b: 1\r\n", "2\r\nHi\r\n0\r\n\r\n");
    let created = HI.replace("200 OK", "201 Created");
    let cases = [
        ("b=set:x-b=1&body=Hi", set, Lives),
        ("b=status:201&body=Hi", &created, Lives),
        ("b=status:202&status=201&body=Hi", &created, Lives),
        ("a-response=status:201&status=202&body=Hi", &created, Lives),
    ];
    check(&serve_as("sets", ""), GET, &cases);
}

#[test]
fn a_middleware_ends_a_request_as_a_handler_does() {
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    let cases = [
        ("b=body:early&trap", early, Lives),
        ("b=close&trap", "", Closes),
        ("b=close-now&trap", "", Closes),
        ("b=end&trap", traced!("", "0\r\n\r\n"), Lives),
        ("b=write:early&body=late", traced!("", "5\r\nearly\r\n4\r\nlate\r\n0\r\n\r\n"), Lives),
    ];
    check(&serve_as("ends", ""), GET, &cases);
}

#[test]
fn a_middleware_can_leave_the_connection_open() {
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
        ("write=Hi", HI, Lives),
        ("write=H&write=i", traced!("", "1\r\nH\r\n1\r\ni\r\n0\r\n\r\n"), Lives),
        ("end", traced!("", "0\r\n\r\n"), Lives),
        ("write=Hi&close", HI, Closes),
        ("write=Hi&end&close", HI, Lives),
        ("close", "", Closes),
        ("trap", &failed, Lives),
        ("fail=why", &failed, Lives),
        ("set=content-length:1&body=Hi", INTERNAL_SERVER_ERROR, Lives),
        ("write=Hello&trap", traced!("", "5\r\nHello\r\n"), Closes),
        ("status=204&body=Hi", "HTTP/1.1 204 No Content\r\nDate: <date>\r\nx-trace: cba\r\n\r\n", Lives),
    ];
    let server = serve_as("sees", "");
    check(&server, GET, &cases);
    let head = HI.trim_end_matches("2\r\nHi\r\n0\r\n\r\n");
    check(&server, &GET.replace("GET", "HEAD"), &[("body=Hi", head, Lives), ("write=Hi", head, Lives)]);
    let length = |end: &str| HI.replace("Transfer-Encoding: chunked", end).replace("2\r\nHi\r\n0\r\n\r\n", "Hi");
    let (told, untold) = (length("Content-Length: 2\r\nConnection: close"), length("Connection: close"));
    check(&server, &GET.replace("1.1", "1.0"), &[("body=Hi", &told, Closes), ("write=Hi", &untold, Closes)]);
}

#[test]
fn a_response_that_is_left_open_was_seen() {
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
        ("a-response=see&status=201&set=x-h:1&body=Hi", &*seen, Lives),
        ("a-response=length:2&body=Hi", &length, Lives),
        // It contradicts what the handler makes.
        ("a-response=length:3&body=Hi", INTERNAL_SERVER_ERROR, Lives),
        ("a-response=length:1&write=Hi", INTERNAL_SERVER_ERROR, Lives),
        ("b-response=close-now&body=Hi", "", Closes),
        ("b-response=close-now&write=Hi", "", Closes),
    ];
    check(&serve_as("changes", ""), GET, &cases);
}

#[test]
fn a_middleware_that_sees_a_response_cannot_write() {
    let refused = HI.replace("x-trace: cba", "x-trace: cba\r\nx-wrote: closed");
    check(&serve_as("refused", ""), GET, &[("a-response=write:no&body=Hi", &refused, Lives)]);
}

#[test]
fn a_middleware_that_fails_over_a_request_is_answered_500_and_the_handler_is_not_called() {
    let failed = failed("cba");
    let cases = [("b=trap&close", &*failed, Lives), ("b=fail:why&close", &failed, Lives)];
    check(&serve_as("fails_before", ""), GET, &cases);
}

#[test]
fn a_middleware_that_fails_over_a_response_is_answered_500_which_the_outer_ones_see() {
    let cases = [
        ("c-response=trap&body=Hi", &*failed("ba"), Lives),
        ("c-response=fail:why&write=Hi&write=There", &failed("ba"), Lives),
        ("b-response=trap&set=x-h:1&body=Hi", &failed("a"), Lives),
        ("a-response=trap&body=Hi", INTERNAL_SERVER_ERROR, Lives),
        ("a-response=fail:why&trap", INTERNAL_SERVER_ERROR, Lives),
        ("c-response=trap&b-response=trap&a-response=trap&trap", INTERNAL_SERVER_ERROR, Lives),
    ];
    check(&serve_as("fails_after", ""), GET, &cases);
}

#[test]
fn a_failure_is_logged_with_route_middleware_request_and_backtrace() {
    let server = serve_as("tells", "");
    check(&server, GET, &[("c=print:over+here&body=Hi", HI, Lives)]);
    log().wait_for(&["guest", "over here", "in/_tells", "request=1"]);
    check(&server, GET, &[("c=trap", &failed("cba"), Lives), ("c-response=fail:why&body=Hi", &failed("ba"), Lives)]);
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
        ("a=spin", &*late, Lives),
        ("a=sleep", &late, Lives),
        ("spin", &late, Lives),
        ("sleep=3600000", &late, Lives),
        ("b-response=spin&body=Hi", &late_of("x-trace: a\r\n"), Lives),
        ("b-response=sleep&body=Hi", &late_of(""), Lives),
        // The first chunk goes out only after the chain.
        ("b-response=sleep&write=Hi&spin", &late_of(""), Lives),
    ];
    check(&serve_as("in_time", "timeout = 0.1"), GET, &cases);
    // Its own is 0.1 s.
    check(&serve_as("in_own_time", "timeout = 3600"), GET, &[("c=spin", &*late, Lives), ("c=sleep", &late, Lives)]);
}

#[test]
fn a_chain_that_nobody_waits_for_any_more_comes_to_its_end() {
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
fn what_a_middleware_reads_of_the_body_is_gone_for_the_handler() {
    let post = "POST /in?{} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello";
    let cases = [
        ("read", traced!("", "5\r\nHello\r\n0\r\n\r\n"), Lives),
        ("b=read&read", traced!("", "0\r\n\r\n"), Lives),
        ("b=body:early", traced!("", "5\r\nearly\r\n0\r\n\r\n"), Lives),
    ];
    check(&serve_as("reads", ""), post, &cases);
}

#[test]
fn what_is_left_in_the_context_is_bounded() {
    // The trace has 8 bytes with its name, and this name 4.
    let left = |said: &str| HI.replace("x-trace", &format!("x-left: {said}\r\nx-trace"));
    let cases = [
        ("c=leave:65524&body=Hi", &*left("ok"), Lives),
        ("c=leave:65525&body=Hi", &left("too-large"), Lives),
        ("ask=context:absent&report", traced!("", "15\r\ncontext:absent: none\n\r\n0\r\n\r\n"), Lives),
    ];
    check(&serve_as("notes", ""), GET, &cases);
}

#[test]
fn the_host_answers_through_the_chain_where_there_is_a_route() {
    let server = serve_as("host_answers", "methods = ['GET']");
    let allow = "Allow: GET, HEAD, OPTIONS\r\nx-trace: cba\r\n";
    let options = format!("HTTP/1.1 204 No Content\r\nDate: <date>\r\n{allow}\r\n");
    check(&server, &GET.replace("GET", "OPTIONS"), &[("", &options, Lives)]);
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    check(&server, &GET.replace("GET", "OPTIONS"), &[("b=body:early", early, Lives)]);
    let text = "/in does not take POST; it takes GET, HEAD, OPTIONS\n";
    let refused = format!(
        "HTTP/1.1 405 Method Not Allowed\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Allow: GET, HEAD, OPTIONS\r\nVary: Accept\r\nx-trace: cba\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    check(&server, &GET.replace("GET", "POST"), &[("", &refused, Lives)]);
}

#[test]
fn there_is_no_chain_where_there_is_no_route() {
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
fn what_a_middleware_seals_nobody_changes_before_the_response_is_made() {
    let server = serve_as("seals", "");
    let sealed = |report: &str| {
        let body = format!("{:x}\r\n{report}\r\n0\r\n\r\n", report.len());
        traced!("x-a: 1\r\n", "").to_owned() + &body
    };
    let refused = |commands: &str, report: &str| {
        let query = format!("a=seal:x-a=1&{commands}&report");
        check(&server, GET, &[(&query, &*sealed(report), Lives)]);
    };
    refused("set=x-a:2", "set: forbidden\n");
    refused("set=X-A:2", "set: forbidden\n");
    refused("append=x-A:2", "append: forbidden\n");
    refused("remove=x-a", "remove: forbidden\n");
    let cases = [
        // Another name is as free as before.
        ("a=seal:x-a=1&set=x-ab:2&body=Hi", traced!("x-a: 1\r\nx-ab: 2\r\n", "2\r\nHi\r\n0\r\n\r\n"), Lives),
        // What is not there is sealed as such.
        ("a=seal:x-a&set=x-a:2&body=Hi", HI, Lives),
        // The chain changes it still when it sees the response.
        ("a=seal:x-a=1&b-response=set:x-a=3&body=Hi", traced!("x-a: 3\r\n", "2\r\nHi\r\n0\r\n\r\n"), Lives),
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
fn what_is_sealed_in_the_context_is_a_middlewares_word() {
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
