//! What each outcome of a component of wasi:http sends, byte for byte, and what becomes of the connection.

use crate::support::Connection::{Close, KeepAlive, Reset};
use crate::support::wire::{INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR_CLOSE, get_script};
use crate::support::{Client, Process, RoutesDir, TestServer, log};

use super::worlds::{WASI_02, WASI_03, WORLDS, check, check_one, reported};

const GET: &str = get!("/script?{}");
const HEAD: &str = "HEAD /script?{} HTTP/1.1\r\nHost: it\r\n\r\n";
const GET_10: &str = "GET /script?{} HTTP/1.0\r\n\r\n";
const GET_10_ALIVE: &str = "GET /script?{} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const HEAD_10: &str = "HEAD /script?{} HTTP/1.0\r\n\r\n";

const HELLO: &str = untyped_chunked!("5\r\nHello\r\n0\r\n\r\n");
const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nDate: <date>\r\n\r\n";
const NOT_MODIFIED: &str = "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\netag: 1\r\n\r\n";

#[test]
fn a_response_whose_body_was_not_taken_has_none() {
    let with_status = (
        "append=x-a:1&append=x-a:2&status=404&set-without-body",
        "HTTP/1.1 404 Not Found\r\nDate: <date>\r\nx-a: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n",
        KeepAlive,
    );
    // In 0.3 a response has a body, or none, before it has a status.
    check_one(WASI_02, "no_body_with_status", "", GET, &[with_status]);
    check_one(WASI_02, "no_body_with_status_to_head", "", HEAD, &[with_status]);
    let cases = [
        ("set-without-body", untyped!("Content-Length: 0\r\n", ""), KeepAlive),
        (
            "append=x-a:1&append=x-a:2&set-without-body",
            "HTTP/1.1 200 OK\r\nDate: <date>\r\nx-a: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n",
            KeepAlive,
        ),
        ("status=204&set-without-body", NO_CONTENT, KeepAlive),
        ("append=etag:1&status=304&set-without-body", NOT_MODIFIED, KeepAlive),
    ];
    check("no_body", "", GET, &cases);
    check("no_body_to_head", "", HEAD, &cases);
    let closed = untyped!("Content-Length: 0\r\nConnection: close\r\n", "");
    check("no_body_http10", "", GET_10, &[("set-without-body", closed, Close)]);
    let kept = untyped!("Content-Length: 0\r\nConnection: keep-alive\r\n", "");
    check("no_body_kept", "", GET_10_ALIVE, &[("set-without-body", kept, KeepAlive)]);
}

#[test]
fn a_finished_body_is_sent_in_chunks_and_the_connection_lives() {
    let cases = [
        ("set&write=Hello&finish", HELLO, KeepAlive),
        ("set&write=Hello&write=World!&finish", untyped_chunked!("5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n"), KeepAlive),
        ("set&finish", untyped_chunked!("0\r\n\r\n"), KeepAlive),
        ("status=204&set&write=dropped&finish", NO_CONTENT, KeepAlive),
        ("append=etag:1&status=304&set&write=dropped&finish", NOT_MODIFIED, KeepAlive),
    ];
    check("finished", "", GET, &cases);
    check_one(
        WASI_02,
        "finished_pour",
        "",
        GET,
        &[("set&pour=3&finish", untyped_chunked!("3\r\nxxx\r\n0\r\n\r\n"), KeepAlive)],
    );
}

#[test]
fn a_body_for_http10_has_the_declared_length_or_ends_with_the_connection() {
    let cases = [
        ("set&write=Hello&write=World!&finish", untyped!("Connection: close\r\n", "HelloWorld!"), Close),
        (
            "append=content-length:5&set&write=Hello&finish",
            untyped!("Content-Length: 5\r\nConnection: close\r\n", "Hello"),
            Close,
        ),
    ];
    check("http10", "", GET_10, &cases);
    let cases = [
        ("set&write=Hello&finish", untyped!("Connection: close\r\n", "Hello"), Close),
        (
            "append=content-length:5&set&write=Hello&finish",
            untyped!("Content-Length: 5\r\nConnection: keep-alive\r\n", "Hello"),
            KeepAlive,
        ),
    ];
    check("http10_kept", "", GET_10_ALIVE, &cases);
}

