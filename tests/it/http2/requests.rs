//! Requests: what a handler sees of them, and which are refused.

use crate::support::{Http2Client, TestServer, guest, http2::request};

/// The fields of a GET of `target`, with other fields after the pseudo-header fields.
fn with<'r>(target: &'r str, fields: &[(&'r str, &'r str)]) -> Vec<(&'r str, &'r str)> {
    [request("GET", target), fields.to_vec()].concat()
}

/// What the first stream of a connection gets for these fields, and that the connection lives then.
#[track_caller]
fn answer(fields: &[(&str, &str)]) -> Vec<String> {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::open(server.connect());
    client.head(1, fields, true);
    let lines = client.until_end_of(1);
    client.expect_answer_to_ping();
    lines
}

/// What a handler reports of the request with these fields.
#[track_caller]
fn asked(what: &str, fields: &[(&str, &str)]) -> String {
    let target = format!("/script?ask={what}&report");
    let lines = answer(&with(&target, fields));
    let data = lines.last().and_then(|line| line.strip_prefix("DATA 1 "));
    data.unwrap_or_else(|| panic!("{lines:?}")).trim_end_matches("END").trim_end().to_owned()
}

#[test]
fn a_handler_sees_a_request_as_that_of_any_version() {
    assert_eq!(asked("method", &[]), "method: GET");
    assert_eq!(asked("path", &[]), "path: /script");
    assert_eq!(asked("target", &[]), "target: /script?ask=target&report");
    assert_eq!(asked("version", &[]), "version: HttpVersion::Http11");
    assert_eq!(asked("protocol", &[]), "protocol: HTTP/2");
    assert_eq!(asked("scheme", &[]), "scheme: http");
    assert_eq!(asked("field:host", &[]), "field:host: it");
    assert_eq!(asked("fields", &[("x-one", "1"), ("accept", "*/*")]), "fields: host=it;x-one=1;accept=*/*;");
}

#[test]
fn crumbs_of_a_cookie_are_one_line() {
    let crumbs = [("cookie", "a=b"), ("x-a", "1"), ("cookie", "c=d")];
    assert_eq!(asked("field:cookie", &crumbs), "field:cookie: a=b; c=d");
    assert_eq!(asked("fields", &crumbs), "fields: host=it;cookie=a=b; c=d;x-a=1;");
}

#[test]
fn host_may_repeat_the_authority_or_take_its_place() {
    assert_eq!(asked("fields", &[("host", "it")]), "fields: host=it;");
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":path", "/script?ask=field:host&report"), ("host", "other")];
    assert!(answer(&fields).last().is_some_and(|line| line.contains("field:host: other")));
}

#[test]
fn requests_that_are_malformed_reset_their_stream_alone() {
    let path = "/script?body=a";
    for fields in [
        with(path, &[("host", "other")]),
        with(path, &[("connection", "close")]),
        with(path, &[("keep-alive", "1")]),
        with(path, &[("proxy-connection", "close")]),
        with(path, &[("transfer-encoding", "chunked")]),
        with(path, &[("upgrade", "h2c")]),
        with(path, &[("te", "gzip")]),
        with(path, &[(":path", "/again")]),
        with(path, &[(":status", "200")]),
        with(path, &[("content-length", "5")]),
        vec![(":scheme", "http"), (":authority", "it"), (":path", path)],
        vec![(":method", "GET"), (":authority", "it"), (":path", path)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "it")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "it"), (":path", "")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "it"), (":path", "script")],
        vec![(":method", "GET"), (":scheme", "http"), ("x-a", "1"), (":authority", "it"), (":path", path)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "i t"), (":path", path)],
    ] {
        assert_eq!(answer(&fields), ["RST_STREAM 1 PROTOCOL_ERROR"], "{fields:?}");
    }
}

#[test]
fn names_that_no_field_can_have_end_the_connection() {
    for name in ["X-Upper", ":unknown", "", "a b"] {
        let server = TestServer::serving(guest::SCRIPT);
        let mut client = Http2Client::open(server.connect());
        client.head(1, &with("/script?body=a", &[(name, "1")]), true);
        assert_eq!(client.rest(), ["GOAWAY 0 PROTOCOL_ERROR", "closed"], "{name:?}");
    }
}

