//! What a client gets through middleware: the order of the chain, how it ends, what it sees of each response.
//!
//! The guest `layer` does what the query says under its name. Behind it is a handler of each world, as far as a test is about
//! what handlers of all worlds can do.

use std::net::TcpStream;
use std::time::Duration;

use artifacts::Guest;
use socket2::SockRef;

use crate::support::Connection::{Close, KeepAlive};
use crate::support::wire::INTERNAL_SERVER_ERROR;
use crate::support::{Case, RoutesDir, TestServer, check, guest, log};

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

/// The handler behind the chain.
#[derive(Debug, Clone, Copy)]
struct Handler {
    /// Its world, as it is in the names of routes.
    world: &'static str,
    script: Guest,
}

/// Of the host's own world.
const OWN: Handler = Handler { world: "own", script: guest::SCRIPT };

/// One of each world.
const HANDLERS: [Handler; 3] = [
    OWN,
    Handler { world: "wasi02", script: guest::WASI_SCRIPT },
    Handler { world: "wasi03", script: guest::WASI_SCRIPT_P3 },
];

impl Handler {
    fn is_own(self) -> bool {
        self.world == OWN.world
    }

    /// The guest `script` at `/script` without middleware, and the handler at `/in` behind `a`, `b` and `c`: the outermost is
    /// `a`, and `c` is in a file of the route's name.
    fn routes(self, name: &str, options: &str) -> RoutesDir {
        let name = self.route(name);
        RoutesDir::new()
            .with(guest::SCRIPT)
            .with_as("in/_middleware.wasm", guest::LAYER)
            .with_file("in/_middleware.toml", "name = 'a'")
            .with_as("in/deep/_middleware.wasm", guest::LAYER)
            .with_file("in/deep/_middleware.toml", "name = 'b'")
            .with_as(&format!("in/_{name}.wasm"), guest::LAYER)
            .with_file(&format!("in/_{name}.toml"), "name = 'c'\ntimeout = 0.1")
            .with_as(&format!("in/deep/{name}.wasm"), self.script)
            .with_file(&format!("in/deep/{name}.toml"), &format!("path = '/in'\nmiddleware = ['{name}']\n{options}"))
    }

    #[track_caller]
    fn serve(self, name: &str, options: &str) -> TestServer {
        let server = TestServer::start(self.routes(name, options));
        assert_eq!(server.diagnostics(), [], "{self:?}");
        server
    }

    /// What the files of the route `name` are called.
    fn route(self, name: &str) -> String {
        format!("{name}_{}", self.world)
    }

    /// Commands of the guest `script` as steps of this one.
    fn steps(self, commands: &str) -> String {
        if self.is_own() {
            return commands.to_owned();
        }
        let (mut steps, mut fields, mut is_set, mut is_finished) = (Vec::new(), 0, false, false);
        for command in commands.split('&') {
            let (name, argument) = command.split_once('=').unwrap_or((command, ""));
            if matches!(name, "body" | "write" | "end" | "read") && !std::mem::replace(&mut is_set, true) {
                steps.push("set".to_owned());
            }
            match name {
                "body" | "write" => steps.push(format!("write={argument}")),
                "read" => steps.push("echo".to_owned()),
                // The fields of a response come before its status.
                "set" => {
                    steps.insert(fields, format!("append={argument}"));
                    fields += 1;
                }
                "fail" => steps.push("set-error=internal-error".to_owned()),
                "end" => {}
                _ => steps.push(command.to_owned()),
            }
            if matches!(name, "body" | "end") && !std::mem::replace(&mut is_finished, true) {
                steps.push("finish".to_owned());
            }
        }
        // A handler of the own world that returns has ended its response.
        if is_set && !is_finished {
            steps.push("finish".to_owned());
        }
        steps.join("&")
    }

    /// A response of the guest `script` as this one makes it: only the own world has a usual type.
    fn response(self, response: &str) -> String {
        let usual = if self.is_own() { "" } else { "Content-Type: text/html; charset=utf-8\r\n" };
        response.replace(usual, "")
    }

