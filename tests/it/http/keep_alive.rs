//! How long a connection lives: pipelining, bodies that nobody reads, `Expect`, half-closed clients.

use std::fmt::Write;
use std::time::Duration;

use host::close_reason::CloseReason;

use crate::support::Connection::{Close, KeepAlive};
use crate::support::wire::{
    BAD_REQUEST_CLOSE, CONTINUE, INTERNAL_SERVER_ERROR, LAST, LAST_RESPONSE, SCRIPT_HELLO, host_response_close,
};
use crate::support::{End, RoutesDir, TestServer, check, guest, log};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut requests = String::new();
    let mut responses = String::new();
    for number in 100..200 {
        let _ = write!(requests, "GET /script?body={number} HTTP/1.1\r\nHost: it\r\n\r\n");
        let body = format!("3\r\n{number}\r\n0\r\n\r\n");
        responses += &(ok_chunked!("").to_owned() + &body);
    }
    assert_eq!(TestServer::serving(guest::SCRIPT).exchange(requests + LAST), responses + LAST_RESPONSE);
}

#[test]
fn pipelined_requests_of_every_framing_are_separated_however_they_arrive() {
    let requests = [
        "HEAD /script?body=Hello HTTP/1.1\r\nHost: it\r\n\r\n",
        "POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello",
        "POST /script?read HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;a=b\r\nHello\r\n0\r\nx: y\r\n\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
        "GET /script?body=Hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        get!("/none"),
        LAST,
    ];
    let responses = [
        ok_chunked!(""),
        SCRIPT_HELLO,
        SCRIPT_HELLO,
        SCRIPT_HELLO,
        SCRIPT_HELLO,
        ok!("Content-Length: 5\r\nConnection: keep-alive\r\n", "Hello"),
        "HTTP/1.1 404 Not Found\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\nVary: Accept\r\n\
         Content-Length: 27\r\n\r\nthere is no route at /none\n",
        LAST_RESPONSE,
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for step in [1, 7, 64, 1000] {
        let mut client = server.connect();
        requests.concat().as_bytes().chunks(step).for_each(|piece| client.send(piece));
        assert_eq!(client.read_to_end(), responses.concat(), "in pieces of {step}");
    }
}

#[test]
fn nothing_is_answered_after_the_request_that_closes() {
    let server = TestServer::serving(guest::SCRIPT);
    let closing = [
        (LAST, LAST_RESPONSE),
        ("GET /script?body=Hello HTTP/1.0\r\n\r\n", ok!("Content-Length: 5\r\nConnection: close\r\n", "Hello")),
        (get!("/script?close"), ""),
    ];
    for (request, response) in closing {
        let (sent, end) = {
            let mut client = server.connect();
            client.send(request.to_owned() + LAST);
            client.read_until_end()
        };
        assert_eq!((sent.as_str(), end), (response, End::Closed), "{request}");
    }
}

#[test]
fn the_connection_field_is_a_list_in_any_case() {
    let server = TestServer::serving(guest::SCRIPT);
    for value in ["close", "CLOSE", "x, Close", "keep-alive, close", "close\r\nConnection: keep-alive"] {
        let request = format!("GET /script?body=last HTTP/1.1\r\nHost: it\r\nConnection: {value}\r\n\r\n");
        assert_eq!(server.exchange(request), LAST_RESPONSE, "{value}");
    }
    for value in ["keep-alive", "x", ""] {
        let request = format!("GET /script?{{}} HTTP/1.1\r\nHost: it\r\nConnection: {value}\r\n\r\n");
        check(&server, &request, &[("body=Hello", SCRIPT_HELLO, KeepAlive)]);
    }
}

#[test]
fn a_body_that_the_handler_did_not_read_is_dropped() {
    let large = "x".repeat(200_000);
    let requests = [
        "POST /script?{} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello".to_owned(),
        "POST /script?{} HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n".to_owned(),
        format!("POST /script?{{}} HTTP/1.1\r\nHost: it\r\nContent-Length: 200000\r\n\r\n{large}"),
        format!(
            "POST /script?{{}} HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n\
             30d40\r\n{large}\r\n0\r\n\r\n"
        ),
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for request in &requests {
        check(
            &server,
            request,
            &[("body=Hello", SCRIPT_HELLO, KeepAlive), ("read-one=1&body=Hello", SCRIPT_HELLO, KeepAlive)],
        );
    }
}

#[test]
fn a_body_that_comes_after_the_response_is_dropped_too() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send("POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\n");
    client.expect(SCRIPT_HELLO);
    client.send("Hello".to_owned() + LAST);
    assert_eq!(client.read_to_end(), LAST_RESPONSE);
}

#[test]
fn a_connection_is_closed_if_too_much_of_a_body_was_not_read() {
    let closed = ok_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    let body = "x".repeat(300_000);
    let request = format!("POST /script?{{}} HTTP/1.1\r\nHost: it\r\nContent-Length: 300000\r\n\r\n{body}");
    check(&TestServer::serving(guest::SCRIPT), &request, &[("body=Hello", closed, Close)]);
}

#[test]
fn a_connection_is_closed_after_a_body_that_is_malformed() {
    // What is sent before the body comes, and what then.
    let cases = [
        ("body=Hello", "", SCRIPT_HELLO, ""),
        ("write=Hello&read", "", ok_chunked!("5\r\nHello\r\n"), "0\r\n\r\n"),
        (
            "status=422&read&body=Hello",
            "Expect: 100-continue\r\n",
            CONTINUE,
            "HTTP/1.1 422 Unprocessable Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
        ),
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for (commands, fields, before, then) in cases {
        let mut client = server.connect();
        client.send(format!(
            "POST /script?{commands} HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n{fields}\r\n"
        ));
        client.expect(before);
        client.send("x\r\n".to_owned() + LAST);
        assert_eq!(client.read_to_end(), then, "{commands}");
    }
}

#[test]
fn continue_is_sent_when_the_handler_reads() {
    let server = TestServer::serving(guest::SCRIPT);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let body = if framing.starts_with('C') { "Hello" } else { "5\r\nHello\r\n0\r\n\r\n" };
        let mut client = server.connect();
        client.send(format!("POST /script?read HTTP/1.1\r\nHost: it\r\nExpect: 100-Continue\r\n{framing}\r\n\r\n"));
        client.expect(CONTINUE);
        client.send(body.to_owned() + LAST);
        assert_eq!(client.read_to_end(), SCRIPT_HELLO.to_owned() + LAST_RESPONSE, "{framing}");
    }
}

#[test]
fn continue_is_not_sent_when_the_handler_does_not_read() {
    let request = "POST /script?{} HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let closed = ok_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    let cases = [("body=Hello", closed, Close), ("write=Hello&body=", closed, Close), ("close", "", Close)];
    check(&TestServer::serving(guest::SCRIPT), request, &cases);
}

#[test]
fn continue_is_not_sent_to_a_client_that_has_sent_its_body() {
    let request = "POST /script?{} HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nHello";
    let response = SCRIPT_HELLO;
    check(&TestServer::serving(guest::SCRIPT), request, &[("read", response, KeepAlive)]);
}

#[test]
fn continue_is_not_sent_to_http_1_0() {
    let request = "POST /script?read HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send(request);
    client.send("Hello");
    assert_eq!(client.read_to_end(), ok!("Connection: close\r\n", "Hello"));
}

#[test]
fn an_expectation_that_is_refused_costs_the_connection() {
    let server = TestServer::serving(guest::SCRIPT);
    let request = |path: &str, expect: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: it\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n")
    };
    let unmet = host_response_close(417, "the expectation cannot be met\n");
    assert_eq!(server.exchange(request("/script?read", "tea")), unmet);
    let not_found = host_response_close(404, "there is no route at /none\n");
    let not_found = not_found.replace("Content-Length", "Vary: Accept\r\nContent-Length");
    assert_eq!(server.exchange(request("/none", "100-continue")), not_found);
}

