//! What a component of wasi:http sees of a request's fields.

use bytes::BytesMut;

use super::*;
use crate::exchange::{RequestPeer, RequestScheme};
use crate::http1::head::{HeadLimits, HeadParser};

#[derive(Debug)]
struct NoPeer;

impl RequestPeer for NoPeer {
    fn address(&self) -> String {
        "nobody".to_owned()
    }
}

fn request(fields: &str) -> Box<Request> {
    let mut input = BytesMut::from(format!("GET / HTTP/1.1\r\nHost: it\r\n{fields}\r\n").as_bytes());
    let head = HeadParser::default().parse(&mut input, &HeadLimits::default());
    let head = head.expect("a good head").expect("a whole head");
    Box::new(Request { head, params: vec![], local_address: None, scheme: RequestScheme::Http, peer: NoPeer })
}

/// The host sets these names to these values.
fn setting(fields: &[(&str, Option<&'static str>)]) -> VisibleFields {
    let field = |(name, _): &(&str, _)| RequestField { name: (*name).to_owned(), source: FieldSource::Peer };
    let values = fields.iter().map(|(_, value)| value.map(Bytes::from)).collect();
    let fields = RequestFields::new(fields.iter().map(field).collect());
    VisibleFields(fields.map(|fields| Arc::new(SetFields { fields, values })))
}

#[track_caller]
fn assert_seen(visible: &VisibleFields, fields: &str, expected: &str) {
    let mut seen = String::new();
    visible.for_each(&request(fields), |name, value| seen += &format!("{name}: {}\n", value.escape_ascii()));
    assert_eq!(seen, expected, "{fields}");
}

#[test]
fn fields_of_the_connection_and_those_that_it_names_are_hidden() {
    let none = VisibleFields::default();
    for (fields, expected) in [
        ("X-A: 1\r\nAccept: a\r\nx-a: 2\r\n", "x-a: 1\naccept: a\nx-a: 2\n"),
        ("Connection: close\r\nKeep-Alive: 1\r\nProxy-Connection: close\r\nUpgrade: a\r\nHTTP2-Settings: a\r\n", ""),
        ("TE: trailers\r\nConnection: te\r\n", "te: trailers\n"),
        ("TE: deflate\r\n", ""),
        (
            "Connection: x-a, ,X-B ,\tx-c\r\nConnection: x-d\r\nX-A: 1\r\nx-b: 1\r\nX-C: 1\r\nx-d: 1\r\nx-e: 1\r\n",
            "x-e: 1\n",
        ),
        ("Connection: close, keep-alive\r\nx-close: 1\r\nclose: 1\r\n", "x-close: 1\nclose: 1\n"),
    ] {
        assert_seen(&none, fields, expected);
    }
}

#[test]
fn what_the_host_sets_comes_first_and_replaces_every_spelling() {
    let visible = setting(&[("x-addr", Some("::1")), ("x-user", None)]);
    for (fields, expected) in [
        ("", "x-addr: ::1\n"),
        (
            "X-Addr: a\r\nX-USER: b\r\nx_addr: c\r\nX_User: d\r\nx-users: e\r\nx-addr: f\r\n",
            "x-addr: ::1\nx-users: e\n",
        ),
        ("Connection: x-addr, x-user\r\nX-User: a\r\n", "x-addr: ::1\n"),
    ] {
        assert_seen(&visible, fields, expected);
    }
}

#[test]
fn trailers_of_a_name_that_the_host_sets_are_removed() {
    let mut trailers = Fields::default();
    for name in ["X-User", "x_user", "x-sum"] {
        trailers.append(name, b"1").expect("a good field");
    }
    setting(&[("x-user", None)]).remove_from(&mut trailers);
    assert_eq!(trailers.all().map(|(name, _)| name).collect::<Vec<_>>(), ["x-sum"]);
}