    /// Sends the commands of each case as steps of this handler: see [`check`].
    #[track_caller]
    fn check(self, server: &TestServer, request: &str, cases: &[Case]) {
        println!("{self:?}");
        for (commands, response, then) in cases {
            check(server, request, &[(&*self.steps(commands), &*self.response(response), *then)]);
        }
    }
}

/// The answer to a failure, with a trace.
fn failed(trace: &str) -> String {
    INTERNAL_SERVER_ERROR.replace("Content-Length", &format!("x-trace: {trace}\r\nContent-Length"))
}

#[test]
fn requests_pass_from_the_root_inwards_and_responses_back() {
    for handler in HANDLERS {
        handler.check(&handler.serve("order", ""), GET, &[("body=Hi", HI, KeepAlive)]);
    }
    let seen = traced!("", "13\r\ncontext:trace: abc\n\r\n0\r\n\r\n");
    check(&OWN.serve("order", ""), GET, &[("ask=context:trace&report", seen, KeepAlive)]);
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
    for handler in HANDLERS {
        handler.check(&handler.serve("sets", ""), GET, &cases);
    }
}

#[test]
fn a_middleware_ends_a_request_as_a_handler_does() {
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    let cases = [
        ("b=body:early&trap", early, KeepAlive),
        ("b=close&trap", "", Close),
        ("b=close-now&trap", "", Close),
        ("b=end&trap", traced!("", "0\r\n\r\n"), KeepAlive),
    ];
    let both = traced!("", "5\r\nearly\r\n4\r\nlate\r\n0\r\n\r\n");
    let long = format!("b=write:early&{}", ["write=late"; 3].join("&"));
    let more = traced!("", "5\r\nearly\r\n4\r\nlate\r\n4\r\nlate\r\n4\r\nlate\r\n0\r\n\r\n");
    let headless = "b=write:early&status=201&set=x-h:1&body=late";
    for handler in HANDLERS {
        // Where a middleware has answered, the type is that of its own response.
        let server = handler.serve("ends", "");
        check(&server, GET, &cases);
        for (commands, response) in [("b=write:early&body=late", both), (&long, more), (headless, both)] {
            check(&server, GET, &[(&handler.steps(commands), response, KeepAlive)]);
        }
    }
}

#[test]
fn a_middleware_can_park_the_response() {
    for handler in HANDLERS {
        let server = handler.serve("leaves_open", "");
        let mut client = server.connect();
        client.send(GET.replace("{}", "b=manual&trap"));
        let route = format!("in/deep/{}", handler.route("leaves_open"));
        log().wait_for(&[&format!("handler {route} has exited with the connection possibly left open")]);
        client.half_close();
        assert_eq!(client.read_to_end(), "", "{handler:?}");
    }
}

#[test]
fn every_response_that_has_a_head_is_seen_once() {
    let failed = failed("cba");
    let cases = [
        ("write=Hi", HI, KeepAlive),
        ("write=H&write=i", traced!("", "1\r\nH\r\n1\r\ni\r\n0\r\n\r\n"), KeepAlive),
        ("end", traced!("", "0\r\n\r\n"), KeepAlive),
        ("trap", &failed, KeepAlive),
        ("fail=why", &failed, KeepAlive),
        ("status=204&body=Hi", "HTTP/1.1 204 No Content\r\nDate: <date>\r\nx-trace: cba\r\n\r\n", KeepAlive),
    ];
    let head = HI.trim_end_matches("2\r\nHi\r\n0\r\n\r\n");
    let of_head = [("body=Hi", head, KeepAlive), ("write=Hi", head, KeepAlive)];
    let length = |end: &str| HI.replace("Transfer-Encoding: chunked", end).replace("2\r\nHi\r\n0\r\n\r\n", "Hi");
    let (told, untold) = (length("Content-Length: 2\r\nConnection: close"), length("Connection: close"));
    for handler in HANDLERS {
        let server = handler.serve("sees", "");
        handler.check(&server, GET, &cases);
        // In 0.3 a guest may write before the chain has seen the head, so that nothing is sent before it traps.
        let early = handler.world == "wasi03";
        let cut = if early { (&*failed, KeepAlive) } else { (traced!("", "5\r\nHello\r\n"), Close) };
        handler.check(&server, GET, &[("write=Hello&trap", cut.0, cut.1)]);
        handler.check(&server, &GET.replace("GET", "HEAD"), &of_head);
        handler.check(&server, &GET.replace("1.1", "1.0"), &[("write=Hi", &untold, Close)]);
    }
    // A write past the length fails before the chain sees a head; a body that is returned contradicts it after that.
    for handler in HANDLERS {
        let response = if handler.is_own() { INTERNAL_SERVER_ERROR } else { &failed };
        let cases = [("set=content-length:1&body=Hi", response, KeepAlive)];
        handler.check(&handler.serve("sees_length", ""), GET, &cases);
    }
    // A handler of wasi:http returns no body, and cannot close a connection.
    let server = OWN.serve("sees", "");
    check(&server, &GET.replace("1.1", "1.0"), &[("body=Hi", &told, Close)]);
    let cases = [("write=Hi&close", HI, Close), ("write=Hi&end&close", HI, KeepAlive), ("close", "", Close)];
    check(&server, GET, &cases);
}

