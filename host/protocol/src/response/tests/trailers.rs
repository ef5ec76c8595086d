//! A response that ends in trailers: where there is a place for them, and that they never break the framing.

use proptest::prelude::*;

use super::{
    BytesMut, Call, ChunkedCoding, DATE, End, Http10, Http11, ResponseError, START, TestOptions, end, made, options,
};
use crate::http::fields::{Fields, MAX_FIELD_BYTES, MAX_FIELDS};
use crate::http::trailers::is_allowed_in_trailers;
use crate::http1::client::{ResponseParser, ResponsePart};

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        assert_eq!(fields.append(name, value.as_bytes()), Ok(()));
    }
    fields
}

/// Checks the bytes behind [`START`] of a response that ends in trailers, and its end.
fn check(options: &TestOptions, calls: &[Call], trailers: &Fields, expected: &str, expected_end: End) {
    let mut response = made(options, calls);
    assert_eq!(response.finish_with_trailers(trailers, DATE), Ok(()));
    let output = String::from_utf8_lossy(response.output());
    assert_eq!(output, format!("{START}{expected}"), "{options:?} {calls:?}");
    assert_eq!(end(&response), expected_end, "{options:?} {calls:?}");
}

// RFC 9112 section 7.1.2
#[test]
fn trailers_follow_the_last_chunk() {
    let trailers = fields(&[("Server-Timing", "a;dur=1"), ("a", ""), ("A", "b")]);
    let sent = "0\r\nServer-Timing: a;dur=1\r\na: \r\nA: b\r\n\r\n";
    let head = "Transfer-Encoding: chunked\r\n\r\n";
    check(&options(), &[Call::Write("abc")], &trailers, &format!("{head}3\r\nabc\r\n{sent}"), End::KeepAlive);
    check(&options(), &[], &trailers, &format!("{head}{sent}"), End::KeepAlive);
    // A length would leave no place for them.
    let if_needed = TestOptions { chunked: ChunkedCoding::IfNeeded, ..options() };
    check(&if_needed, &[], &trailers, &format!("{head}{sent}"), End::KeepAlive);
    check(&if_needed, &[], &Fields::default(), "Content-Length: 0\r\n\r\n", End::KeepAlive);
    // What was held back comes before them.
    let coalesced = TestOptions { coalesce: 10, ..options() };
    check(&coalesced, &[Call::Write("abc")], &trailers, &format!("{head}3\r\nabc\r\n{sent}"), End::KeepAlive);
    check(
        &options(),
        &[Call::Write("abc")],
        &Fields::default(),
        &format!("{head}3\r\nabc\r\n0\r\n\r\n"),
        End::KeepAlive,
    );
}

#[test]
fn trailers_are_dropped_where_there_is_no_place_for_them() {
    let trailers = fields(&[("a", "b")]);
    let (write, declared) = (Call::Write("abc"), Call::Field("content-length", "3"));
    let with_lengths = TestOptions { chunked: ChunkedCoding::Never, ..options() };
    let http10 = TestOptions { version: Http10, ..options() };
    let head_only = TestOptions { head_only: true, ..options() };
    let table: &[(&TestOptions, &[Call], &str, End)] = &[
        (&options(), &[declared, write], "Content-Length: 3\r\n\r\nabc", End::KeepAlive),
        (&with_lengths, &[write], "Connection: close\r\n\r\nabc", End::Close),
        (&with_lengths, &[], "Content-Length: 0\r\n\r\n", End::KeepAlive),
        (&http10, &[write], "Connection: close\r\n\r\nabc", End::Close),
        (&http10, &[], "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n", End::KeepAlive),
        (&head_only, &[], "Transfer-Encoding: chunked\r\n\r\n", End::KeepAlive),
        // Fewer bytes than declared.
        (&options(), &[declared, Call::Write("ab")], "Content-Length: 3\r\n\r\nab", End::Truncated),
    ];
    for (options, calls, expected, end) in table {
        check(options, calls, &trailers, expected, *end);
    }
    for status in [204, 304] {
        let mut response = made(&TestOptions { status, ..options() }, &[]);
        assert_eq!(response.finish_with_trailers(&trailers, DATE), Ok(()));
        assert!(
            response.output().ends_with(b"\r\n\r\n") && !String::from_utf8_lossy(response.output()).contains("a: b")
        );
        assert_eq!(end(&response), End::KeepAlive);
    }
}

// RFC 9110 section 6.5.1
#[test]
fn what_is_no_trailer_is_left_out() {
    let trailers = fields(&[("Content-Length", "5"), ("a", "b"), ("Set-Cookie", "c"), ("DATE", "d"), ("Host", "e")]);
    check(&options(), &[], &trailers, "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n", End::KeepAlive);
}

