//! RFC 9112 as wire bytes, sections 2 to 5 and 9: heads that are refused and heads that are served, and how
//! connections end. Each row names its section. What follows a head is in `rfc9112_body`.

use std::fmt::Write;

use crate::support::wire::{LAST, LAST_RESPONSE, SCRIPT_HELLO};
use crate::support::{Client, End, Refused, TestServer, guest, refuse};

#[test]
fn a_request_line_is_three_parts_with_a_space_between_them() {
    let rows: &[Refused] = &[
        // Section 2.2: CRLF alone ends a line, and nothing but an empty line comes before the first.
        ("2.2", b"GET /script HTTP/1.1\nHost: it\n\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\nHost: it\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\nHost: it\r\n\n", 400),
        ("2.2", b"GET /script\r HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\rHost: it\r\n\r\n", 400),
        ("2.2", b"GET /scr\0ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b" GET /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"\nGET /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"\rGET /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"\r\n\r\n\r\n\r\n\r\nGET /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\n Host: it\r\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\n\tA: b\r\nHost: it\r\n\r\n", 400),
        ("2.2", b"GET /script HTTP/1.1\r\n \r\nHost: it\r\n\r\n", 400),
        ("2.2", b"\xef\xbb\xbfGET /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        // Section 2.3: the name in upper case, one digit, a dot, one digit.
        ("2.3", b"GET /script http/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/1.\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/1.10\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/01.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/1,1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP /1.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/ 1.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/1.1x\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTPS/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script ICY/1.1\r\nHost: it\r\n\r\n", 400),
        ("2.3", b"GET /script HTTP/0.9\r\nHost: it\r\n\r\n", 505),
        ("2.3", b"GET /script HTTP/2.0\r\nHost: it\r\n\r\n", 505),
        ("2.3", b"GET /script HTTP/9.9\r\nHost: it\r\n\r\n", 505),
        ("2.3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        // Section 3: method SP target SP version.
        ("3", b"GET\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /script\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET  /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /script  HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /script HTTP/1.1 \r\nHost: it\r\n\r\n", 400),
        ("3", b"GET\t/script\tHTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /script\tHTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /script\x0cHTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET /a b HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"GET  HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        // Section 3.1: a method is a token; one of 33 bytes is longer than any.
        ("3.1", b"G(T /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.1", b"G\"T /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.1", b"GET: /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.1", b"G\xc9T /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3", b"MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM /script HTTP/1.1\r\nHost: it\r\n\r\n", 501),
    ];
    refuse(&TestServer::serving(guest::SCRIPT), rows);
}

#[test]
fn a_target_has_one_of_four_forms() {
    let rows: &[Refused] = &[
        // Section 3.2.1: a path of RFC 3986, and a query.
        ("3.2", b"GET script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2", b"GET ?script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2", b"GET ../script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script#part HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?a#part HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr\xc3\xadpt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?\xff HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?\x7f HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script\x01 HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr<ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr\"ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr\\ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr{i}pt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr^ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /scr`ipt HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?<a> HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /% HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /%1 HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /%zz HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?%g0 HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.1", b"GET /script?a=% HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        // Section 3.2.2: a scheme that is served, and an authority that is one.
        ("3.2.2", b"GET ftp://it/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http:/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http:///script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://:80/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://user@it/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://user:word@it/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://it:x/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://it:65536/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://[::1/script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.2", b"GET http://it/script HTTP/1.1\r\n\r\n", 400),
        ("3.2.2", b"GET http://it/script HTTP/1.1\r\nHost: i t\r\n\r\n", 400),
        // Section 3.2.3: an authority is for CONNECT, and CONNECT is for proxies.
        ("3.2.3", b"GET it:80 HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.3", b"CONNECT /script HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.3", b"CONNECT http://it/ HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.3", b"CONNECT it:443 HTTP/1.1\r\nHost: it:443\r\n\r\n", 501),
        // Section 3.2.4: the asterisk is for OPTIONS.
        ("3.2.4", b"GET * HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.4", b"POST * HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.4", b"OPTIONS ** HTTP/1.1\r\nHost: it\r\n\r\n", 400),
        ("3.2.4", b"OPTIONS *?a HTTP/1.1\r\nHost: it\r\n\r\n", 400),
    ];
    refuse(&TestServer::serving(guest::SCRIPT), rows);
}

// Section 3.2, RFC 9110 sections 4.2 and 7.2.
#[test]
fn host_comes_once_and_is_a_host_with_perhaps_a_port() {
    let server = TestServer::serving(guest::SCRIPT);
    let wrong: &[&str] = &[
        "",
        " ",
        "i t",
        "it/",
        "http://it",
        "user@it",
        "it:x",
        "it:-1",
        "it:+80",
        "it:65536",
        "it:80:80",
        ":80",
        "it it",
        "it?",
        "it#",
        "i%t",
        "%zz",
        "[::1",
        "::1]",
        "::1",
        "[::g]",
        "[]",
        "[v1]",
        "[::1]x",
        "[::1]80",
        "<it>",
        "\"it\"",
        "i\\t",
        "it\t\tit",
    ];
    for host in wrong {
        for version in ["1.0", "1.1", "1.2"] {
            refuse(&server, &[("3.2", format!("GET /script HTTP/{version}\r\nHost: {host}\r\n\r\n").as_bytes(), 400)]);
        }
    }
    let rows: &[Refused] = &[
        ("3.2", b"GET /script HTTP/1.1\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.2\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.1\r\nHost: it\r\nHost: it\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.1\r\nHost: it\r\nA: b\r\nhOST: other\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.0\r\nHost: it\r\nHost: it\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.1\r\nHost: it\xff\r\n\r\n", 400),
        ("3.2", b"GET /script HTTP/1.1\r\nHost: it\0\r\n\r\n", 400),
        ("3.2", b"GET /none HTTP/1.1\r\n\r\n", 400),
        ("3.2", b"OPTIONS * HTTP/1.1\r\n\r\n", 400),
    ];
    refuse(&server, rows);
    let good: &[&str] = &[
        "it",
        "it,it",
        "IT",
        "it:",
        "it:80",
        "it:65535",
        "192.0.2.1:80",
        "[::1]",
        "[::1]:80",
        "[::ffff:192.0.2.1]",
        "[v1.a:b]",
        "a_b.example.",
        "xn--bcher-kva.example",
        "%69t",
        "a!$&'()*+;=~",
    ];
    for host in good {
        for line in [format!("Host: {host}"), format!("hOST:\t {host} \t")] {
            let request = format!("GET /script?body=Hello HTTP/1.1\r\n{line}\r\n\r\n");
            serve(&server, "3.2", &request, SCRIPT_HELLO);
        }
    }
}

#[test]
fn field_lines_are_a_name_a_colon_and_a_value() {
    let rows: &[&[u8]] = &[
        // Section 5.1: no white space before the colon, and a token for a name.
        b"A : b",
        b"A\t: b",
        b": b",
        b"A",
        b"A b: c",
        b"(A): b",
        b"A\"B: c",
        b"A=B: c",
        b"A\0: b",
        b"A\xe9: b",
        b"A/B: c",
        b"A[B]: c",
        b"A@B: c",
        b"A;B: c",
        b"A,B: c",
        b"\x0bA: b",
        // Section 5.2: no line that continues another.
        b"A: b\r\n c",
        b"A: b\r\n\tc",
        b"A: b\r\n ",
        b"A:\r\n b",
        b"A: b\r\n c: d",
        // RFC 9110 section 5.5: no control character but HTAB.
        b"A: b\rc",
        b"A: b\r",
        b"A: b\nc: d",
        b"A: b\0c",
        b"A: \0",
        b"A: b\x01c",
        b"A: b\x08c",
        b"A: b\x0bc",
        b"A: b\x0cc",
        b"A: b\x1fc",
        b"A: b\x7fc",
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for line in rows {
        for (before, behind) in [(&b"Host: it\r\n"[..], &b"\r\n\r\n"[..]), (b"", b"\r\nHost: it\r\n\r\n")] {
            let request = [b"GET /script HTTP/1.1\r\n", before, line, behind].concat();
            refuse(&server, &[("5", &request, 400)]);
        }
    }
}

// Sections 2.3, 3, 5 and RFC 9110 section 5.4.
#[test]
fn what_is_too_large_is_refused_and_what_rfc_9112_recommends_is_served() {
    let server = TestServer::serving(guest::SCRIPT);
    let long = |length: usize| "x".repeat(length);
    let fields = |count: usize| "A: b\r\n".repeat(count);
    let rows = [
        ("3", format!("GET /{} HTTP/1.1\r\nHost: it\r\n\r\n", long(16 * 1024)), 414),
        ("3", format!("GET /script?{} HTTP/1.1\r\nHost: it\r\n\r\n", long(64 * 1024)), 414),
        ("5", format!("GET /script HTTP/1.1\r\nHost: it\r\nA: {}\r\n\r\n", long(32 * 1024)), 431),
        ("5", format!("GET /script HTTP/1.1\r\nHost: it\r\n{}: b\r\n\r\n", long(32 * 1024)), 431),
        ("5", format!("GET /script HTTP/1.1\r\nHost: it\r\n{}\r\n", fields(100)), 431),
    ];
    for (section, request, status) in &rows {
        refuse(&server, &[(section, request.as_bytes(), *status)]);
    }
    let target = long(8_000 - "GET /script?body=Hello& HTTP/1.1".len());
    serve(&server, "3", &format!("GET /script?body=Hello&{target} HTTP/1.1\r\nHost: it\r\n\r\n"), SCRIPT_HELLO);
    let line = format!("A: {}", long(8_000 - 3));
    serve(&server, "5", &format!("GET /script?body=Hello HTTP/1.1\r\nHost: it\r\n{line}\r\n\r\n"), SCRIPT_HELLO);
    let most = fields(99);
    serve(&server, "5", &format!("GET /script?body=Hello HTTP/1.1\r\nHost: it\r\n{most}\r\n"), SCRIPT_HELLO);
}

#[test]
fn heads_that_are_unusual_and_right_are_served() {
    let server = TestServer::serving(guest::SCRIPT);
    let rows: &[(&str, &str, &str)] = &[
        (
            "2.2",
            "\r\n\r\nGET /script?ask=target&report HTTP/1.1\r\nHost: it\r\n\r\n",
            "target: /script?ask=target&report",
        ),
        ("2.3", "GET /script?ask=version&report HTTP/1.2\r\nHost: it\r\n\r\n", "version: HttpVersion::Http11"),
        ("2.3", "GET /script?ask=version&report HTTP/1.9\r\nHost: it\r\n\r\n", "version: HttpVersion::Http11"),
        ("3.2.1", "GET /%73cript?ask=path&report HTTP/1.1\r\nHost: it\r\n\r\n", "path: /%73cript"),
        // What browsers send as it was typed.
        ("3.2.1", "GET /script/a[1]|b?ask=path&report HTTP/1.1\r\nHost: it\r\n\r\n", "path: /script/a[1]|b"),
        ("3.2.1", "GET /script/[x]|%5Bx%5D?ask=param:rest&report HTTP/1.1\r\nHost: it\r\n\r\n", "param:rest: [x]|[x]"),
        ("3.2.1", "GET /script?ask=query&report&[] HTTP/1.1\r\nHost: it\r\n\r\n", "query: ask=query&report&[]"),
        ("3.2.1", "GET /script?ask=query&report&? HTTP/1.1\r\nHost: it\r\n\r\n", "query: ask=query&report&?"),
        ("3.2.2", "GET http://it/script?ask=path&report HTTP/1.1\r\nHost: it\r\n\r\n", "path: /script"),
        ("3.2.2", "GET HTTPS://it:443/script?ask=path&report HTTP/1.1\r\nHost: it\r\n\r\n", "path: /script"),
        // The authority of the target is what counts, and what the handler sees.
        ("3.2.2", "GET http://a/script?ask=field:host&report HTTP/1.1\r\nHost: b\r\n\r\n", "field:host: a"),
        ("3.2.2", "GET http://[::1]:8/script?ask=field:host&report HTTP/1.1\r\nHost: b\r\n\r\n", "field:host: [::1]:8"),
        ("5", "GET /script?ask=field:a&report HTTP/1.1\r\nHost: it\r\nA:b\r\n\r\n", "field:a: b"),
        ("5", "GET /script?ask=field:a&report HTTP/1.1\r\nHost: it\r\nA: \t b \t c\t \r\n\r\n", "field:a: b \\t c"),
        ("5", "GET /script?ask=field:a&report HTTP/1.1\r\nHost: it\r\nA:\r\n\r\n", "field:a: "),
        ("5", "GET /script?ask=field:a&report HTTP/1.1\r\nHost: it\r\nA: b\r\nB: c\r\na: d\r\n\r\n", "field:a: b, d"),
        ("5.1", "GET /script?ask=field:!%23$&report HTTP/1.1\r\nHost: it\r\n!#$: b\r\n\r\n", "field:!#$: b"),
    ];
    for (section, request, line) in rows {
        let mut response = String::from(ok_chunked!(""));
        let _ = write!(response, "{:x}\r\n{line}\n\r\n0\r\n\r\n", line.len() + 1);
        serve(&server, section, request, &response);
    }
}

// Section 9.6: the host ends its side, and reads on until the client ends its own.
#[test]
fn a_client_that_sends_on_after_a_refusal_still_reads_it() {
    let server = TestServer::serving(guest::SCRIPT);
    let flood = "x".repeat(900_000);
    let requests = [
        format!("GET /script HTTP/1.1\r\n\r\n{flood}"),
        format!("POST /script HTTP/1.1\r\nHost: it\r\nContent-Length: 900000\r\nContent-Length: 1\r\n\r\n{flood}"),
        format!("POST /none HTTP/1.1\r\nHost: it\r\nContent-Length: 900000\r\n\r\n{flood}"),
    ];
    for request in requests {
        let mut client = server.connect();
        client.send(&request);
        let (sent, end) = client.read_until_end();
        assert!(sent.starts_with("HTTP/1.1 4") && sent.contains("\r\nConnection: close\r\n"), "{sent:?}");
        assert_eq!(end, End::Closed, "{sent:?}");
    }
}

// Sections 9.3 and 9.6.
#[test]
fn a_connection_is_closed_exactly_where_the_response_says_so() {
    let server = TestServer::serving(guest::SCRIPT);
    let requests: &[&str] = &[
        "GET /script?body=Hello HTTP/1.1\r\nHost: it\r\n\r\n",
        "GET /script?body=Hello HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        "GET /script?body=Hello HTTP/1.1\r\nHost: it\r\nConnection: TE, cLoSe\r\n\r\n",
        "GET /script?body=Hello HTTP/1.1\r\nHost: it\r\nConnection: not-close\r\n\r\n",
        "GET /script?body=Hello HTTP/1.0\r\n\r\n",
        "GET /script?body=Hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /script?body=Hello HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
        "GET /script?body=Hello HTTP/1.0\r\nKeep-Alive: 300\r\n\r\n",
        "GET /script?status=204 HTTP/1.1\r\nHost: it\r\n\r\n",
        "GET /script?status=304 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /script?trap HTTP/1.1\r\nHost: it\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: it\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        "GET /none HTTP/1.0\r\n\r\n",
        "GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\n\r\n",
        "POST /none HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello",
        "POST /none HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
        "POST /none HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "POST /none HTTP/1.1\r\nHost: it\r\nContent-Length: 300000\r\n\r\n",
        "POST /none HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nContent-Length: 300000\r\n\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\nx\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: it\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
        "BREW /script HTTP/1.1\r\nHost: it\r\n\r\n",
    ];
    for request in requests {
        let mut client = server.connect();
        client.send(request);
        let response = client.read_response();
        let closes = response.contains("\r\nConnection: close\r\n");
        client.try_send(LAST).expect("the server still reads");
        let expected = if closes { "" } else { LAST_RESPONSE };
        assert_eq!(client.read_to_end(), expected, "{request:?} was answered {response:?}");
    }
}

// Section 9.6, and 9.5: the client is done sending, not reading.
#[test]
fn a_client_that_has_sent_its_end_gets_all_of_a_long_response() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send("GET /script?write-bytes=4000000&write=end HTTP/1.0\r\n\r\n");
    client.half_close();
    let response = client.read_to_end();
    let (_, body) = response.split_once("\r\n\r\n").expect("a head ends in an empty line");
    assert_eq!((body.len(), &body[4_000_000..]), (4_000_003, "end"));
}

/// Sends a request and the last one behind it; both are answered.
#[track_caller]
fn serve(server: &TestServer, section: &str, request: &str, response: &str) {
    let mut client: Client = server.connect();
    client.send(request.to_owned() + LAST);
    let row = format!("section {section}: {request:?}");
    assert_eq!(client.read_to_end(), response.to_owned() + LAST_RESPONSE, "{row}");
}
