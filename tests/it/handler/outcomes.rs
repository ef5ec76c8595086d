//! What each outcome of a handler sends to an HTTP/1.1 client, byte for byte, and what becomes of the connection.

use crate::support::Connection::{Close, KeepAlive};
use crate::support::wire::{INTERNAL_SERVER_ERROR, SCRIPT_HELLO};
use crate::support::{RoutesDir, TestServer, check, guest, log};

const GET: &str = get!("/script?{}");
const GET_LAST: &str = get_and_close!("/script?{}");
const HEAD: &str = "HEAD /script?{} HTTP/1.1\r\nHost: it\r\n\r\n";
const GET_OTHER: &str = get!("/other?{}");
const HEAD_OTHER: &str = "HEAD /other?{} HTTP/1.1\r\nHost: it\r\n\r\n";

/// The guest `script` as it is at `/script`, and with more options at `/other`.
fn serve_with(options: &str) -> TestServer {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("other.wasm", guest::SCRIPT);
    TestServer::start(routes.with_file("other.toml", &format!("path = \"/other\"\n{options}")))
}

#[test]
fn a_body_is_sent_in_chunks_and_the_connection_lives() {
    let cases = [
        ("body=Hello", SCRIPT_HELLO, KeepAlive),
        ("body=", ok_chunked!("0\r\n\r\n"), KeepAlive),
        ("write=Hello&body=", SCRIPT_HELLO, KeepAlive),
        (
            "write=Hello&write=World!&body=Bye",
            ok_chunked!("5\r\nHello\r\n6\r\nWorld!\r\n3\r\nBye\r\n0\r\n\r\n"),
            KeepAlive,
        ),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn an_empty_write_completes_the_response_and_the_connection_lives() {
    let hello = SCRIPT_HELLO;
    let empty = ok_chunked!("0\r\n\r\n");
    let cases = [
        ("end&body=", empty, KeepAlive),
        ("end&close", empty, KeepAlive),
        ("end&close-now", empty, KeepAlive),
        ("end&manual", empty, KeepAlive),
        ("end&body=ignored", empty, KeepAlive),
        ("write=Hello&end&body=ignored", hello, KeepAlive),
        ("write=Hello&end&write=late&end&close-now&close", hello, KeepAlive),
        ("write=Hello&end&close", hello, KeepAlive),
        ("write=Hello&end&manual", hello, KeepAlive),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn a_write_after_the_end_says_closed() {
    let server = TestServer::start(RoutesDir::new().with_as("said_after_the_end.wasm", guest::SCRIPT));
    server.exchange(GET_LAST.replace("{}", "write=a&end&write=late&end&status=201&log"));
    for said in ["write: ok", "end: ok", "write: closed", "end: closed", "status: closed"] {
        log().wait_for(&["said_after_the_end", said]);
    }
}

#[test]
fn close_sends_nothing_or_finishes_what_was_written() {
    let hello = SCRIPT_HELLO;
    let cases = [
        ("close", "", Close),
        ("close-now", "", Close),
        ("status=201&set=x-a:1&close", "", Close),
        ("close-now&write=late&body=late", "", Close),
        ("close-now&close-now&manual", "", Close),
        ("write=Hello&close", hello, Close),
        ("write=Hello&close-now", hello, Close),
        ("write=Hello&close-now&write=late&body=late", hello, Close),
        ("write=Hello&close-now&manual", hello, Close),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn a_connection_is_closed_without_a_reset_though_the_body_was_not_read() {
    let cases = [("close", "", Close)];
    let request = "POST /script?{} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello";
    check(&TestServer::serving(guest::SCRIPT), request, &cases);
}

#[test]
fn connection_close_is_answered_with_close() {
    let hello = ok_chunked_close!("5\r\nHello\r\n0\r\n\r\n");
    let cases = [
        ("body=Hello", hello, Close),
        ("write=Hello&body=", hello, Close),
        ("write=Hello&end&close", hello, Close),
        ("write=Hello&close", hello, Close),
        ("close", "", Close),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET_LAST, &cases);
}

#[test]
fn without_the_chunked_coding_a_body_has_a_length_or_ends_with_the_connection() {
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
        ("body=", ok!("Content-Length: 0\r\n", ""), KeepAlive),
        ("end&close", ok!("Content-Length: 0\r\n", ""), KeepAlive),
        ("write=Hello&body=", ok!("Connection: close\r\n", "Hello"), Close),
        ("write=Hello&write=World!&body=Bye", ok!("Connection: close\r\n", "HelloWorld!Bye"), Close),
        ("write=Hello&end&close", ok!("Connection: close\r\n", "Hello"), Close),
        ("write=Hello&close", ok!("Connection: close\r\n", "Hello"), Close),
        ("write=Hello&close-now", ok!("Connection: close\r\n", "Hello"), Close),
        ("close", "", Close),
        ("close-now", "", Close),
    ];
    check(&serve_with("chunked = false"), GET_OTHER, &cases);
}

#[test]
fn head_gets_the_fields_of_get_and_no_body() {
    let chunked = ok_chunked!("");
    let cases = [
        ("body=Hello", chunked, KeepAlive),
        ("write=Hello&body=World!", chunked, KeepAlive),
        ("write=Hello&end&close", chunked, KeepAlive),
        ("end&body=", chunked, KeepAlive),
        ("set=content-length:5&body=", ok!("Content-Length: 5\r\n", ""), KeepAlive),
        ("set=content-length:5&body=Hello", ok!("Content-Length: 5\r\n", ""), KeepAlive),
        ("close", "", Close),
    ];
    check(&TestServer::serving(guest::SCRIPT), HEAD, &cases);
    let cases =
        [("body=Hello", ok!("Content-Length: 5\r\n", ""), KeepAlive), ("write=Hello&body=", ok!("", ""), KeepAlive)];
    check(&serve_with("chunked = false"), HEAD_OTHER, &cases);
}

#[test]
fn a_status_without_a_body_has_neither_body_nor_framing() {
    let no_content = "HTTP/1.1 204 No Content\r\nDate: <date>\r\n\r\n";
    let reset_content = "HTTP/1.1 205 Reset Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Length: 0\r\n\r\n";
    let not_modified = "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\netag: 1\r\n\r\n";
    let cases = [
        ("status=204&body=", no_content, KeepAlive),
        ("status=204&body=dropped", no_content, KeepAlive),
        ("status=204&write=dropped&write=dropped&body=dropped", no_content, KeepAlive),
        ("status=204&end&close", no_content, KeepAlive),
        ("status=204&set=content-length:5&body=Hello", no_content, KeepAlive),
        ("status=205&body=dropped", reset_content, KeepAlive),
        ("status=304&set=etag:1&body=dropped", not_modified, KeepAlive),
        ("status=304&set=etag:1&write=dropped&body=", not_modified, KeepAlive),
    ];
    let server = serve_with("chunked = false");
    check(&server, GET, &cases);
    check(&server, HEAD, &cases);
    check(&server, GET_OTHER, &cases);
}

#[test]
fn the_second_write_of_a_body_that_is_dropped_says_closed() {
    let server = TestServer::start(RoutesDir::new().with_as("said_without_body.wasm", guest::SCRIPT));
    server.exchange(GET_LAST.replace("{}", "status=204&write=a&write=b&log"));
    log().wait_for(&["said_without_body", "write: ok"]);
    log().wait_for(&["said_without_body", "write: closed"]);
}

#[test]
fn chunks_are_cut_at_buffer_size() {
    let cases = [
        (
            "write=HelloWorld&body=abcdef",
            ok_chunked!("4\r\nHell\r\n4\r\noWor\r\n2\r\nld\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"),
            KeepAlive,
        ),
        ("body=abcd", ok_chunked!("4\r\nabcd\r\n0\r\n\r\n"), KeepAlive),
        ("write=a&write=b&body=", ok_chunked!("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), KeepAlive),
    ];
    check(&serve_with("buffer_size = 4"), GET_OTHER, &cases);
}

#[test]
fn without_stream_writes_are_gathered_until_half_of_buffer_size() {
    let cases = [
        ("write=abc&write=def&write=ghi&body=jk", ok_chunked!("9\r\nabcdefghi\r\n2\r\njk\r\n0\r\n\r\n"), KeepAlive),
        ("write=a&write=b&body=c", ok_chunked!("3\r\nabc\r\n0\r\n\r\n"), KeepAlive),
        ("write=a&write=b&end&close", ok_chunked!("2\r\nab\r\n0\r\n\r\n"), KeepAlive),
        ("write=a&write=b&close", ok_chunked!("2\r\nab\r\n0\r\n\r\n"), Close),
        (
            "write=abcdefghijklmnopqrst&body=",
            ok_chunked!("10\r\nabcdefghijklmnop\r\n4\r\nqrst\r\n0\r\n\r\n"),
            KeepAlive,
        ),
    ];
    check(&serve_with("stream = false\nbuffer_size = 16"), GET_OTHER, &cases);
}

#[test]
fn a_declared_length_takes_the_place_of_the_chunked_coding() {
    let hello = ok!("Content-Length: 5\r\n", "Hello");
    let cases = [
        ("set=content-length:5&body=Hello", hello, KeepAlive),
        ("set=content-length:5&write=Hel&write=lo&body=", hello, KeepAlive),
        ("set=content-length:5&write=Hel&body=lo", hello, KeepAlive),
        ("set=content-length:5&write=Hello&end&close", hello, KeepAlive),
        ("set=content-length:5&write=Hello&close", hello, Close),
        ("set=Content-Length:5&write=Hello&write=more&body=", hello, KeepAlive),
        ("set=content-length:5&remove=content-length&body=Hi", ok_chunked!("2\r\nHi\r\n0\r\n\r\n"), KeepAlive),
    ];
    let server = serve_with("chunked = false");
    check(&server, GET, &cases);
    check(&server, GET_OTHER, &cases[..6]);
}

#[test]
fn a_body_that_contradicts_its_length_is_an_error_or_truncated() {
    let cases = [
        ("set=content-length:3&body=Hello", INTERNAL_SERVER_ERROR, KeepAlive),
        ("set=content-length:10&body=Hello", INTERNAL_SERVER_ERROR, KeepAlive),
        ("set=content-length:10&end&close", ok!("Content-Length: 10\r\n", ""), Close),
        ("set=content-length:10&write=Hello&body=", ok!("Content-Length: 10\r\n", "Hello"), Close),
        ("set=content-length:10&write=Hello&end&close", ok!("Content-Length: 10\r\n", "Hello"), Close),
        ("set=content-length:10&write=Hello&close", ok!("Content-Length: 10\r\n", "Hello"), Close),
        ("set=content-length:7&write=Hello&body=World", ok!("Content-Length: 7\r\n", "Hello"), Close),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn a_write_past_the_declared_length_is_refused_and_changes_nothing() {
    let created = "HTTP/1.1 201 Created\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Length: 3\r\n\r\nabc";
    let cases = [
        ("set=content-length:3&write=Hello&status=201&body=abc", created, KeepAlive),
        ("set=content-length:3&write=Hello&body=", INTERNAL_SERVER_ERROR, KeepAlive),
        ("set=content-length:5&write=Hel&write=World&body=lo", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
    ];
    let server = serve_with("buffer_size = 4");
    check(&server, GET, &cases);
    check(&server, GET_OTHER, &cases);
}

#[test]
fn status_and_fields_are_sent_as_the_handler_set_them() {
    let cases = [
        (
            "status=201&set=X-One:1&append=X-One:2&set=Content-Type:text/plain&body=Hi",
            "HTTP/1.1 201 Created\r\nDate: <date>\r\nX-One: 1\r\nX-One: 2\r\nContent-Type: text/plain\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nHi\r\n0\r\n\r\n",
            KeepAlive,
        ),
        (
            "status=299&set=x-a:1&set=x-a:2&set=x-b:3&remove=X-B&body=",
            "HTTP/1.1 299 \r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\nx-a: 2\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            KeepAlive,
        ),
        (
            "set=date:now&body=",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\ndate: now\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            KeepAlive,
        ),
    ];
    check(&TestServer::serving(guest::SCRIPT), GET, &cases);
}

#[test]
fn the_route_sets_status_and_type_unless_the_handler_does() {
    let cases = [
        (
            "body=Hi",
            "HTTP/1.1 202 Accepted\r\nDate: <date>\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nHi\r\n0\r\n\r\n",
            KeepAlive,
        ),
        (
            "status=404&set=content-type:a/b&body=",
            "HTTP/1.1 404 Not Found\r\nDate: <date>\r\ncontent-type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\n",
            KeepAlive,
        ),
    ];
    check(&serve_with("status = 202\ncontent_type = \"text/plain\""), GET_OTHER, &cases);
}

#[test]
fn fields_of_the_connection_are_forbidden_to_handlers() {
    let names = ["Connection", "keep-alive", "proxy-connection", "te", "trailer", "Transfer-Encoding", "upgrade"];
    let server = TestServer::serving(guest::SCRIPT);
    for name in names {
        let commands = format!("set={name}:close&append={name}:close&report");
        let report = "set: forbidden\nappend: forbidden\n";
        let response = format!(
            "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{report}\r\n0\r\n\r\n",
            report.len()
        );
        assert_eq!(server.exchange(GET_LAST.replace("{}", &commands)), response, "{name}");
    }
}

#[test]
fn the_head_is_fixed_with_the_first_write() {
    let server = TestServer::start(RoutesDir::new().with_as("said_after_the_head.wasm", guest::SCRIPT));
    server.exchange(GET_LAST.replace("{}", "write=a&status=201&set=x-a:1&append=x-a:1&remove=x-a&log"));
    for call in ["status", "set", "append", "remove"] {
        log().wait_for(&["said_after_the_head", &format!("{call}: head-already-sent")]);
    }
}