#[test]
fn middleware_has_seen_a_parked_response() {
    let server = OWN.serve("seen_open", "");
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
        ("a-response=length:1&write=Hi", INTERNAL_SERVER_ERROR, KeepAlive),
        ("b-response=close-now&body=Hi", "", Close),
        ("b-response=close-now&write=Hi", "", Close),
    ];
    for handler in HANDLERS {
        let server = handler.serve("changes", "");
        handler.check(&server, GET, &cases[1..]);
        let (commands, response, then) = cases[0];
        let usual = if handler.is_own() { "" } else { " content-type=text/html; charset=utf-8" };
        handler.check(&server, GET, &[(commands, &response.replace(usual, ""), then)]);
    }
    let cases = [("a-response=length:3&body=Hi", INTERNAL_SERVER_ERROR, KeepAlive)];
    check(&OWN.serve("changes", ""), GET, &cases);
}

#[test]
fn a_middleware_that_sees_a_response_cannot_write() {
    let refused = HI.replace("x-trace: cba", "x-trace: cba\r\nx-wrote: closed");
    for handler in HANDLERS {
        handler.check(&handler.serve("refused", ""), GET, &[("a-response=write:no&body=Hi", &refused, KeepAlive)]);
    }
}

#[test]
fn a_middleware_that_fails_over_a_request_is_answered_500_and_the_handler_is_not_called() {
    let failed = failed("cba");
    let cases = [("b=trap&close", &*failed, KeepAlive), ("b=fail:why&close", &failed, KeepAlive)];
    for handler in HANDLERS {
        handler.check(&handler.serve("fails_before", ""), GET, &cases);
    }
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
    for handler in HANDLERS {
        handler.check(&handler.serve("fails_after", ""), GET, &cases);
    }
}

#[test]
fn a_failure_is_logged_with_route_middleware_request_and_backtrace() {
    for handler in HANDLERS {
        let server = handler.serve("tells", "");
        let tells = handler.route("tells");
        handler.check(&server, GET, &[("c=print:over+here&body=Hi", HI, KeepAlive)]);
        log().wait_for(&["guest", "over here", &format!("in/_{tells}"), "request=1"]);
        let cases = [("c=trap", &*failed("cba"), KeepAlive), ("c-response=fail:why&body=Hi", &failed("ba"), KeepAlive)];
        handler.check(&server, GET, &cases);
        let middleware = format!("middleware in/_{tells} of in/deep/{tells}");
        let line = log().wait_for(&["ERROR", &middleware, "request=3"]);
        let (route, name) = (format!("route=\"in/deep/{tells}\""), format!("middleware=in/_{tells}"));
        for part in [&*route, &name, "unreachable", "wasm backtrace"] {
            assert!(line.contains(part), "{part:?} is in {line}");
        }
        log().wait_for(&["ERROR", &format!("{middleware} failed: why"), "request=5"]);
    }
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
    // Its own is 0.1 s.
    let own_cases = [("c=spin", &*late, KeepAlive), ("c=sleep", &late, KeepAlive)];
    for handler in HANDLERS {
        handler.check(&handler.serve("in_time", "timeout = 0.1"), GET, &cases);
        handler.check(&handler.serve("in_own_time", "timeout = 3600"), GET, &own_cases);
    }
}