#[test]
fn requests_that_are_refused_get_a_status() {
    let path = "/script?body=a";
    let long = format!("/script?body={}", "a".repeat(20_000));
    let many: Vec<String> = (0..101).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    for (fields, status) in [
        (vec![(":method", "GET"), (":scheme", "http"), (":path", path)], "400"),
        (vec![(":method", "GET"), (":scheme", "http"), (":authority", "user@it"), (":path", path)], "400"),
        (vec![(":method", "GET"), (":scheme", "ftp"), (":authority", "it"), (":path", path)], "400"),
        (vec![(":method", "GET"), (":scheme", "http"), (":authority", "it"), (":path", "*")], "400"),
        (vec![(":method", "CONNECT"), (":authority", "it:443")], "501"),
        (with(path, &[("x-a", " b")]), "400"),
        (with(path, &[("expect", "other")]), "417"),
        (with(&long, &[]), "414"),
        (with(path, &many), "431"),
    ] {
        let lines = answer(&fields);
        assert!(lines[0].starts_with(&format!("HEADERS 1 :status={status} ")), "{fields:?}: {lines:?}");
        assert!(lines.last().is_some_and(|line| line.ends_with(" END")), "{lines:?}");
    }
}

#[test]
fn a_head_past_the_limit_is_refused_without_a_handler() {
    let large = "a".repeat(40_000);
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::open(server.connect());
    client.head(1, &with("/script?body=a", &[("x-a", &large)]), true);
    let lines = client.until_end_of(1);
    assert_eq!(lines[0], "HEADERS 1 :status=431 END");
    client.expect_answer_to_ping();
}

#[test]
fn a_body_is_read_in_frames_of_any_size_with_padding_and_without() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::open(server.connect());
    client.post(1, "/script?read");
    client.data(1, "one ", false);
    client.data(1, "", false);
    client.frame(0, 8, 1, [&[3][..], b"two ", &[0; 3]].concat());
    client.data(1, "three", false);
    client.data(1, "", true);
    assert_eq!(client.body_of(1), "one two three");
}

#[test]
fn a_body_with_another_length_than_declared_resets_its_stream() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::open(server.connect());
    let declared = [request("POST", "/script?read"), vec![("content-length", "5")]].concat();
    for (stream, body) in [(1, "four"), (3, "longer")] {
        client.head(stream, &declared, false);
        client.data(stream, body, true);
        assert_eq!(client.until_end_of(stream), [format!("RST_STREAM {stream} PROTOCOL_ERROR")]);
    }
    client.expect_answer_to_ping();
}

#[test]
fn a_client_that_waits_for_it_gets_100_continue() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::open(server.connect());
    let fields = [request("POST", "/script?read"), vec![("expect", "100-continue")]].concat();
    client.head(1, &fields, false);
    client.expect(&["HEADERS 1 :status=100"]);
    client.data(1, "body", true);
    assert_eq!(client.body_of(1), "body");
}

#[test]
fn http_1_is_served_on_the_same_port_also_after_a_first_request_that_looks_alike() {
    let server = TestServer::serving(guest::SCRIPT);
    let response = server.exchange("PRI /script HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 501 ") || response.starts_with("HTTP/1.1 405 "), "{response}");
    let mut client = server.connect();
    client.send("GET /script?body=a HTTP/1.1\r\nHost: it\r\n\r\n");
    client.read_until("\r\n\r\n");
    let response = client.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(response.contains("HTTP/1.1 505 "), "the preface is only the first on a connection: {response}");
}

#[test]
fn the_preface_may_come_byte_by_byte() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::unopened(server.connect());
    for byte in crate::support::http2::PREFACE {
        client.send([*byte]);
    }
    client.frame(4, 0, 0, b"");
    client.get(1, "/script?body=a");
    assert_eq!(client.body_of(1), "a");
}
