//! Bodies that the host has whole before their head is sent: `chunked = "auto"`, and ranges of them.

use host::options::Value;

use crate::support::Connection::{Close, KeepAlive};
use crate::support::{RoutesDir, TestServer, check, check_before, guest};

const GET: &str = get!("/auto?{}");
const HEAD: &str = "HEAD /auto?{} HTTP/1.1\r\nHost: it\r\n\r\n";
const GET_10: &str = "GET /auto?{} HTTP/1.0\r\n\r\n";

/// A request for a range, with a body that has a strong tag.
macro_rules! ranged {
    ($fields:literal) => {
        concat!("GET /auto?set=etag:%221%22&body={} HTTP/1.1\r\nHost: it\r\n", $fields, "\r\n")
    };
}

/// The response of the whole body `HelloWorld`.
const WHOLE: &str = ok!("etag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n", "HelloWorld");

/// The guest `script` at `/script`, and at `/auto`, where the chunked coding is used if needed.
fn serve() -> TestServer {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("auto.wasm", guest::SCRIPT);
    TestServer::start(routes.with_file("auto.toml", "path = \"/auto\"\nchunked = \"auto\""))
}

/// A 206 of a part of `HelloWorld`.
macro_rules! part {
    ($range:literal, $length:literal, $body:literal) => {
        concat!(
            "HTTP/1.1 206 Partial Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\netag: \"1\"\r\n\
             Accept-Ranges: bytes\r\nContent-Range: bytes ",
            $range,
            "/10\r\nContent-Length: ",
            $length,
            "\r\n\r\n",
            $body
        )
    };
}

#[test]
fn a_whole_body_has_its_length_and_written_chunks_are_chunked() {
    let server = serve();
    let no_content = "HTTP/1.1 204 No Content\r\nDate: <date>\r\n\r\n";
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
        ("body=", ok!("Content-Length: 0\r\n", ""), KeepAlive),
        ("end&close", ok!("Content-Length: 0\r\n", ""), KeepAlive),
        ("write=Hello&body=", ok_chunked!("5\r\nHello\r\n0\r\n\r\n"), KeepAlive),
        ("write=Hello&body=World!", ok_chunked!("5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n"), KeepAlive),
        ("write=Hello&close", ok_chunked!("5\r\nHello\r\n0\r\n\r\n"), Close),
        ("set=content-length:5&write=Hel&body=lo", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
        ("status=204&body=dropped", no_content, KeepAlive),
        ("status=304&body=dropped", "HTTP/1.1 304 Not Modified\r\nDate: <date>\r\n\r\n", KeepAlive),
        ("close", "", Close),
    ];
    check(&server, GET, &cases);
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\n", ""), KeepAlive),
        ("write=Hello&body=", ok_chunked!(""), KeepAlive),
    ];
    check(&server, HEAD, &cases);
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\nConnection: close\r\n", "Hello"), Close),
        ("write=Hello&body=", ok!("Connection: close\r\n", "Hello"), Close),
    ];
    check(&server, GET_10, &cases);
}

#[test]
fn the_flag_is_for_every_route_and_the_file_has_the_last_word() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("usual.wasm", guest::SCRIPT);
    let routes = routes.with_file("usual.toml", "path = \"/usual\"\nchunked = true");
    let server = TestServer::builder(routes).option("chunked", Value::Text("auto".to_owned())).start();
    let next = (get_and_close!("/usual?body=next"), ok_chunked_close!("4\r\nnext\r\n0\r\n\r\n"));
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
        ("write=a&body=b", ok_chunked!("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), KeepAlive),
    ];
    check_before(&server, get!("/script?{}"), &cases, next);
}

#[test]
fn a_range_of_a_whole_body_is_sent_to_who_asks() {
    let server = serve();
    let table = [
        (ranged!("Range: bytes=2-4\r\n"), part!("2-4", 3, "llo")),
        (ranged!("Range: bytes=5-\r\n"), part!("5-9", 5, "World")),
        (ranged!("Range: bytes=-3\r\n"), part!("7-9", 3, "rld")),
        (ranged!("Range: bytes=5-\r\nIf-Range: \"1\"\r\n"), part!("5-9", 5, "World")),
        (ranged!("Range: bytes=5-\r\nIf-Range: \"2\"\r\n"), WHOLE),
        (ranged!("Range: bytes=5-\r\nIf-Range: W/\"1\"\r\n"), WHOLE),
        (ranged!("Range: bytes=0-1,3-4\r\n"), WHOLE),
        (ranged!("Range: bytes=0-1\r\nRange: bytes=3-4\r\n"), WHOLE),
        (ranged!("Range: bytes=nonsense\r\n"), WHOLE),
        (ranged!(""), WHOLE),
        (
            ranged!("Range: bytes=10-\r\n"),
            host_response!(
                "416 Range Not Satisfiable",
                "Content-Range: bytes */10\r\n",
                22,
                "",
                "Range Not Satisfiable\n"
            ),
        ),
    ];
    for (request, expected) in table {
        check(&server, request, &[("HelloWorld", expected, KeepAlive)]);
    }
    let head = "HEAD /auto?set=etag:%221%22&body={} HTTP/1.1\r\nHost: it\r\nRange: bytes=2-4\r\n\r\n";
    let told = ok!("etag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n", "");
    check(&server, head, &[("HelloWorld", told, KeepAlive)]);
    let post =
        "POST /auto?set=etag:%221%22&body={} HTTP/1.1\r\nHost: it\r\nRange: bytes=2-4\r\nContent-Length: 0\r\n\r\n";
    check(&server, post, &[("HelloWorld", ok!("etag: \"1\"\r\nContent-Length: 10\r\n", "HelloWorld"), KeepAlive)]);
}