#[test]
fn a_chain_whose_client_has_disconnected_ends() {
    for handler in HANDLERS {
        let server = TestServer::builder(handler.routes("gone", "timeout = 3600\nconcurrency = 1"));
        let server = server.timeouts(|timeouts| timeouts.grace = Duration::from_millis(10)).start();
        for commands in [
            "a=sleep",
            "a-response=sleep&body=Hi",
            "a-response=sleep&write=Hi&sleep=3600000",
            "a-response=spin&body=Hi",
        ] {
            let socket = TcpStream::connect(server.address()).expect("the server accepts");
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
            server.over(socket).send(GET.replace("{}", &handler.steps(commands)));
            server.wait_for(&format!("/in?{}", handler.steps("body=Hi")), "200");
        }
    }
}

#[test]
fn the_handler_does_not_see_the_body_that_middleware_has_read() {
    let post = "POST /in?{} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello";
    let cases = [
        ("read", traced!("", "5\r\nHello\r\n0\r\n\r\n"), KeepAlive),
        ("b=read&read", traced!("", "0\r\n\r\n"), KeepAlive),
    ];
    let early = [("b=body:early", traced!("", "5\r\nearly\r\n0\r\n\r\n"), KeepAlive)];
    for handler in HANDLERS {
        let server = handler.serve("reads", "");
        handler.check(&server, post, &cases);
        check(&server, post, &early);
    }
}

#[test]
fn what_is_left_in_the_context_is_bounded() {
    // The trace has 8 bytes with its name, and this name 4.
    let left = |said: &str| HI.replace("x-trace", &format!("x-left: {said}\r\nx-trace"));
    let cases =
        [("c=leave:65524&body=Hi", &*left("ok"), KeepAlive), ("c=leave:65525&body=Hi", &left("too-large"), KeepAlive)];
    for handler in HANDLERS {
        handler.check(&handler.serve("notes", ""), GET, &cases);
    }
    let none = traced!("", "15\r\ncontext:absent: none\n\r\n0\r\n\r\n");
    check(&OWN.serve("notes", ""), GET, &[("ask=context:absent&report", none, KeepAlive)]);
}

#[test]
fn the_host_answers_through_the_chain_of_a_route() {
    let allow = "Allow: GET, HEAD, OPTIONS\r\nx-trace: cba\r\n";
    let options = format!("HTTP/1.1 204 No Content\r\nDate: <date>\r\n{allow}\r\n");
    let early = traced!("", "5\r\nearly\r\n0\r\n\r\n");
    let text = "POST is not allowed for /in (allowed: GET, HEAD, OPTIONS)\n";
    let refused = format!(
        "HTTP/1.1 405 Method Not Allowed\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Allow: GET, HEAD, OPTIONS\r\nVary: Accept\r\nx-trace: cba\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    for handler in HANDLERS {
        let server = handler.serve("host_answers", "methods = ['GET']");
        let cases = [("", &*options, KeepAlive), ("b=body:early", early, KeepAlive)];
        check(&server, &GET.replace("GET", "OPTIONS"), &cases);
        check(&server, &GET.replace("GET", "POST"), &[("", &refused, KeepAlive)]);
    }
}

#[test]
fn without_a_route_there_is_no_chain() {
    let server = OWN.serve("no_route", "max_body = 1");
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
    let server = OWN.serve("seals", "");
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
    let server = OWN.serve("vouches", "");
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
    let server = OWN.serve("sealers", "");
    for path in ["/in", "/script"] {
        let answer = server.get(&format!("{path}?seal=x-a&set=x-a:1&report"));
        assert!(answer.contains("\r\nx-a: 1\r\n") && answer.contains("seal: forbidden\nset: ok\n"), "{answer}");
    }
    let answer = server.get("/in?a-response=try-seal&body=Hi");
    assert!(answer.contains("\r\nx-tried: forbidden forbidden\r\n"), "{answer}");
}