#[test]
fn head_gets_the_fields_of_get_and_no_body() {
    let cases = [
        ("set&write=Hello&finish", untyped_chunked!(""), KeepAlive),
        ("append=content-length:5&set&write=Hello&finish", untyped!("Content-Length: 5\r\n", ""), KeepAlive),
        // Of a body that is dropped nobody can say that it is too short.
        ("append=content-length:5&set&finish", untyped!("Content-Length: 5\r\n", ""), KeepAlive),
        ("append=content-length:5&set-without-body", untyped!("Content-Length: 5\r\n", ""), KeepAlive),
    ];
    check("head", "", HEAD, &cases);
    check("head_http10", "", HEAD_10, &[("set&write=Hello&finish", untyped!("Connection: close\r\n", ""), Close)]);
}

#[test]
fn a_declared_length_takes_the_place_of_the_chunked_coding() {
    let hello = untyped!("Content-Length: 5\r\n", "Hello");
    let cases = [
        ("append=content-length:5&set&write=Hello&finish", hello, KeepAlive),
        ("append=content-length:5&set&write=Hel&write=lo&finish", hello, KeepAlive),
        ("append=content-length:0&set&finish", untyped!("Content-Length: 0\r\n", ""), KeepAlive),
        ("append=content-length:0&set-without-body", untyped!("Content-Length: 0\r\n", ""), KeepAlive),
    ];
    check("declared", "", GET, &cases);
}