#[test]
fn a_client_that_has_sent_its_end_is_answered() {
    let server = TestServer::serving(guest::SCRIPT);
    let get = get!("/script?body=Hello");
    let post = "POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello";
    for request in [get.to_owned(), post.to_owned(), get.to_owned() + "GET /scr"] {
        let mut client = server.connect();
        client.send(&request);
        client.half_close();
        assert_eq!(client.read_to_end(), SCRIPT_HELLO, "{request}");
    }
    let mut client = server.connect();
    client.send([get, post, get].concat());
    client.half_close();
    assert_eq!(client.read_to_end(), SCRIPT_HELLO.repeat(3));
}

#[test]
fn a_client_that_has_sent_its_end_before_a_request_is_not_answered() {
    let server = TestServer::serving(guest::SCRIPT);
    for begun in ["", "GET /script HTTP/1.1\r\nHost: te"] {
        let mut client = server.connect();
        client.send(begun);
        client.half_close();
        assert_eq!(client.read_to_end(), "", "{begun}");
    }
}

#[test]
fn a_body_without_its_end_is_answered_400() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send("POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHel");
    client.half_close();
    assert_eq!(client.read_to_end(), BAD_REQUEST_CLOSE);
}

#[test]
fn a_server_that_stops_closes_idle_connections() {
    let server = TestServer::serving(guest::SCRIPT);
    let (mut fresh, mut used) = (server.connect(), server.connect());
    used.send(get!("/script?body=Hello"));
    used.expect(SCRIPT_HELLO);
    server.stop();
    assert_eq!(used.read_to_end(), "");
    assert_eq!(fresh.read_to_end(), "");
    drop((fresh, used));
    server.join();
}