#[test]
fn a_sealed_field_stands_against_a_response_that_is_set_as_a_whole() {
    for handler in HANDLERS.into_iter().filter(|handler| !handler.is_own()) {
        let server = handler.serve("seals_whole", "");
        let sealed = traced!("x-a: 1\r\n", "2\r\nHi\r\n0\r\n\r\n");
        let cases = [
            ("a=seal:x-a=1&set=x-a:2&body=Hi", sealed, KeepAlive),
            ("a=seal:x-a=1&set=X-A:2&set=x-A:3&body=Hi", sealed, KeepAlive),
            ("a=seal:x-a&set=x-a:2&body=Hi", HI, KeepAlive),
            ("a=seal:x-a=1&body=Hi", sealed, KeepAlive),
            ("a=seal:x-a=1&set=x-ab:2&body=Hi", traced!("x-a: 1\r\nx-ab: 2\r\n", "2\r\nHi\r\n0\r\n\r\n"), KeepAlive),
            // What is not sealed is the handler's.
            (
                "a=set:x-a=1&set=x-a:2&set=x-a:3&body=Hi",
                traced!("x-a: 2\r\nx-a: 3\r\n", "2\r\nHi\r\n0\r\n\r\n"),
                KeepAlive,
            ),
            ("a=seal:x-a=1&b-response=set:x-a=3&body=Hi", traced!("x-a: 3\r\n", "2\r\nHi\r\n0\r\n\r\n"), KeepAlive),
        ];
        handler.check(&server, GET, &cases);
        for lost in ["trap", "fail=why", "set=x-a:2&fail=why", "set=x-b:1&set=content-length:1&body=Hi"] {
            let response = server.get(&format!("/in?a=seal:x-a=1&{}", handler.steps(lost)));
            assert!(response.starts_with("HTTP/1.1 500 ") && response.contains("\r\nx-a: 1\r\n"), "{lost}: {response}");
            assert!(!response.contains("x-b"), "{lost}: {response}");
        }
        let says = |sealed: &str, commands: &str| {
            let response = server.get(&format!("/in?{commands}&c-response=sealed:user&{}", handler.steps("body=Hi")));
            assert!(response.contains(&format!("\r\nx-sealed: {sealed}\r\n")), "{response}");
        };
        says("Ada", "a=vouch:user=Ada");
        says("nothing", "a=vouch:user");
    }
}

#[test]
fn a_response_that_is_set_is_seen_before_a_byte_of_it_goes_out() {
    let empty = traced!("", "").replace("Transfer-Encoding: chunked", "Content-Length: 0");
    let empty = empty.replace("Content-Type: text/html; charset=utf-8\r\n", "");
    let failed = failed("cba");
    let short = failed.replace("x-trace: cba\r\n", "");
    let truncated = traced!("", "").replace("Transfer-Encoding: chunked", "Content-Length: 3") + "Hi";
    let truncated = truncated.replace("Content-Type: text/html; charset=utf-8\r\n", "");
    for handler in HANDLERS.into_iter().filter(|handler| !handler.is_own()) {
        let server = handler.serve("seen_first", "");
        let cases = [
            ("set-without-body", &*empty, KeepAlive),
            ("set-without-body&trap", &failed, KeepAlive),
            ("", &failed, KeepAlive),
            ("set&trap", &failed, KeepAlive),
            ("set&drop-body", &failed, KeepAlive),
            ("set&pour=2&finish", &handler.response(&HI.replace("Hi", "xx")), KeepAlive),
            ("c-response=trap&set&pour=2&finish", &self::failed("ba"), KeepAlive),
            ("a-response=status:204&set&write=Hi&finish", &no_content(), KeepAlive),
            // The length that a middleware declares is known once a part of the body is sent.
            ("a-response=length:3&set&write=Hi&finish", &truncated, Close),
            ("a-response=length:1&set&write=Hi&finish", &short, KeepAlive),
        ];
        check(&server, GET, &cases);
    }
}

fn no_content() -> String {
    "HTTP/1.1 204 No Content\r\nDate: <date>\r\nx-trace: cba\r\n\r\n".to_owned()
}