#[test]
fn a_response_ends_once() {
    let trailers = fields(&[("a", "b")]);
    for calls in [&[Call::Write("a"), Call::Write("")][..], &[Call::Write("a"), Call::Truncate], &[Call::Truncate]] {
        let mut response = made(&options(), calls);
        let before = response.output().to_vec();
        assert_eq!(response.finish_with_trailers(&trailers, DATE), Err(ResponseError::Closed));
        assert_eq!(response.output(), before);
    }
    let mut response = made(&options(), &[]);
    assert_eq!(response.finish_with_trailers(&trailers, DATE), Ok(()));
    assert_eq!(response.finish_with_trailers(&trailers, DATE), Err(ResponseError::Closed));
    assert_eq!(response.finish(DATE), Err(ResponseError::Closed));
}

#[test]
fn the_output_grows_by_what_fields_may_have() {
    let mut trailers = Fields::default();
    for _ in 0..MAX_FIELDS {
        let value = vec![b'x'; MAX_FIELD_BYTES / MAX_FIELDS - 1];
        assert_eq!(trailers.append("a", &value), Ok(()));
    }
    let mut response = made(&options(), &[Call::Write("a")]);
    response.advance(response.output().len());
    assert_eq!(response.finish_with_trailers(&trailers, DATE), Ok(()));
    assert_eq!(response.output().len(), MAX_FIELD_BYTES + MAX_FIELDS * ": \r\n".len() + "0\r\n\r\n".len());
}

type Lines = Vec<(String, Vec<u8>)>;

/// The body, the trailers and what follows them, as a client reads them that drops nothing.
fn read(mut sent: &[u8]) -> (Vec<u8>, Lines, Vec<u8>) {
    let mut body = Vec::new();
    loop {
        let line = sent.windows(2).position(|end| end == b"\r\n").expect("the line of a chunk");
        let size = str::from_utf8(&sent[..line]).expect("a size of ASCII");
        let size = usize::from_str_radix(size, 16).expect("a size in hexadecimal");
        sent = &sent[line + 2..];
        if size == 0 {
            break;
        }
        body.extend_from_slice(&sent[..size]);
        sent = sent[size..].strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    let mut lines = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((length, lines))) = httparse::parse_headers(sent, &mut lines) else {
        panic!("the trailers are malformed or have no end: {}", sent.escape_ascii());
    };
    let lines = lines.iter().map(|line| (line.name.to_owned(), line.value.to_vec())).collect();
    (body, lines, sent[length..].to_vec())
}

/// Names and values of which about half are refused.
fn field_like() -> impl Strategy<Value = (String, Vec<u8>)> {
    let known = prop::sample::select(vec!["host", "Content-Length", "If-Match", "x-a", "Grpc-Status", "te", "age"]);
    let name = prop_oneof!["[a-cA-C]", "[ -~]{0,4}", known.prop_map(str::to_owned), ".{0,3}"];
    let value = prop_oneof!["[ -~]{0,8}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..4)];
    (name, value)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn whatever_the_trailers_a_client_reads_the_body_the_allowed_ones_and_nothing_more(
        pieces in prop::collection::vec("[a-z]{1,16}", 0..4),
        given in prop::collection::vec(field_like(), 0..12),
    ) {
        let mut trailers = Fields::default();
        for (name, value) in &given {
            // Refused or not: what counts is what is there afterwards.
            let _ = trailers.append(name, value);
        }
        let mut response = made(&TestOptions { version: Http11, ..options() }, &[]);
        for piece in &pieces {
            prop_assert_eq!(response.write(piece.as_bytes(), DATE), Ok(()));
        }
        prop_assert_eq!(response.finish_with_trailers(&trailers, DATE), Ok(()));
        let mut sent = response.output().to_vec();
        sent.extend_from_slice(b"NEXT");

        let (mut parser, mut input) = (ResponseParser::new(false), BytesMut::from(&sent[..]));
        let (mut body, mut behind) = (Vec::new(), Vec::new());
        while let Some(part) = parser.next(&mut input, usize::MAX) {
            match part {
                ResponsePart::Head { bytes, .. } => {
                    let (body, lines, behind) = read(&sent[bytes.len()..]);
                    let allowed: Vec<_> = trailers
                        .all()
                        .filter(|(name, _)| is_allowed_in_trailers(name))
                        .map(|(name, value)| (name.to_owned(), value.to_vec()))
                        .collect();
                    prop_assert_eq!((body, lines, behind), (pieces.concat().into_bytes(), allowed, b"NEXT".to_vec()));
                }
                ResponsePart::Body(piece) => body.extend_from_slice(&piece),
                ResponsePart::Rest(rest) => behind.extend_from_slice(&rest),
            }
        }
        prop_assert_eq!((body, &behind[..]), (pieces.concat().into_bytes(), &b"NEXT"[..]));
    }
}
