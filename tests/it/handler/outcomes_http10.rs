//! What each outcome of a handler sends to an HTTP/1.0 client, byte for byte: never the chunked coding.

use std::time::Duration;

use crate::support::Connection::{Close, KeepAlive, Reset};
use crate::support::wire::{GATEWAY_TIMEOUT_CLOSE, INTERNAL_SERVER_ERROR_CLOSE};
use crate::support::{Case, RoutesDir, TestServer, check, guest};

const GET: &str = "GET /script?{} HTTP/1.0\r\n\r\n";
const GET_ALIVE: &str = "GET /script?{} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const HEAD: &str = "HEAD /script?{} HTTP/1.0\r\n\r\n";

/// The guest `script` at `/script`, and with the option `chunked` set either way.
fn check_all(request: &str, cases: &[Case]) {
    let routes =
        RoutesDir::new().with(guest::SCRIPT).with_as("always.wasm", guest::SCRIPT).with_as("never.wasm", guest::SCRIPT);
    let routes = routes.with_file("always.toml", "path = \"/always\"\nchunked = true");
    let server = TestServer::start(routes.with_file("never.toml", "path = \"/never\"\nchunked = false"));
    for path in ["/script", "/always", "/never"] {
        check(&server, &request.replace("/script", path), cases);
    }
}

#[test]
fn a_body_has_a_length_and_the_connection_is_closed() {
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\nConnection: close\r\n", "Hello"), Close),
        ("body=", ok!("Content-Length: 0\r\nConnection: close\r\n", ""), Close),
        ("end&close", ok!("Content-Length: 0\r\nConnection: close\r\n", ""), Close),
    ];
    check_all(GET, &cases);
}

#[test]
fn a_connection_is_kept_if_the_client_asked_and_the_length_is_known() {
    let hello = ok!("Content-Length: 5\r\nConnection: keep-alive\r\n", "Hello");
    let empty = ok!("Content-Length: 0\r\nConnection: keep-alive\r\n", "");
    let cases = [
        ("body=Hello", hello, KeepAlive),
        ("body=", empty, KeepAlive),
        ("end&close", empty, KeepAlive),
        ("set=content-length:5&write=Hel&body=lo", hello, KeepAlive),
        ("set=content-length:5&write=Hello&end&close", hello, KeepAlive),
        ("set=content-length:5&write=Hello&close", hello, Close),
        ("status=204&body=", "HTTP/1.1 204 No Content\r\nDate: <date>\r\nConnection: keep-alive\r\n\r\n", KeepAlive),
        ("status=304&body=", "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\nConnection: keep-alive\r\n\r\n", KeepAlive),
    ];
    check_all(GET_ALIVE, &cases);
}

#[test]
fn written_chunks_end_with_the_connection() {
    let hello = ok!("Connection: close\r\n", "Hello");
    let cases = [
        ("write=Hello&body=", hello, Close),
        ("write=Hello&write=World!&body=Bye", ok!("Connection: close\r\n", "HelloWorld!Bye"), Close),
        ("write=Hello&end&close", hello, Close),
        ("write=Hello&end&write=late&body=late", hello, Close),
        ("write=Hello&close", hello, Close),
        ("write=Hello&close-now", hello, Close),
        ("write=Hello&end&manual", hello, Close),
    ];
    check_all(GET, &cases);
    check_all(GET_ALIVE, &cases);
}

#[test]
fn close_without_a_write_sends_nothing() {
    let cases = [("close", "", Close), ("close-now", "", Close), ("close-now&body=late", "", Close)];
    check_all(GET, &cases);
    check_all(GET_ALIVE, &cases);
}

#[test]
fn head_gets_the_fields_of_get_and_no_body() {
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\nConnection: close\r\n", ""), Close),
        ("write=Hello&body=", ok!("Connection: close\r\n", ""), Close),
        ("status=204&body=", "HTTP/1.1 204 No Content\r\nDate: <date>\r\nConnection: close\r\n\r\n", Close),
        ("close", "", Close),
    ];
    check_all(HEAD, &cases);
}

#[test]
fn a_trap_before_the_head_answers_500() {
    let failed = INTERNAL_SERVER_ERROR_CLOSE;
    check_all(GET, &[("trap", failed, Close), ("status=201&set=x-a:1&trap", failed, Close)]);
    check_all(GET_ALIVE, &[("trap", &failed.replace("close", "keep-alive"), KeepAlive)]);
}

#[test]
fn a_trap_in_a_body_that_ends_with_the_connection_resets_it() {
    let cases = [
        ("write=Hello&trap", ok!("Connection: close\r\n", "Hello"), Reset),
        ("set=content-length:9&write=Hello&trap", ok!("Content-Length: 9\r\nConnection: close\r\n", "Hello"), Close),
    ];
    check_all(GET, &cases);
}

#[test]
fn a_deadline_is_answered_504_or_resets() {
    let timed_out = GATEWAY_TIMEOUT_CLOSE;
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "timeout = 0.1");
    let cases = [("spin", timed_out, Close), ("write=Hello&spin", ok!("Connection: close\r\n", "Hello"), Reset)];
    check(&TestServer::start(routes), GET, &cases);
}

#[test]
fn a_parked_response_has_no_length_and_no_end() {
    let server = TestServer::serving(guest::SCRIPT);
    for (commands, written) in [("write=one&manual", ok!("Connection: close\r\n", "one")), ("manual", "")] {
        let mut client = server.connect();
        client.send(GET_ALIVE.replace("{}", commands));
        client.expect(written);
        client.expect_silence(Duration::from_millis(100));
        client.half_close();
        assert_eq!(client.read_to_end(), "", "{commands}");
    }
}
