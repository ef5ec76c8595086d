//! RFC 9110 as wire bytes: methods, expectations, statuses and fields, as far as they bind an origin server. Each row
//! names its section. How messages are written is in `rfc9112`.

use host::http::status::reason;

use crate::support::wire::{LAST, LAST_RESPONSE, SCRIPT_HELLO, get};
use crate::support::{Client, Refused, RoutesDir, TestServer, guest, refuse};

/// `/script` takes every standard method, `/get` GET alone, `/own` a method of its own and PUT.
fn server() -> TestServer {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let routes = routes.with_as("get.wasm", guest::SCRIPT).with_file("get.toml", "path = '/get'\nmethods = ['GET']");
    let routes =
        routes.with_as("own.wasm", guest::SCRIPT).with_file("own.toml", "path = '/own'\nmethods = ['BREW', 'PUT']");
    let server = TestServer::start(routes.with_file("script.toml", "max_body = 10"));
    assert_eq!(server.diagnostics(), []);
    server
}

/// An answer of the host's own on a connection that lives on.
fn host_response(status: u16, fields: &str, text: &str) -> String {
    let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
    // Section 12.5.5: what a cache may keep says that others get a page in its place.
    let vary = if matches!(status, 404 | 405 | 501) { "Vary: Accept\r\n" } else { "" };
    let described = match text.len() {
        0 => fields.to_owned(),
        length => format!("Content-Type: text/plain; charset=utf-8\r\n{fields}{vary}Content-Length: {length}\r\n"),
    };
    format!("HTTP/1.1 {status} {}\r\nDate: <date>\r\n{described}\r\n{text}", reason(status))
}

#[test]
fn methods_are_known_and_allowed_or_answered_501_and_405() {
    let allow_get = "Allow: GET, HEAD, OPTIONS\r\n";
    let allow_own = "Allow: PUT, OPTIONS, BREW\r\n";
    let allow_all = "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, BREW\r\n";
    let unknown = |method: &str| host_response(501, "", &format!("no route takes the method {method}"));
    let rows = [
        // Section 9.1: unknown to every route is 501, known is 405, and case matters.
        ("9.1", "BREW /own?body=Hello", SCRIPT_HELLO.to_owned()),
        ("9.1", "TEA /script", unknown("TEA")),
        ("9.1", "TEA /none", unknown("TEA")),
        ("9.1", "get /script", unknown("get")),
        ("9.1", "Post /script", unknown("Post")),
        ("9.1", "brew /own", unknown("brew")),
        ("9.1", "PROPFIND /script", unknown("PROPFIND")),
        ("9.1", "!#$%&'*+-.^_`|~ /script", unknown("!#$%&'*+-.^_`|~")),
        // Section 9.3.8: the request is not sent back.
        ("9.3.8", "TRACE /script", unknown("TRACE")),
        // Sections 10.2.1 and 15.5.6.
        (
            "15.5.6",
            "POST /get",
            host_response(405, allow_get, "POST is not allowed for /get (allowed: GET, HEAD, OPTIONS)"),
        ),
        (
            "15.5.6",
            "DELETE /get",
            host_response(405, allow_get, "DELETE is not allowed for /get (allowed: GET, HEAD, OPTIONS)"),
        ),
        (
            "15.5.6",
            "BREW /get",
            host_response(405, allow_get, "BREW is not allowed for /get (allowed: GET, HEAD, OPTIONS)"),
        ),
        (
            "15.5.6",
            "GET /own",
            host_response(405, allow_own, "GET is not allowed for /own (allowed: PUT, OPTIONS, BREW)"),
        ),
        // Section 9.3.7.
        ("9.3.7", "OPTIONS /get", host_response(204, allow_get, "")),
        ("9.3.7", "OPTIONS /own", host_response(204, allow_own, "")),
        ("9.3.7", "OPTIONS *", host_response(204, allow_all, "")),
        ("9.3.7", "OPTIONS http://it", host_response(204, allow_all, "")),
        ("9.3.7", "OPTIONS /script?body=Hello", SCRIPT_HELLO.to_owned()),
        ("9.3.7", "OPTIONS /none", host_response(404, "", "there is no route at /none")),
        // Section 15.5.5.
        ("15.5.5", "GET /none", host_response(404, "", "there is no route at /none")),
        ("15.5.5", "PUT /none", host_response(404, "", "there is no route at /none")),
    ];
    let server = server();
    for (section, line, response) in rows {
        let sent = server.exchange(format!("{line} HTTP/1.1\r\nHost: it\r\n\r\n{LAST}"));
        assert_eq!(sent, response + LAST_RESPONSE, "section {section}: {line}");
    }
    refuse(&server, &[("9.3.6", b"CONNECT it:443 HTTP/1.1\r\nHost: it\r\n\r\n", 501)]);
}

