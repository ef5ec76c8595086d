use bytes::BytesMut;
use proptest::prelude::*;

use super::{BodyFraming, Expectation, FramingError, UnmetExpectation, expectation, keep_alive, request_framing};
use crate::http::head::RequestHead;
use crate::http1::head::{HeadLimits, HeadParser};

/// A request of this version (`1.1`) with these field lines.
fn head(version: &str, fields: &[&str]) -> RequestHead {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let mut input = BytesMut::from(format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n").as_bytes());
    HeadParser::default().parse(&mut input, &HeadLimits::default()).expect("a good head").expect("a whole head")
}

fn framing(version: &str, fields: &[&str]) -> Result<BodyFraming, FramingError> {
    request_framing(&head(version, fields))
}

#[test]
fn good_bodies_are_framed() {
    let table: &[(&str, &[&str], BodyFraming)] = &[
        // RFC 9112 section 6.3, item 7
        ("1.1", &[], BodyFraming::None),
        ("1.0", &[], BodyFraming::None),
        // item 6, RFC 9110 section 8.6
        ("1.1", &["Content-Length: 5"], BodyFraming::Length(5)),
        ("1.0", &["content-length:5"], BodyFraming::Length(5)),
        ("1.1", &["Content-Length: 0"], BodyFraming::None),
        ("1.1", &["Content-Length: 007"], BodyFraming::Length(7)),
        ("1.1", &["Content-Length: \t5\t "], BodyFraming::Length(5)),
        ("1.1", &["Content-Length: 18446744073709551615"], BodyFraming::Length(u64::MAX)),
        ("1.1", &["Content-Length: 5, 5"], BodyFraming::Length(5)),
        ("1.1", &["Content-Length: 5,5", "CONTENT-LENGTH: 5"], BodyFraming::Length(5)),
        // item 4, RFC 9112 sections 6.1 and 7
        ("1.1", &["Transfer-Encoding: chunked"], BodyFraming::Chunked),
        ("1.1", &["transfer-encoding:\tCHUNKED "], BodyFraming::Chunked),
        ("1.2", &["Transfer-Encoding: chunked"], BodyFraming::Chunked),
        // RFC 9110 section 5.6.1.2: empty elements of a list are ignored
        ("1.1", &["Transfer-Encoding: , chunked,"], BodyFraming::Chunked),
        ("1.1", &["Transfer-Encoding:", "Transfer-Encoding: chunked"], BodyFraming::Chunked),
        // Another field.
        ("1.1", &["X-Content-Length: 5", "Content_Length: 6"], BodyFraming::None),
    ];
    for (version, fields, expected) in table {
        assert_eq!(framing(version, fields), Ok(*expected), "{version} {fields:?}");
    }
}

#[test]
fn bodies_without_a_certain_end_are_refused() {
    use FramingError::*;
    let table: &[(&str, &[&str], FramingError)] = &[
        // RFC 9112 section 6.3, item 3
        ("1.1", &["Transfer-Encoding: chunked", "Content-Length: 5"], LengthAndCoding),
        ("1.1", &["Content-Length: 0", "Transfer-Encoding: chunked"], LengthAndCoding),
        ("1.1", &["Content-Length: 5", "Transfer-Encoding: identity"], LengthAndCoding),
        ("1.1", &["Content-Length: 5", "Transfer-Encoding:"], LengthAndCoding),
        ("1.0", &["Content-Length: 5", "Transfer-Encoding: chunked"], LengthAndCoding),
        // section 6.1
        ("1.0", &["Transfer-Encoding: chunked"], CodingInHttp10),
        ("1.0", &["Transfer-Encoding: gzip"], CodingInHttp10),
        ("1.1", &["Transfer-Encoding: chunked, chunked"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: gzip, chunked"], CodingUnknown),
        ("1.1", &["Transfer-Encoding: gzip;q=1", "Transfer-Encoding: chunked"], CodingUnknown),
        ("1.1", &["Transfer-Encoding: identity, chunked"], CodingUnknown),
        // section 6.3, item 4: without chunked as the last, the status is 400 and not 501
        ("1.1", &["Transfer-Encoding: chunked, gzip"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: gzip"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: identity"], ChunkedNotLast),
        ("1.1", &["Transfer-Encoding: xchunked"], ChunkedNotLast),
        // section 7
        ("1.1", &["Transfer-Encoding:"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: ,"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: chunked;a=b"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: chunked ;"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: \"chunked\""], CodingMalformed),
        ("1.1", &["Transfer-Encoding: chunked chunked"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: ;a=b"], CodingMalformed),
        ("1.1", &["Transfer-Encoding: \u{a0}chunked"], CodingMalformed),
        // RFC 9110 section 8.6
        ("1.1", &["Content-Length: 5, 6"], LengthsDiffer),
        ("1.1", &["Content-Length: 5", "Content-Length: 6"], LengthsDiffer),
        ("1.1", &["Content-Length: 0", "Content-Length: 6"], LengthsDiffer),
        ("1.1", &["Content-Length:"], LengthMalformed),
        ("1.1", &["Content-Length: 5,"], LengthMalformed),
        ("1.1", &["Content-Length: ,5"], LengthMalformed),
        ("1.1", &["Content-Length: 5", "Content-Length:"], LengthMalformed),
        ("1.1", &["Content-Length: +5"], LengthMalformed),
        ("1.1", &["Content-Length: -5"], LengthMalformed),
        ("1.1", &["Content-Length: -0"], LengthMalformed),
        ("1.1", &["Content-Length: 0x5"], LengthMalformed),
        ("1.1", &["Content-Length: 5.0"], LengthMalformed),
        ("1.1", &["Content-Length: 5 5"], LengthMalformed),
        ("1.1", &["Content-Length: 5;a"], LengthMalformed),
        ("1.1", &["Content-Length: \"5\""], LengthMalformed),
        ("1.1", &["Content-Length: 1_000"], LengthMalformed),
        ("1.1", &["Content-Length: \u{665}"], LengthMalformed),
        ("1.1", &["Content-Length: 18446744073709551616"], LengthMalformed),
        ("1.1", &["Content-Length: 99999999999999999999999999"], LengthMalformed),
    ];
    for (version, fields, expected) in table {
        assert_eq!(framing(version, fields), Err(*expected), "{version} {fields:?}");
    }
}

#[test]
fn only_an_unknown_coding_is_not_implemented() {
    assert_eq!(FramingError::CodingUnknown.status(), 501);
    assert_eq!(FramingError::ChunkedNotLast.status(), 400);
    assert_eq!(FramingError::LengthMalformed.status(), 400);
}

// RFC 9112 section 9.3
#[test]
fn the_client_says_whether_the_connection_lives_on() {
    let table: &[(&str, &[&str], bool)] = &[
        ("1.1", &[], true),
        ("1.2", &[], true),
        ("1.1", &["Connection:"], true),
        ("1.1", &["Connection: keep-alive"], true),
        ("1.1", &["Connection: close"], false),
        ("1.1", &["connection: upgrade , CLOSE"], false),
        ("1.1", &["Connection: a", "Connection: close"], false),
        ("1.1", &["Connection: keep-alive, close"], false),
        ("1.1", &["Connection: closed"], true),
        ("1.1", &["Connection: a close"], true),
        ("1.0", &[], false),
        ("1.0", &["Connection: keep-alive"], true),
        ("1.0", &["Connection: a, Keep-Alive"], true),
        ("1.0", &["Connection: keep-alive", "Connection: close"], false),
        ("1.0", &["Connection: close"], false),
        ("1.0", &["Keep-Alive: timeout=5"], false),
    ];
    for (version, fields, expected) in table {
        assert_eq!(keep_alive(&head(version, fields)), *expected, "{version} {fields:?}");
    }
}

// RFC 9110 section 10.1.1
#[test]
fn only_an_http11_client_with_a_body_is_told_to_go_on() {
    let body = BodyFraming::Length(5);
    type Expected = Result<Expectation, UnmetExpectation>;
    let table: &[(&str, &[&str], BodyFraming, Expected)] = &[
        ("1.1", &[], body, Ok(Expectation::None)),
        ("1.1", &["Expect:"], body, Ok(Expectation::None)),
        ("1.1", &["Expect: 100-continue"], body, Ok(Expectation::Continue)),
        ("1.1", &["Expect: 100-Continue"], BodyFraming::Chunked, Ok(Expectation::Continue)),
        ("1.1", &["Expect: 100-continue, 100-continue"], body, Ok(Expectation::Continue)),
        ("1.1", &["Expect: 100-continue"], BodyFraming::None, Ok(Expectation::None)),
        ("1.0", &["Expect: 100-continue"], body, Ok(Expectation::None)),
        ("1.1", &["Expect: 200-ok"], body, Err(UnmetExpectation)),
        ("1.1", &["Expect: 100-continue; a=b"], body, Err(UnmetExpectation)),
        ("1.1", &["Expect: 100-continue", "Expect: b"], body, Err(UnmetExpectation)),
        ("1.1", &["Expect: b"], BodyFraming::None, Err(UnmetExpectation)),
        ("1.0", &["Expect: b"], body, Err(UnmetExpectation)),
    ];
    for (version, fields, framing, expected) in table {
        assert_eq!(expectation(&head(version, fields), *framing), *expected, "{version} {fields:?} {framing:?}");
    }
    assert_eq!(UnmetExpectation.status(), 417);
}

/// Field lines about the framing of a body, valid and invalid ones.
fn framing_lines() -> impl Strategy<Value = Vec<String>> {
    let name = prop::sample::select(vec!["Content-Length", "content-length", "Transfer-Encoding", "transfer-encoding"]);
    let element =
        prop::sample::select(vec!["5", "05", "6", "0", "", "chunked", "Chunked", "gzip", "x y", "+5", "chunked;a=b"]);
    let value = prop::collection::vec(element, 1..3).prop_map(|elements| elements.join(", "));
    prop::collection::vec((name, value).prop_map(|(name, value)| format!("{name}: {value}")), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn what_is_framed_has_one_length_or_is_chunked_once_and_never_both(lines in framing_lines()) {
        let fields: Vec<&str> = lines.iter().map(String::as_str).collect();
        let elements = |name: &str| -> Vec<String> {
            let named = lines.iter().filter_map(|line| line.split_once(": "));
            let values = named.filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_lowercase());
            values.flat_map(|value| value.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        let (lengths, mut codings) = (elements("content-length"), elements("transfer-encoding"));
        let coded = !codings.is_empty();
        codings.retain(|coding| !coding.is_empty());
        match framing("1.1", &fields) {
            Ok(BodyFraming::None) => prop_assert!(!coded && lengths.iter().all(|length| length == "0")),
            Ok(BodyFraming::Length(length)) => {
                prop_assert!(!coded && lengths.iter().all(|other| other.parse() == Ok(length)));
            }
            Ok(BodyFraming::Chunked) => prop_assert!(lengths.is_empty() && codings == ["chunked"]),
            Ok(BodyFraming::ByStream(_)) => prop_assert!(false, "only HTTP/2 has streams"),
            Err(_) => prop_assert!(coded || lengths.iter().any(|length| !matches!(&length[..], "5" | "05")) ),
        }
        prop_assert_eq!(framing("1.0", &fields).is_ok(), !coded && framing("1.1", &fields).is_ok());
    }
}
