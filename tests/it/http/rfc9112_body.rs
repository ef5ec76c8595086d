//! RFC 9112 as wire bytes, sections 6 to 8: how the body of a request is framed, and the chunked coding. Each row
//! names its section.

use crate::support::wire::{BAD_REQUEST_CLOSE, CONTINUE, LAST, LAST_RESPONSE, SCRIPT_HELLO};
use crate::support::{Refused, TestServer, guest, refuse};

/// The answers of a handler that has read its body to the end, by the body's length.
const READ: [(&str, &str); 3] = [
    ("", ok_chunked!("0\r\n\r\n")),
    ("Hello", SCRIPT_HELLO),
    ("HelloWorld", ok_chunked!("a\r\nHelloWorld\r\n0\r\n\r\n")),
];

/// What is sent behind a request in the hope that the host takes it for one.
const SMUGGLED: &str = get!("/script?body=smuggled");

#[test]
fn framing_without_a_certain_end_is_refused_and_the_connection_closed() {
    let rows: &[(&str, &[u8], u16)] = &[
        // Section 6.1: both lengths, in any order and whichever of the two a proxy may have gone by.
        ("6.1", b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("6.1", b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("6.1", b"transfer-encoding: chunked\r\ncontent-length: 0", 400),
        ("6.1", b"Transfer-Encoding: identity\r\nContent-Length: 5", 400),
        ("6.1", b"Transfer-Encoding: x\r\nContent-Length: x", 400),
        ("6.1", b"Transfer-Encoding:\r\nContent-Length: 5", 400),
        // Section 6.1: chunked is the last coding, once; others are not known here.
        ("6.1", b"Transfer-Encoding: chunked, chunked", 400),
        ("6.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("6.1", b"Transfer-Encoding: chunked, gzip", 400),
        ("6.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("6.1", b"Transfer-Encoding: gzip", 400),
        ("6.1", b"Transfer-Encoding: identity", 400),
        ("6.1", b"Transfer-Encoding: gzip, chunked", 501),
        ("6.1", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        ("6.1", b"Transfer-Encoding: identity, chunked", 501),
        ("6.1", b"Transfer-Encoding: a;b=c, chunked", 501),
        // Section 7: a coding is a token, and chunked takes no parameter.
        ("7", b"Transfer-Encoding:", 400),
        ("7", b"Transfer-Encoding: ,", 400),
        ("7", b"Transfer-Encoding: chunked;a=b", 400),
        ("7", b"Transfer-Encoding: \"chunked\"", 400),
        ("7", b"Transfer-Encoding: chunked chunked", 400),
        ("7", b"Transfer-Encoding: xchunked", 400),
        ("7", b"Transfer-Encoding: chunkedx", 400),
        ("7", b"Transfer-Encoding: chunke\xe4", 400),
        ("7", b"Transfer-Encoding: \x0bchunked", 400),
        ("7", b"Transfer-Encoding : chunked", 400),
        ("7", b"Transfer-Encoding\t: chunked", 400),
        ("7", b"Transfer-Encoding:\r\n chunked", 400),
        ("7", b"Transfer-Encoding: chunked\r\n , identity", 400),
        // Section 6.3 and RFC 9110 section 8.6: one number of digits alone.
        ("6.3", b"Content-Length:", 400),
        ("6.3", b"Content-Length: five", 400),
        ("6.3", b"Content-Length: -5", 400),
        ("6.3", b"Content-Length: +5", 400),
        ("6.3", b"Content-Length: 5.0", 400),
        ("6.3", b"Content-Length: 0x5", 400),
        ("6.3", b"Content-Length: 5 5", 400),
        ("6.3", b"Content-Length: 5_0", 400),
        ("6.3", b"Content-Length: 5;a", 400),
        ("6.3", b"Content-Length: \"5\"", 400),
        ("6.3", b"Content-Length: 5,", 400),
        ("6.3", b"Content-Length: ,5", 400),
        ("6.3", b"Content-Length: 5, 6", 400),
        ("6.3", b"Content-Length: 5\r\nContent-Length: 6", 400),
        ("6.3", b"Content-Length: 6\r\nA: b\r\ncontent-length: 5", 400),
        ("6.3", b"Content-Length: 5\r\nContent-Length:", 400),
        ("6.3", b"Content-Length: 18446744073709551616", 400),
        ("6.3", b"Content-Length: 99999999999999999999999999", 400),
        ("6.3", b"Content-Length : 5", 400),
        ("6.3", b"Content-Length: \xb2", 400),
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for (section, fields, status) in rows {
        // Before routing: the same where there is no route, and by any method.
        for line in ["POST /script?read", "GET /script?body=Hello", "POST /none", "BREW /script", "OPTIONS *"] {
            let request = [line.as_bytes(), b" HTTP/1.1\r\nHost: it\r\n", fields, b"\r\n\r\n0\r\n\r\n"].concat();
            refuse(&server, &[(section, &request, *status)]);
        }
    }
    let rows: &[Refused] = &[
        ("6.1", b"POST /script?read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("6.1", b"POST /script?read HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (
            "6.1",
            b"POST /script?read HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("6.1", b"POST /script?read HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ];
    refuse(&server, rows);
}

// Section 11.2: what another server would take for a request of its own.
#[test]
fn a_request_behind_a_body_of_two_lengths_is_never_served() {
    let server = TestServer::serving(guest::SCRIPT);
    let te = ["chunked", "Chunked", "xchunked", "chunked, identity", "identity, chunked", " chunked ", "\tchunked"];
    for te in te {
        for length in [0, 4, SMUGGLED.len() + 5] {
            let fields = [
                format!("Content-Length: {length}\r\nTransfer-Encoding: {te}\r\n"),
                format!("Transfer-Encoding: {te}\r\nContent-Length: {length}\r\n"),
            ];
            for fields in fields {
                for body in ["0\r\n\r\n", "4\r\nHell\r\n0\r\n\r\n"] {
                    let head = format!("POST /script?read HTTP/1.1\r\nHost: it\r\n{fields}\r\n");
                    refuse(&server, &[("11.2", (head + body + SMUGGLED).as_bytes(), 400)]);
                }
            }
        }
    }
}

#[test]
fn bodies_end_where_their_framing_says() {
    let rows: &[(&str, &str, &str, &str)] = &[
        // Section 6.3.
        ("6.3", "A: b", "", ""),
        ("6.3", "Content-Length: 0", "", ""),
        ("6.3", "Content-Length: 5", "Hello", "Hello"),
        ("6.3", "content-length:5", "Hello", "Hello"),
        ("6.3", "Content-Length: \t005 \t", "Hello", "Hello"),
        ("6.3", "Content-Length: 5, 5", "Hello", "Hello"),
        ("6.3", "Content-Length: 5\r\nContent-Length: 05", "Hello", "Hello"),
        ("6.1", "Transfer-Encoding: chunked", "0\r\n\r\n", ""),
        ("7", "Transfer-Encoding: \t cHuNkEd \t", "5\r\nHello\r\n0\r\n\r\n", "Hello"),
        ("7", "Transfer-Encoding: , chunked ,", "5\r\nHello\r\n0\r\n\r\n", "Hello"),
        // Section 7.1.
        ("7.1", "Transfer-Encoding: chunked", "5\r\nHello\r\n5\r\nWorld\r\n0\r\n\r\n", "HelloWorld"),
        ("7.1", "Transfer-Encoding: chunked", "a\r\nHelloWorld\r\n0\r\n\r\n", "HelloWorld"),
        ("7.1", "Transfer-Encoding: chunked", "A\r\nHelloWorld\r\n000\r\n\r\n", "HelloWorld"),
        ("7.1", "Transfer-Encoding: chunked", "0000000000000005\r\nHello\r\n0\r\n\r\n", "Hello"),
        ("7.1.1", "Transfer-Encoding: chunked", "5;a\r\nHello\r\n0;b=c\r\n\r\n", "Hello"),
        ("7.1.1", "Transfer-Encoding: chunked", "5 ; a = \"b;\\\"c\" ;d\r\nHello\r\n0\r\n\r\n", "Hello"),
        // Section 7.1.2: trailers are dropped.
        ("7.1.2", "Transfer-Encoding: chunked", "5\r\nHello\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n", "Hello"),
        ("7.1.2", "Transfer-Encoding: chunked\r\nTrailer: A", "5\r\nHello\r\n0\r\nA: b\r\n\r\n", "Hello"),
    ];
    let server = TestServer::serving(guest::SCRIPT);
    for (section, fields, body, read) in rows {
        let (_, response) = READ.iter().find(|(body, _)| body == read).expect("each body has its answer");
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            let request = format!("{method} /script?read HTTP/1.1\r\nHost: it\r\n{fields}\r\n\r\n{body}");
            let row = format!("section {section}: {request:?}");
            let sent = server.exchange(request + LAST);
            assert_eq!(sent, (*response).to_owned() + LAST_RESPONSE, "{row}");
        }
    }
}

/// Bodies in chunks that are malformed, each with its section.
const MALFORMED: &[(&str, &str)] = &[
    ("7.1", "\r\n"),
    ("7.1", "g\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "-5\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "+5\r\nHello\r\n0\r\n\r\n"),
    ("7.1", " 5\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "0x5\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "5_0\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "5.0\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "00000000000000005\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "10000000000000005\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "5\nHello\r\n0\r\n\r\n"),
    ("7.1", "5\r\nHello\n0\r\n\r\n"),
    ("7.1", "5\r\nHello0\r\n\r\n"),
    ("7.1", "5\r\nHello!\r\n0\r\n\r\n"),
    ("7.1", "5\r\nHell\r\n0\r\n\r\n"),
    ("7.1", "5\rHello\r\n0\r\n\r\n"),
    ("7.1", "5\r\r\nHello\r\n0\r\n\r\n"),
    ("7.1", "5\r\nHello\r\r\n0\r\n\r\n"),
    ("7.1", "5\r\nHello\r\n\r\n0\r\n\r\n"),
    ("7.1", "5\r\nHello\r\n0\n\r\n"),
    ("7.1", "5\r\nHello\r\n0\r\n\n"),
    ("7.1.1", "5 \r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;a=\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;a=\"b\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;a\nb\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;a\0b\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5;a\rb\r\nHello\r\n0\r\n\r\n"),
    ("7.1.1", "5 a\r\nHello\r\n0\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nA\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nA : b\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\n A: b\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nA: b\r\n c\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nA: b\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nA: \0\r\n\r\n"),
    ("7.1.2", "5\r\nHello\r\n0\r\nGET /script HTTP/1.1\r\n\r\n"),
];

#[test]
fn a_malformed_body_that_comes_with_its_head_is_refused_for_every_route() {
    let server = TestServer::serving(guest::SCRIPT);
    for (section, body) in MALFORMED {
        for line in ["POST /script?read", "POST /script?body=Hello", "POST /none", "BREW /script"] {
            let request = format!("{line} HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            refuse(&server, &[(section, request.as_bytes(), 400)]);
        }
    }
}

#[test]
fn a_malformed_body_that_is_waited_for_is_an_error_to_the_handler() {
    let server = TestServer::serving(guest::SCRIPT);
    let head = "POST /script?{} HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    for (section, body) in MALFORMED {
        let mut client = server.connect();
        client.send(head.replace("{}", "read&body=Hello"));
        client.expect(CONTINUE);
        client.send([body, SMUGGLED].concat());
        assert_eq!(client.read_to_end(), BAD_REQUEST_CLOSE, "section {section}: {body:?}");
    }
}

// Section 8: the head is whole, the body is not.
#[test]
fn an_incomplete_body_is_an_error_to_the_handler() {
    let server = TestServer::serving(guest::SCRIPT);
    let rows: &[(&str, &str)] = &[
        ("Content-Length: 6", "Hello"),
        ("Content-Length: 18446744", "Hello"),
        ("Transfer-Encoding: chunked", "5\r\nHello"),
        ("Transfer-Encoding: chunked", "5\r\nHello\r\n"),
        ("Transfer-Encoding: chunked", "6\r\nHello"),
        ("Transfer-Encoding: chunked", "5\r\nHello\r\n0"),
        ("Transfer-Encoding: chunked", "5\r\nHello\r\n0\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nHello\r\n0\r\nA: b\r\n"),
    ];
    for (fields, body) in rows {
        let mut client = server.connect();
        client.send(format!(
            "POST /script?status=422&read-one=9&read-one=9&read-one=9&report HTTP/1.1\r\nHost: it\r\n{fields}\r\n\r\n{body}"
        ));
        client.half_close();
        let response = "HTTP/1.1 422 Unprocessable Content\r\nDate: <date>\r\n\
            Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
            41\r\nstatus: ok\nread-one: 5\nread-one: incomplete\nread-one: incomplete\n\r\n0\r\n\r\n";
        assert_eq!(client.read_to_end(), response, "{fields}, {body:?}");
    }
}