// Section 9.3.2.
#[test]
fn head_gets_the_head_of_get_whatever_the_status() {
    let server = server();
    let requests = [
        "/script?body=Hello",
        "/script?status=404&body=Hello",
        "/script?set=content-length:5&body=Hello",
        "/script?trap",
        "/script?status=204",
        "/script?status=304",
        "/none",
        "/own",
        "/%ff",
    ];
    for target in requests {
        let mut client = server.connect();
        client.send(get(target));
        let response = client.read_response();
        let (head, _) = response.split_once("\r\n\r\n").expect("a head ends in an empty line");
        let head = match target {
            // The one difference: what GET is not allowed is not what HEAD is not.
            "/own" => head.replace("Content-Length: 58", "Content-Length: 59"),
            _ => head.to_owned(),
        };
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: it\r\n\r\n{LAST}"));
        assert_eq!(client.read_to_end(), format!("{head}\r\n\r\n{LAST_RESPONSE}"), "{target}");
    }
}

// Section 10.1.1, to HTTP/1.1 and with a body that has not begun: never both held back.
#[test]
fn expectations_are_met_passed_over_or_refused() {
    let server = server();
    for value in ["tea", "100-continue, tea", "100-continue=1", "100-continued", "\"100-continue\"", "100"] {
        for target in ["/script?read", "/none"] {
            for (version, method) in [("1.1", "POST"), ("1.1", "GET"), ("1.0", "POST")] {
                let line = format!("{method} {target} HTTP/{version}");
                let request = format!("{line}\r\nHost: it\r\nExpect: {value}\r\nContent-Length: 5\r\n\r\nHello");
                refuse(&server, &[("10.1.1", request.as_bytes(), 417)]);
            }
        }
    }
    // Without a body there is nothing to go on with, and nothing is expected of an empty list.
    for fields in ["Expect: 100-continue", "Expect: 100-continue\r\nContent-Length: 0", "Expect:", "Expect: ,"] {
        let request = format!("GET /script?read-one=1&body=Hello HTTP/1.1\r\nHost: it\r\n{fields}\r\n\r\n");
        assert_eq!(server.exchange(request + LAST), SCRIPT_HELLO.to_owned() + LAST_RESPONSE, "{fields}");
    }
    // A final status in its place leaves open whether the body follows: the connection ends with it.
    let rows: &[(&str, &str, u16)] =
        &[("10.1.1", "POST /none", 404), ("10.1.1", "POST /get", 405), ("10.1.1", "TEA /script", 501)];
    for (section, line, status) in rows {
        let fields = "Host: it\r\nExpect: 100-continue\r\nContent-Length: 5";
        let response = server.exchange(format!("{line} HTTP/1.1\r\n{fields}\r\n\r\n"));
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "section {section}: {response:?}");
        assert!(response.contains("\r\nConnection: close\r\n"), "section {section}: {response:?}");
    }
    let response =
        server.exchange("POST /script HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 413 ") && response.contains("\r\nConnection: close\r\n"), "{response:?}");
}

// Section 15.5.14, and sections 9.3 and 9.6 of RFC 9112: what is dropped is bounded, or the connection ends.
#[test]
fn a_body_that_is_refused_is_dropped_or_ends_the_connection() {
    let server = server();
    let too_large = host_response(413, "", "the body is larger than 10 bytes");
    let not_found = host_response(404, "", "there is no route at /none");
    let not_allowed = host_response(
        405,
        "Allow: GET, HEAD, OPTIONS\r\n",
        "POST is not allowed for /get (allowed: GET, HEAD, OPTIONS)",
    );
    let unknown = host_response(501, "", "no route takes the method TEA");
    let short = "x".repeat(20_000);
    let long = "x".repeat(300_000);
    let lines = [
        ("POST /script", &too_large),
        ("POST /none", &not_found),
        ("POST /get", &not_allowed),
        ("TEA /script", &unknown),
    ];
    for (line, response) in lines {
        let request = |fields: &str, body: &str| format!("{line} HTTP/1.1\r\nHost: it\r\n{fields}\r\n\r\n{body}{LAST}");
        let sent = server.exchange(request(&format!("Content-Length: {}", short.len()), &short));
        assert_eq!(sent, response.clone() + LAST_RESPONSE, "{line}");
        let sent = server.exchange(request(&format!("Content-Length: {}", long.len()), &long));
        let closing = response.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
        assert_eq!(sent, closing, "{line}");
        if line != "POST /script" {
            let sent = server.exchange(request("Transfer-Encoding: chunked", &format!("4e20\r\n{short}\r\n0\r\n\r\n")));
            assert_eq!(sent, response.clone() + LAST_RESPONSE, "{line}");
            let sent = server.exchange(request("Transfer-Encoding: chunked", &format!("493e0\r\n{long}\r\n0\r\n\r\n")));
            assert_eq!(sent, closing, "{line}");
        }
    }
}

