use bytes::BytesMut;
use proptest::prelude::*;

use super::{InvalidParts, RequestHead, RequestParts};
use crate::http::target::TargetError;
use crate::http::version::Version;
use crate::http1::head::{HeadLimits, HeadParser};

/// The parts of an HTTP/2 GET request to example.com.
const PARTS: RequestParts<'_> = RequestParts {
    version: Version::Http11,
    method: b"GET",
    target: b"/",
    authority: Some(b"example.com"),
    fields: &[],
};

/// Everything that a head gives.
type Said = (String, Version, String, String, Option<String>, Vec<(String, Vec<u8>)>);

fn said(head: &RequestHead) -> Said {
    (
        head.method().to_owned(),
        head.version(),
        head.target().to_owned(),
        head.path().to_owned(),
        head.query().map(ToOwned::to_owned),
        head.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    )
}

fn parsed(bytes: &[u8]) -> RequestHead {
    let parsed = HeadParser::default().parse(&mut BytesMut::from(bytes), &HeadLimits::default());
    parsed.expect("a good head").expect("a whole head")
}

#[test]
fn a_head_of_parts_says_what_the_same_head_in_bytes_says() {
    let fields: &[(&[u8], &[u8])] = &[(b"accept", b"text/html"), (b"x-empty", b""), (b"x-text", b"a\tb \xff")];
    let table: &[(RequestParts<'_>, &[u8])] = &[
        (PARTS, b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n"),
        (
            RequestParts { method: b"POST", target: b"/a/b?c=d", fields, ..PARTS },
            b"POST /a/b?c=d HTTP/1.1\r\nhost: example.com\r\naccept: text/html\r\nx-empty:\r\nx-text: a\tb \xff\r\n\r\n",
        ),
        (
            RequestParts { method: b"OPTIONS", target: b"*", ..PARTS },
            b"OPTIONS * HTTP/1.1\r\nhost: example.com\r\n\r\n",
        ),
        (
            RequestParts { authority: None, fields: &[(b"Host", b"a:80")], ..PARTS },
            b"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n",
        ),
        (
            RequestParts { authority: None, target: b"http://b/c", fields: &[(b"host", b"a")], ..PARTS },
            b"GET http://b/c HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (RequestParts { version: Version::Http10, authority: None, ..PARTS }, b"GET / HTTP/1.0\r\n\r\n"),
    ];
    for (parts, bytes) in table {
        let made = RequestHead::from_parts(parts).expect("good parts");
        assert_eq!(said(&made), said(&parsed(bytes)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn an_authority_takes_the_place_of_every_host() {
    let parts = RequestParts { fields: &[(b"host", b"a"), (b"x", b"y"), (b"Host", b"b")], ..PARTS };
    let head = RequestHead::from_parts(&parts).expect("good parts");
    let fields: Vec<_> = head.fields().collect();
    assert_eq!(fields, [("host", &b"example.com"[..]), ("x", b"y")]);
}

#[test]
fn parts_that_make_no_head_are_refused_with_their_status() {
    let field = |name: &'static [u8], value: &'static [u8]| -> &'static [(&'static [u8], &'static [u8])] {
        vec![(name, value)].leak()
    };
    let table: &[(RequestParts<'_>, InvalidParts, u16)] = &[
        (RequestParts { method: b"", ..PARTS }, InvalidParts::Method, 400),
        (RequestParts { method: b"GE T", ..PARTS }, InvalidParts::Method, 400),
        (RequestParts { method: b"CONNECT", target: b"a:1", ..PARTS }, TargetError::Connect.into(), 501),
        (RequestParts { target: b"", ..PARTS }, TargetError::Form.into(), 400),
        (RequestParts { target: b"*", ..PARTS }, TargetError::Form.into(), 400),
        (RequestParts { target: b"/a b", ..PARTS }, TargetError::Path.into(), 400),
        (RequestParts { target: b"/a\r\nb", ..PARTS }, TargetError::Path.into(), 400),
        (RequestParts { authority: None, ..PARTS }, TargetError::HostMissing.into(), 400),
        (RequestParts { authority: Some(b""), ..PARTS }, TargetError::HostInvalid.into(), 400),
        (RequestParts { authority: Some(b"user@a"), ..PARTS }, TargetError::HostInvalid.into(), 400),
        (RequestParts { fields: field(b"", b"a"), ..PARTS }, InvalidParts::Field, 400),
        (RequestParts { fields: field(b"a b", b"c"), ..PARTS }, InvalidParts::Field, 400),
        (RequestParts { fields: field(b":path", b"/"), ..PARTS }, InvalidParts::Field, 400),
        (RequestParts { fields: field(b"a", b" b"), ..PARTS }, InvalidParts::Field, 400),
        (RequestParts { fields: field(b"a", b"b\r\nc: d"), ..PARTS }, InvalidParts::Field, 400),
        (RequestParts { fields: field(b"a", b"b\0"), ..PARTS }, InvalidParts::Field, 400),
    ];
    for (parts, error, status) in table {
        let refused = RequestHead::from_parts(parts).expect_err("parts that make no head");
        assert_eq!((refused, refused.status()), (*error, *status), "{parts:?}");
    }
}

proptest! {
    #[test]
    fn whatever_parts_are_taken_are_read_the_same_as_bytes(
        method in "[A-Z]{1,8}|[ -~]{0,4}",
        target in "/[ -~]{0,12}|[ -~]{0,12}",
        authority in prop::option::of("[a-z]{1,8}(:[0-9]{0,5})?|[ -~]{0,6}"),
        fields in prop::collection::vec(("[a-z-]{1,8}|[ -~]{0,4}", prop::collection::vec(any::<u8>(), 0..8)), 0..4),
    ) {
        let lines: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let parts = RequestParts {
            method: method.as_bytes(),
            target: target.as_bytes(),
            authority: authority.as_deref().map(str::as_bytes),
            fields: &lines,
            ..PARTS
        };
        let Ok(made) = RequestHead::from_parts(&parts) else { return Ok(()) };
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in made.fields() {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        prop_assert_eq!(said(&made), said(&parsed(&bytes)));
    }
}