#[test]
fn a_body_shorter_than_its_length_is_an_error_and_truncated() {
    let cases = [
        ("append=content-length:10&set&write=Hello&finish", untyped!("Content-Length: 10\r\n", "Hello"), Close),
        ("append=content-length:10&set&finish&log", INTERNAL_SERVER_ERROR, KeepAlive),
        ("append=content-length:10&set-without-body", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    check("too_short", "", GET, &cases);
    for world in WORLDS {
        let server = world.serve("too_short_said", "");
        // In 0.3 the result of the transmission says it.
        let result = if world.name == WASI_02.name { "finish" } else { "finish&sent" };
        server.get(&format!("/script?append=content-length:10&set&write=Hello&{result}&log"));
        log().wait_for(&[&world.route("too_short_said"), "ErrorCode::HttpResponseBodySize"]);
        log().wait_for(&["ERROR", &world.route("too_short_said"), "content-length"]);
    }
}

#[test]
fn a_write_past_the_declared_length_is_an_error_and_sends_nothing_beyond() {
    let cases = [
        ("append=content-length:3&set&write=Hello&finish", INTERNAL_SERVER_ERROR, KeepAlive),
        ("append=content-length:5&set&write=Hel&write=World&finish", untyped!("Content-Length: 5\r\n", "Hel"), Close),
        (
            "append=content-length:5&set&write=Hello&write=World&finish",
            untyped!("Content-Length: 5\r\n", "Hello"),
            KeepAlive,
        ),
    ];
    check("too_long", "", GET, &cases);
    let server = WASI_02.serve("too_long_said", "");
    server.get("/script?append=content-length:3&set&write=Hello&log");
    log().wait_for(&[&WASI_02.route("too_long_said"), "write: ErrorCode::HttpResponseBodySize"]);
}

#[test]
fn a_failure_before_the_first_byte_is_a_500_and_the_log_says_why() {
    let cases = [
        ("trap", INTERNAL_SERVER_ERROR, KeepAlive),
        ("panic=why", INTERNAL_SERVER_ERROR, KeepAlive),
        ("append=x-a:1&status=201&set&trap", INTERNAL_SERVER_ERROR, KeepAlive),
        ("append=content-length:5&set&trap", INTERNAL_SERVER_ERROR, KeepAlive),
        ("set", INTERNAL_SERVER_ERROR, KeepAlive),
        ("set&drop-body", INTERNAL_SERVER_ERROR, KeepAlive),
        ("append=content-length:5&set&drop-body", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    check("before_bytes", "", GET, &cases);
    let head_only = INTERNAL_SERVER_ERROR.trim_end_matches("Internal Server Error\n");
    check("before_bytes_to_head", "", HEAD, &[("set&drop-body", head_only, KeepAlive), ("trap", head_only, KeepAlive)]);
    let cases =
        [("set&drop-body", INTERNAL_SERVER_ERROR_CLOSE, Close), ("set&trap", INTERNAL_SERVER_ERROR_CLOSE, Close)];
    check("before_bytes_http10", "", GET_10, &cases);
    for world in WORLDS {
        let route = world.route("before_bytes");
        log().wait_for(&["ERROR", &route, "unreachable", "wasm backtrace"]);
        // In 0.3 the component says what its trailers are if it drops them.
        let dropped =
            if world.name == WASI_02.name { "dropped its body without `outgoing-body.finish`" } else { "unfinished" };
        log().wait_for(&["ERROR", &route, dropped]);
    }
}

#[test]
fn a_failure_after_bytes_went_out_truncates_the_body_visibly() {
    let hello = untyped_chunked!("5\r\nHello\r\n");
    let declared = untyped!("Content-Length: 9\r\n", "Hello");
    let cases = [
        ("set&write=Hello", hello, Close),
        ("set&write=Hello&drop-body", hello, Close),
        ("set&write=Hello&trap", hello, Close),
        ("set&write=Hello&panic=why", hello, Close),
        ("append=content-length:9&set&write=Hello", declared, Close),
        ("append=content-length:9&set&write=Hello&drop-body", declared, Close),
        ("append=content-length:9&set&write=Hello&trap", declared, Close),
        // The response was complete.
        ("set&write=Hello&finish&trap", HELLO, KeepAlive),
    ];
    check("after_bytes", "", GET, &cases);
    check_one(WASI_02, "finished_with_stream", "", GET, &[("set&write=Hello&finish-with-stream", hello, Close)]);
    let hello = untyped!("Connection: close\r\n", "Hello");
    let cases = [
        ("set&write=Hello", hello, Reset),
        ("set&write=Hello&drop-body", hello, Reset),
        ("set&write=Hello&trap", hello, Reset),
    ];
    check("after_bytes_http10", "", GET_10, &cases);
    check("after_bytes_unchunked", "chunked = false", GET, &cases);
}

#[test]
fn a_component_that_returns_without_a_response_is_answered_500_and_told_what_to_call() {
    let cases = [("", INTERNAL_SERVER_ERROR, KeepAlive), ("status=201&write=lost", INTERNAL_SERVER_ERROR, KeepAlive)];
    check_one(WASI_02, "never_set", "", GET, &cases);
    log().wait_for(&["ERROR", &WASI_02.route("never_set"), "`response-outparam.set`", "request=1"]);
    log().wait_for(&["ERROR", &WASI_02.route("never_set"), "`response-outparam.set`", "request=3"]);
}

#[test]
fn each_error_that_a_component_sets_has_its_status_and_is_in_the_log() {
    let codes = [
        (413, "HTTP-request-body-size", "HttpRequestBodySize"),
        (414, "HTTP-request-URI-too-long", "HttpRequestUriTooLong"),
        (431, "HTTP-request-header-section-size", "HttpRequestHeaderSectionSize"),
        (431, "HTTP-request-header-size", "HttpRequestHeaderSize"),
        (431, "HTTP-request-trailer-section-size", "HttpRequestTrailerSectionSize"),
        (500, "configuration-error", "ConfigurationError"),
        (500, "HTTP-request-denied", "HttpRequestDenied"),
        (500, "internal-error", "the guest says why"),
        (500, "loop-detected", "LoopDetected"),
        (502, "connection-refused", "ConnectionRefused"),
        (502, "connection-terminated", "ConnectionTerminated"),
        (502, "destination-not-found", "DestinationNotFound"),
        (502, "DNS-error", "DnsError"),
        (502, "HTTP-protocol-error", "HttpProtocolError"),
        (502, "HTTP-response-body-size", "HttpResponseBodySize"),
        (502, "HTTP-response-incomplete", "HttpResponseIncomplete"),
        (502, "TLS-alert-received", "TlsAlertReceived"),
        (502, "TLS-certificate-error", "TlsCertificateError"),
        (504, "connection-read-timeout", "ConnectionReadTimeout"),
        (504, "connection-timeout", "ConnectionTimeout"),
        (504, "connection-write-timeout", "ConnectionWriteTimeout"),
        (504, "DNS-timeout", "DnsTimeout"),
        (504, "HTTP-response-timeout", "HttpResponseTimeout"),
    ];
    for world in WORLDS {
        // Failures of one route are not logged without bound.
        let routes = codes.iter().enumerate().fold(RoutesDir::new(), |routes, (number, (_, code, _))| {
            let name = world.route(&format!("sets_{code}"));
            let routes = routes.with_as(&format!("{name}.wasm"), world.script);
            routes.with_file(&format!("{name}.toml"), &format!("path = '/{number}'"))
        });
        let server = TestServer::start(routes);
        for (number, (status, code, in_log)) in codes.into_iter().enumerate() {
            let response = server.get(&format!("/{number}?set-error={code}"));
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response} for {code} of {world:?}");
            log().wait_for(&["ERROR", &world.route(&format!("sets_{code}")), in_log]);
        }
    }
    check("sets_error_and_lives", "", GET, &[("set-error=internal-error", INTERNAL_SERVER_ERROR, KeepAlive)]);
}

#[test]
fn a_status_that_is_no_final_one_is_refused() {
    for world in WORLDS {
        let server = world.serve("statuses", "");
        for status in [0, 99, 100, 101, 199, 600, 999, 65_535] {
            assert_eq!(reported(&server, &format!("status={status}")), ["status: ()"], "{status}");
        }
        for status in [200, 299, 404, 599] {
            let response = server.get(&format!("/script?status={status}&report"));
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        }
    }
}

#[test]
fn a_body_may_be_written_before_the_response_is_set() {
    let cases = [
        ("write=Hello&set&finish", HELLO, KeepAlive),
        ("write=Hel&write=lo&set&finish", HELLO, KeepAlive),
        ("write=Hel&set&write=lo&finish", untyped_chunked!("3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n"), KeepAlive),
        ("write=Hello&finish&set-without-body", HELLO, KeepAlive),
    ];
    check_one(WASI_02, "before_set", "", GET, &cases);
}

#[test]
fn a_blocking_write_that_nothing_can_drain_ends_at_once_and_the_log_names_the_remedy() {
    let cases = [
        ("write-bytes=65537&set&finish", INTERNAL_SERVER_ERROR, KeepAlive),
        ("write-bytes=65536&write=x&set&finish", INTERNAL_SERVER_ERROR, KeepAlive),
        ("pour=65537&set&finish", INTERNAL_SERVER_ERROR, KeepAlive),
        ("write-zeroes=65537&set&finish", INTERNAL_SERVER_ERROR, KeepAlive),
    ];
    // Nothing waits for a time-out.
    check_one(WASI_02, "never_drained", "timeout = 3600", GET, &cases);
    for request in [1, 3, 5, 7] {
        let request = format!("request={request}");
        log().wait_for(&[
            "ERROR",
            &WASI_02.route("never_drained"),
            "before `response-outparam.set`",
            "set the response first",
            &request,
        ]);
    }
}

#[test]
fn bodies_that_are_written_before_a_response_is_set_are_bounded_together() {
    let server = WASI_02.serve("hoards", "");
    assert_eq!(reported(&server, "hoard=1000"), ["hoard: 65536"]);
    // What is dropped counts no longer.
    assert_eq!(reported(&server, "hoard=1000&hoard=1000"), ["hoard: 65536", "hoard: 65536"]);
}

#[test]
fn one_write_may_have_any_size() {
    for world in WORLDS {
        let server = world.serve("any_size", "");
        for steps in ["set&write-bytes=1048576&finish", "set&write-bytes=8388608&finish", "set&pour=1048576&finish"] {
            let response = server.get(&format!("/script?{steps}"));
            let written = steps.split(['=', '&']).find_map(|part| part.parse::<usize>().ok()).expect("a number");
            assert_eq!(response.bytes().filter(|byte| *byte == b'x').count(), written, "{steps}");
            assert!(response.ends_with("\r\n0\r\n\r\n"), "{steps}");
        }
    }
    let zeroes = WASI_02.serve("zeroes", "").get("/script?set&write-zeroes=100000&finish");
    assert_eq!(zeroes.bytes().filter(|byte| *byte == 0).count(), 100_000);
}

#[test]
fn a_write_of_more_than_is_allowed_is_a_trap() {
    let response = WASI_02.serve("overruns", "").get("/script?set&write=Hi&overrun=100000&finish");
    assert!(response.starts_with(untyped_chunked_close!("2\r\nHi\r\n")), "{response}");
    assert!(!response.ends_with("\r\n0\r\n\r\n"), "{response}");
    log().wait_for(&["ERROR", &WASI_02.route("overruns"), "more than `check-write` allows"]);
}

#[test]
fn a_component_that_goes_on_after_its_response_does_not_hold_its_connection() {
    let empty = untyped!("Content-Length: 0\r\n", "");
    let sleeps = [
        ("set&write=Hello&finish&sleep=3600000", HELLO, KeepAlive),
        ("set-without-body&sleep=3600000", empty, KeepAlive),
    ];
    check("goes_on", "timeout = 3600", GET, &sleeps);
    check("goes_on_with_reuse", "timeout = 3600\nreuse = 100", GET, &sleeps);
    // In 0.3 the host is given a response when the component waits for something the next time.
    let spins = [("set&write=Hello&finish&spin", HELLO, KeepAlive), ("set-without-body&spin", empty, KeepAlive)];
    check_one(WASI_02, "spins_on", "timeout = 3600", GET, &spins);
    check_one(WASI_02, "spins_on_with_reuse", "timeout = 3600\nreuse = 100", GET, &spins);
}

#[test]
fn what_a_component_does_after_its_response_is_done() {
    for world in WORLDS {
        let server = world.serve("works_on", "");
        server.get("/script?set&write=Hello&finish&sleep=20&stderr=has%20worked%20on");
        log().wait_for(&[&world.route("works_on"), "has worked on"]);
    }
}

#[test]
fn a_component_whose_client_has_gone_is_told_closed_and_ends() {
    for world in WORLDS {
        let server = world.serve("client_gone", "timeout = 3600");
        let mut client = server.connect_with_small_window();
        client.send(get_script("set&write-bytes=33554432&log&stderr=has%20ended"));
        client.read_until("\r\n\r\n");
        client.reset();
        log().wait_for(&[&world.route("client_gone"), "write-bytes: closed"]);
        log().wait_for(&[&world.route("client_gone"), "has ended"]);
    }
}

#[test]
fn what_the_host_keeps_for_the_tasks_of_a_component_is_bounded() {
    check_one(WASI_03, "hoards_streams", "", GET, &[("hoard", INTERNAL_SERVER_ERROR, KeepAlive)]);
    log().wait_for(&["ERROR", &WASI_03.route("hoards_streams"), "more than 16384 tasks, streams and futures at once"]);
}

#[test]
fn at_least_512_components_of_version_03_run_at_once_and_past_their_instances_a_client_is_told_to_come_again() {
    let routes = WASI_03.routes("crowd", "timeout = 3600\nshare = 100");
    let process = Process::start(&routes, &["--max-invocations", "1000", "--workers", "1"]);
    let begin = || {
        let mut client = process.connect();
        client.send("POST /script?set&write=Hello&read&finish HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\n");
        client
    };
    let mut running: Vec<Client> = (0..512).map(|_| begin()).collect();
    running.iter_mut().for_each(|client| client.expect(untyped_chunked!("5\r\nHello\r\n")));
    // Instances that `reuse` would keep have room beside them.
    let refused = (512..1000).map(|_| begin()).find_map(|mut client| {
        let head = client.read_until("\r\n\r\n");
        running.push(client);
        head.starts_with("HTTP/1.1 503 ").then_some(head)
    });
    assert!(refused.is_some_and(|head| head.contains("\r\nRetry-After: 1\r\n")));
    running[0].send("World");
    running[0].expect("0\r\n\r\n");
    process.wait_for("/script?set&write=Hello&finish", "200");
}

#[test]
fn what_a_component_prints_is_in_the_log_of_its_request() {
    for world in WORLDS {
        world.serve("prints", "").get("/script?stdout=to%20stdout&stderr=to%20stderr&set-without-body");
        log().wait_for(&["guest", &world.route("prints"), "request=1", "stdout", "to stdout"]);
        log().wait_for(&["guest", &world.route("prints"), "request=1", "stderr", "to stderr"]);
    }
}