#[test]
fn max_body_is_exact_in_both_framings() {
    let server = server();
    let ten = ok_chunked!("2\r\n10\r\n0\r\n\r\n");
    for body in
        ["Content-Length: 10\r\n\r\n0123456789", "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"]
    {
        let request = format!("POST /script?count HTTP/1.1\r\nHost: it\r\n{body}{LAST}");
        assert_eq!(server.exchange(request), ten.to_owned() + LAST_RESPONSE, "{body}");
    }
    // The length is known before the handler runs; chunks are counted as it reads.
    let body = "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\n0\r\n0\r\n\r\n";
    let request = format!("POST /script?count HTTP/1.1\r\nHost: it\r\n{body}{LAST}");
    refuse(&server, &[("15.5.14", request.as_bytes(), 413)]);
}

// Sections 2.5, 5.5, 6.5.1, 7.6.1, 7.8, 10.1.4, 14.2: what an origin server may pass over, it does.
#[test]
fn fields_that_ask_for_what_is_not_offered_change_nothing() {
    let server = server();
    let fields = [
        "Upgrade: websocket\r\nConnection: upgrade",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings",
        "Connection: host",
        "Connection: transfer-encoding, content-length",
        "TE: trailers, deflate;q=0.5\r\nConnection: TE",
        "Trailer: A",
        "Max-Forwards: 0",
        "Range: bytes=0-1",
        "If-None-Match: *",
        "Accept: text/nothing",
        "Accept-Encoding: identity;q=0",
        "Via: 1.0 a, 1.1 b",
        "Keep-Alive: timeout=1, max=1",
        "Proxy-Connection: close",
        "A: \u{e9}\u{1f600}",
        "X-HTTP-Method-Override: DELETE",
    ];
    for fields in fields {
        let request = format!("GET /script?body=Hello HTTP/1.1\r\nHost: it\r\n{fields}\r\n\r\n");
        assert_eq!(server.exchange(request + LAST), SCRIPT_HELLO.to_owned() + LAST_RESPONSE, "{fields}");
    }
    // Section 7.8: HTTP/1.0 has no Upgrade; section 2.5: the version is the host's own.
    let request = "GET /script?body=Hello HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(server.exchange(request), ok!("Content-Length: 5\r\nConnection: close\r\n", "Hello"));
}

// Section 6.5.1.
#[test]
fn trailers_never_become_fields() {
    let server = server();
    let request = "POST /script?count&ask=field:a&ask=fields&log HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n\
        1\r\nx\r\n0\r\nA: b\r\nHost: other\r\nConnection: close\r\n\r\n";
    let mut client: Client = server.connect();
    client.send(request.to_owned() + LAST);
    assert_eq!(client.read_to_end(), ok_chunked!("1\r\n1\r\n0\r\n\r\n").to_owned() + LAST_RESPONSE);
    crate::support::log().wait_for(&["host=it;transfer-encoding=chunked;"]);
}

#[test]
fn what_is_no_field_of_a_request_is_refused_before_any_route() {
    let rows: &[Refused] = &[
        ("4.2.4", b"GET http://user@it/none HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("5.6.2", b"GET /none HTTP/1.1\r\nHost: it\r\nA{: b\r\n\r\n", 400),
        ("7.2", b"POST /get HTTP/1.1\r\n\r\n", 400),
        ("8.6", b"TEA /script HTTP/1.1\r\nHost: it\r\nContent-Length: x\r\n\r\n", 400),
        ("15.6.6", b"GET /none HTTP/3.0\r\nHost: it\r\n\r\n", 505),
    ];
    refuse(&server(), rows);
}