#[test]
fn a_response_that_begins_during_shutdown_says_connection_close() {
    let chunked = ok_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    let (head, http10) = (ok_chunked_close!(""), ok!("Content-Length: 5\r\nConnection: close\r\n", "Hello"));
    let failed = INTERNAL_SERVER_ERROR.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    // The method, the version and a field of a request whose handler waits for its body, what it does then, and the
    // response.
    let cases = [
        ("POST", "1.1", "", "body=Hello", chunked),
        ("POST", "1.1", "", "write=Hello", chunked),
        ("POST", "1.1", "Expect: 100-continue\r\n", "body=Hello", chunked),
        ("HEAD", "1.1", "", "body=Hello", head),
        ("POST", "1.1", "", "trap", &failed),
        ("POST", "1.0", "Connection: keep-alive\r\n", "body=Hello", http10),
    ];
    for (number, (method, version, field, commands, response)) in cases.into_iter().enumerate() {
        let server = TestServer::serving(guest::SCRIPT);
        let mut client = server.connect();
        client.send(format!(
            "{method} /script?stderr=in_flight_{number}&read-one=1&{commands} HTTP/{version}\r\nHost: it\r\n\
             {field}Content-Length: 1\r\n\r\n"
        ));
        log().wait_for(&[&format!("in_flight_{number}")]);
        if field.starts_with("Expect") {
            client.expect(CONTINUE);
        }
        server.stop();
        client.send("x");
        assert_eq!(client.read_to_end(), response, "{method} {version} {field}{commands}");
        drop(client);
        server.join();
    }
}

#[test]
fn a_response_of_the_host_during_shutdown_says_connection_close() {
    let cases = [
        ("GET /none HTTP/1.1\r\nHost: it\r\n", "404"),
        ("GET /none HTTP/1.0\r\nConnection: keep-alive\r\n", "404"),
        ("OPTIONS * HTTP/1.1\r\nHost: it\r\n", "204"),
        ("POST /script HTTP/1.1\r\nHost: it\r\nContent-Length: 100000000\r\n", "413"),
    ];
    for (begun, status) in cases {
        let server = TestServer::serving(guest::SCRIPT);
        let mut client = server.connect();
        client.send(begun);
        server.stop();
        client.send("\r\n");
        let response = client.read_to_end();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
    }
}

#[test]
fn a_server_counts_why_its_connections_have_ended() {
    let server = TestServer::builder(RoutesDir::new().with(guest::HELLO).with(guest::NOTHING))
        .timeouts(|timeouts| timeouts.idle = Duration::from_millis(100))
        .start();
    server.get("/hello");
    server.exchange("GET /hello HTTP/1.1\r\n\r\n");
    server.exchange("GET /hello HTTP/1.1\r\nHost: ?\r\n\r\n");
    server.exchange(get!("/nothing"));
    server.connect().read_to_end();
    let closed = CloseReason::ALL.map(|reason| (reason, server.closed(reason)));
    let closed: Vec<_> = closed.into_iter().filter(|(_, connections)| *connections > 0).collect();
    let expected = [
        (CloseReason::NotKeptByClient, 1),
        (CloseReason::Handler, 1),
        (CloseReason::Idle, 1),
        (CloseReason::Refused, 2),
    ];
    assert_eq!(closed, expected);
}

#[test]
fn a_server_counts_who_did_not_keep_a_connection_alive() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut parked = server.connect();
    parked.send("POST /script?subscribe=a&write=one&manual HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\n");
    parked.expect("HTTP/1.1 200 OK\r\n");
    server.exchange("GET /script?finish=a HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    parked.read_to_end();
    server.exchange("GET /script?body=Hello HTTP/1.0\r\n\r\n");
    server.exchange("GET /script?write=Hello HTTP/1.0\r\n\r\n");
    server.exchange("GET /script?write=Hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let closed = [CloseReason::NotKeptByClient, CloseReason::NotKeptByServer, CloseReason::CloseDelimited];
    assert_eq!(closed.map(|reason| server.closed(reason)), [3, 1, 1]);
}