#[test]
fn a_range_that_its_handler_does_not_offer_is_ignored() {
    let request = "GET /auto?{} HTTP/1.1\r\nHost: it\r\nRange: bytes=2-4\r\n\r\n";
    let cases = [
        ("body=Hello", ok!("Content-Length: 5\r\n", "Hello"), KeepAlive),
        ("set=etag:W/%221%22&body=Hello", ok!("etag: W/\"1\"\r\nContent-Length: 5\r\n", "Hello"), KeepAlive),
        (
            "set=etag:%221%22&set=accept-ranges:none&body=Hello",
            ok!("etag: \"1\"\r\naccept-ranges: none\r\nContent-Length: 5\r\n", "Hello"),
            KeepAlive,
        ),
        (
            "set=etag:%221%22&write=Hello&body=",
            ok!("etag: \"1\"\r\nTransfer-Encoding: chunked\r\n", "5\r\nHello\r\n0\r\n\r\n"),
            KeepAlive,
        ),
    ];
    check(&serve(), request, &cases);
    // In the chunked coding there is no length, so there are no ranges.
    let chunked = TestServer::serving(guest::SCRIPT);
    let expected = ok!("etag: \"1\"\r\nTransfer-Encoding: chunked\r\n", "5\r\nHello\r\n0\r\n\r\n");
    let cases = [("set=etag:%221%22&body=Hello", expected, KeepAlive)];
    check(&chunked, "GET /script?{} HTTP/1.1\r\nHost: it\r\nRange: bytes=2-4\r\n\r\n", &cases);
}

#[test]
fn a_last_modified_date_is_a_validator_of_ranges_too() {
    let date = "Sun,%2006%20Nov%201994%2008:49:37%20GMT";
    let commands = format!("set=last-modified:{date}&body=Hello");
    let part = "HTTP/1.1 206 Partial Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
        last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 4-4/5\r\n\
        Content-Length: 1\r\n\r\no";
    let whole =
        ok!("last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\nContent-Length: 5\r\n", "Hello");
    let server = serve();
    let of = |if_range: &str| {
        format!("GET /auto?{{}} HTTP/1.1\r\nHost: it\r\nRange: bytes=4-\r\nIf-Range: {if_range}\r\n\r\n")
    };
    check(&server, &of("Sun, 06 Nov 1994 08:49:37 GMT"), &[(&commands, part, KeepAlive)]);
    check(&server, &of("Sun, 06 Nov 1994 08:49:38 GMT"), &[(&commands, whole, KeepAlive)]);
}

#[test]
fn middleware_sees_the_whole_response_and_a_part_follows_it() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("auto.wasm", guest::SCRIPT);
    let routes = routes.with_as("_a.wasm", guest::LAYER).with_file("_a.toml", "name = \"a\"");
    let routes = routes.with_file("auto.toml", "path = \"/auto\"\nchunked = \"auto\"\nmiddleware = [\"a\"]");
    let server = TestServer::start(routes);
    let request = "GET /auto?{} HTTP/1.1\r\nHost: it\r\nRange: bytes=1-2\r\n\r\n";
    let part = "HTTP/1.1 206 Partial Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
        etag: \"1\"\r\nx-trace: a\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 1-2/5\r\nContent-Length: 2\r\n\r\nel";
    let whole = ok!("x-trace: a\r\nContent-Length: 5\r\n", "Hello");
    let teapot = "HTTP/1.1 418 \r\n";
    let cases = [("set=etag:%221%22&body=Hello", part, KeepAlive), ("body=Hello", whole, KeepAlive)];
    check(&server, request, &cases);
    // A middleware that changes the status ends the offer, and one that sets a tag makes it.
    let changed = server.exchange(get_and_close!("/auto?set=etag:%221%22&a-response=status:418&body=Hello"));
    assert!(
        changed.starts_with(teapot) && changed.ends_with("Content-Length: 5\r\nConnection: close\r\n\r\nHello"),
        "{changed}"
    );
    let tagged = "GET /auto?a-response=set:etag=%221%22&body={} HTTP/1.1\r\nHost: it\r\nRange: bytes=1-2\r\n\r\n";
    let part = "HTTP/1.1 206 Partial Content\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n\
        x-trace: a\r\netag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 1-2/5\r\nContent-Length: 2\r\n\r\nel";
    check(&server, tagged, &[("Hello", part, KeepAlive)]);
}

#[test]
fn components_of_wasi_http_write_so_they_have_chunks_unless_they_declare_a_length() {
    let auto = "chunked = \"auto\"";
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let routes = routes.with_as("p2.wasm", guest::WASI_SCRIPT).with_file("p2.toml", auto);
    let server = TestServer::start(routes.with_as("p3.wasm", guest::WASI_SCRIPT_P3).with_file("p3.toml", auto));
    for request in [get!("/p2?{}"), get!("/p3?{}")] {
        let cases = [
            ("set&write=Hello&finish", untyped_chunked!("5\r\nHello\r\n0\r\n\r\n"), KeepAlive),
            ("set-without-body", untyped!("Content-Length: 0\r\n", ""), KeepAlive),
            ("append=content-length:5&set&write=Hello&finish", untyped!("Content-Length: 5\r\n", "Hello"), KeepAlive),
            (
                "append=etag:%221%22&append=content-length:5&set&write=Hello&finish",
                untyped!("etag: \"1\"\r\nContent-Length: 5\r\n", "Hello"),
                KeepAlive,
            ),
        ];
        check(&server, request, &cases);
        check(&server, &request.replace("Host: it", "Host: it\r\nRange: bytes=0-1"), &cases);
    }
}
