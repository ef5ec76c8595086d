use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{HeadError, HeadLimits, HeadParser};
use crate::http::head::RequestHead;
use crate::http::target::TargetError;
use crate::http::version::Version;
use crate::http1::line::tests::places;

/// The result of parsing: a head and the rest of the input, `None` if the head is incomplete, or an error.
type Parsed = Result<Option<(RequestHead, Vec<u8>)>, HeadError>;

fn parse(input: &[u8]) -> Parsed {
    parse_in_pieces(input, &[input.len()], &HeadLimits::default())
}

/// Parses `input` when it arrives in pieces that end at `cuts`.
fn parse_in_pieces(input: &[u8], cuts: &[usize], limits: &HeadLimits) -> Parsed {
    let mut parser = HeadParser::default();
    let mut buffer = BytesMut::new();
    let mut came = 0;
    for cut in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[came..cut]);
        came = cut;
        if let Some(head) = parser.parse(&mut buffer, limits)? {
            return Ok(Some((head, [&buffer, &input[came..]].concat())));
        }
        assert!(buffer.len() < limits.max_bytes);
    }
    Ok(None)
}

fn good(input: &[u8]) -> RequestHead {
    let (head, rest) = parse(input).expect("a good head").expect("a whole head");
    assert_eq!(rest, b"");
    head
}

#[test]
fn a_head_gives_its_parts_as_they_were_sent() {
    let head =
        good(b"POST /a/%41?b=c HTTP/1.1\r\nHost: a.example\r\nX-One:1\r\nx-one: \t2 2\t \r\nEmpty:\r\nB: \xe9\r\n\r\n");
    assert_eq!(head.method(), "POST");
    assert_eq!(head.target(), "/a/%41?b=c");
    assert_eq!(head.path(), "/a/%41");
    assert_eq!(head.query(), Some("b=c"));
    assert_eq!(head.version(), Version::Http11);
    assert!(!head.is_head());
    let expected: Vec<(&str, &[u8])> =
        vec![("Host", b"a.example"), ("X-One", b"1"), ("x-one", b"2 2"), ("Empty", b""), ("B", b"\xe9")];
    assert_eq!(head.fields().collect::<Vec<_>>(), expected);
    assert_eq!(head.values("X-ONE").collect::<Vec<_>>(), [&b"1"[..], b"2 2"]);
    assert_eq!(head.values("absent").count(), 0);
}

// RFC 9112 section 3.2.2
#[test]
fn an_absolute_target_wins_over_host() {
    let head = good(b"GET http://a:80?b HTTP/1.1\r\nA: c\r\nhOst: c\r\n\r\n");
    assert_eq!((head.path(), head.query()), ("/", Some("b")));
    assert_eq!(head.fields().collect::<Vec<_>>(), [("A", &b"c"[..]), ("hOst", b"a:80")]);
    assert_eq!(good(b"OPTIONS * HTTP/1.1\r\nHost: c\r\n\r\n").path(), "*");
    assert_eq!(good(b"GET http://a HTTP/1.0\r\n\r\n").fields().count(), 0);
}

#[test]
fn what_follows_a_head_is_left_in_the_input() {
    let (head, rest) = parse(b"HEAD / HTTP/1.0\r\n\r\n\r\nGET").expect("a good head").expect("a whole head");
    assert!(head.is_head());
    assert_eq!(rest, b"\r\nGET");
}

#[test]
fn a_parser_is_ready_for_the_next_request() {
    let mut input = BytesMut::from(&b"GET /a HTTP/1.0\r\nB: c\r\n\r\nGET /d HTTP/1.0\r\n\r\nGE"[..]);
    let mut parser = HeadParser::default();
    let mut next = || parser.parse(&mut input, &HeadLimits::default()).expect("good heads");
    assert_eq!(next().as_ref().map(RequestHead::path), Some("/a"));
    assert_eq!(next().as_ref().map(RequestHead::path), Some("/d"));
    assert_eq!(next(), None);
}

// RFC 9110 section 9.3.2
#[test]
fn a_refused_request_is_known_as_head_once_its_method_has_come() {
    let limits = HeadLimits { max_bytes: 64, max_fields: 2, max_target: 16 };
    let table: &[(&[u8], HeadError)] = &[
        (b"HEAD  / HTTP/1.1\r\n", HeadError::RequestLine),
        (b"HEAD /\n", HeadError::BareLf),
        (b"HEAD /# HTTP/1.1\r\n", HeadError::Target(TargetError::Path)),
        (b"HEAD / HTTP/2.0\r\n", HeadError::VersionUnsupported),
        (b"HEAD /aaaaaaaaaaaaaaaa HTTP/1.1\r\n", HeadError::TargetTooLong),
        (b"\r\nHEAD / HTTP/1.1\r\na b: c\r\n\r\n", HeadError::Field),
        (b"HEAD / HTTP/1.0\r\na:\r\nb:\r\nc:\r\n", HeadError::TooManyFields),
        (b"HEAD / HTTP/1.0\r\na: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", HeadError::TooLarge),
        (b"HEAD / HTTP/1.1\r\n\r\n", HeadError::Target(TargetError::HostMissing)),
        (b"HEAD / HTTP/1.1\r\nHost: a/b\r\n\r\n", HeadError::Target(TargetError::HostInvalid)),
    ];
    for (input, expected) in table {
        let refused = |input: &[u8]| {
            let mut parser = HeadParser::default();
            (parser.parse(&mut BytesMut::from(input), &limits), parser.refused_head_request())
        };
        assert_eq!(refused(input), (Err(*expected), true), "{input:?}");
        let post = String::from_utf8_lossy(input).replace("HEAD", "POST");
        assert_eq!(refused(post.as_bytes()), (Err(*expected), false), "{post:?}");
    }
    for no_method in [&b"HEAD\r\n"[..], b"head / HTTP/1.1\r\n\r\n", b"HEADER / HTTP/1.1\r\n\r\n"] {
        let mut parser = HeadParser::default();
        assert!(parser.parse(&mut BytesMut::from(no_method), &limits).is_err());
        assert!(!parser.refused_head_request(), "{no_method:?}");
    }
}

#[test]
fn a_head_request_that_was_served_says_nothing_of_the_next_one() {
    let mut input = BytesMut::from(&b"HEAD / HTTP/1.0\r\n\r\n\x16"[..]);
    let mut parser = HeadParser::default();
    assert!(parser.parse(&mut input, &HeadLimits::default()).expect("a good head").is_some());
    assert_eq!(parser.parse(&mut input, &HeadLimits::default()), Err(HeadError::Method));
    assert!(!parser.refused_head_request());
}

// RFC 9112 section 2.3, RFC 9110 section 2.5
#[test]
fn minor_versions_are_served_and_major_ones_are_not() {
    let version = |version: &str| {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        parse(head.as_bytes()).map(|parsed| parsed.map(|(head, _)| head.version()))
    };
    assert_eq!(version("HTTP/1.0"), Ok(Some(Version::Http10)));
    for minor in 1..=9 {
        assert_eq!(version(&format!("HTTP/1.{minor}")), Ok(Some(Version::Http11)));
    }
    for unsupported in ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"] {
        assert_eq!(version(unsupported), Err(HeadError::VersionUnsupported), "{unsupported}");
    }
    let malformed = [
        "",
        "HTTP",
        "HTTP/",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/2",
        "HTTP/11",
        "HTTP/1.10",
        "HTTP/10.1",
        "HTTP/01.1",
        "HTTP/1,1",
        "HTTP/a.b",
        "HTTP/1.a",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "HTTP /1.1",
        "HTTP/ 1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        " HTTP/1.1",
        "\tHTTP/1.1",
        "HTTP/1.1 a",
        "a HTTP/1.1",
        "HTTP/1.1\r",
        "HTTP/-1.1",
        "HTTP/\u{661}.1",
    ];
    for malformed in malformed {
        assert_eq!(version(malformed), Err(HeadError::RequestLine), "{malformed:?}");
    }
    assert_eq!(parse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Err(HeadError::VersionUnsupported));
}

#[test]
fn wrong_heads_are_refused() {
    let table: &[(&[u8], HeadError)] = &[
        // RFC 9112 section 3
        (b"GET\r\n", HeadError::Method),
        (b" GET / HTTP/1.1\r\n", HeadError::Method),
        (b"GET\t/ HTTP/1.1\r\n", HeadError::Method),
        (b"G@T / HTTP/1.1\r\n", HeadError::Method),
        (b"GET: a\r\n", HeadError::Method),
        (b"\"GET\" / HTTP/1.1\r\n", HeadError::Method),
        (b"G\xc3\x89T / HTTP/1.1\r\n", HeadError::Method),
        (b"\r\rGET / HTTP/1.1\r\n", HeadError::Method),
        (b"GET /\r\n", HeadError::RequestLine),
        (b"GET \r\n", HeadError::RequestLine),
        (b"GET  / HTTP/1.1\r\n", HeadError::RequestLine),
        (b"GET /  HTTP/1.1\r\n", HeadError::RequestLine),
        (b"GET / a HTTP/1.1\r\n", HeadError::RequestLine),
        (b"GET /\tHTTP/1.1\r\n", HeadError::RequestLine),
        (b"GET / HTTP/1.1\r\r\n", HeadError::RequestLine),
        // section 3.2
        (b"GET  HTTP/1.1\r\n", HeadError::Target(TargetError::Form)),
        (b"GET /\xff HTTP/1.1\r\n", HeadError::Target(TargetError::Path)),
        (b"GET /\rb HTTP/1.1\r\n", HeadError::Target(TargetError::Path)),
        (b"GET /\t HTTP/1.1\r\n", HeadError::Target(TargetError::Path)),
        (b"GET * HTTP/1.1\r\n", HeadError::Target(TargetError::Form)),
        (b"CONNECT a:1 HTTP/1.1\r\n", HeadError::Target(TargetError::Connect)),
        (b"GET / HTTP/1.1\r\n\r\n", HeadError::Target(TargetError::HostMissing)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", HeadError::Target(TargetError::HostRepeated)),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HeadError::Target(TargetError::HostInvalid)),
        (b"GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n", HeadError::Target(TargetError::HostInvalid)),
        (b"GET http://a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", HeadError::Target(TargetError::HostInvalid)),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", HeadError::Target(TargetError::HostMissing)),
        (b"GET / HTTP/1.0\r\nHost:\r\n\r\n", HeadError::Target(TargetError::HostInvalid)),
        // section 2.2
        (b"\nGET / HTTP/1.1\r\n", HeadError::Method),
        (b"\r\n\r\n\r\n\r\n\r\n", HeadError::EmptyLines),
        (b"GET / HTTP/1.1\n", HeadError::BareLf),
        (b"GET /\n HTTP/1.1\r\n", HeadError::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\n", HeadError::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLf),
        (b"GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n", HeadError::Field),
        // section 5.1
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nb c: d\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\xe9: d\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\n(b): d\r\n\r\n", HeadError::Field),
        // section 5.2
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\td\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", HeadError::Field),
        // RFC 9110 section 5.5
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: \0\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: \x01\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: \x0b\r\n\r\n", HeadError::Field),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\x7f\r\n\r\n", HeadError::Field),
    ];
    for (input, expected) in table {
        for step in 1..=input.len() {
            let cuts: Vec<usize> = (0..input.len()).step_by(step).collect();
            let parsed = parse_in_pieces(input, &cuts, &HeadLimits::default());
            assert_eq!(parsed, Err(*expected), "{:?} in pieces of {step}", input.escape_ascii().to_string());
        }
    }
}

#[test]
fn what_is_no_http_is_refused_at_its_first_bytes() {
    let table: &[(&[u8], Parsed)] = &[
        (b"", Ok(None)),
        (b"G", Ok(None)),
        (b"\r", Ok(None)),
        (b"\r\n\r", Ok(None)),
        (b"\x16\x03\x01", Err(HeadError::Method)),
        (b"\0", Err(HeadError::Method)),
        (b"\r\n\rG", Err(HeadError::Method)),
        (&[b'A'; 32], Ok(None)),
        (&[b'A'; 33], Err(HeadError::MethodTooLong)),
    ];
    for (input, expected) in table {
        assert_eq!(parse(input), *expected, "{input:?}");
    }
}

// RFC 9112 section 2.2
#[test]
fn a_few_empty_lines_before_a_request_are_skipped() {
    assert_eq!(good(b"\r\n\r\n\r\n\r\nget / HTTP/1.0\r\n\r\n").method(), "get");
}

#[test]
fn every_bound_is_exact() {
    let limits = HeadLimits { max_bytes: 64, max_fields: 2, max_target: 20 };
    let outcome = |head: String| parse_in_pieces(head.as_bytes(), &[], &limits).map(|parsed| parsed.is_some());
    let line = |target: usize| format!("GET /{} HTTP/1.0\r\n", "a".repeat(target - 1));
    let value = |length: usize| format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "b".repeat(length));
    assert_eq!(outcome(line(20) + "\r\n"), Ok(true));
    assert_eq!(outcome(line(21)), Err(HeadError::TargetTooLong));
    assert_eq!(outcome(format!("GET /{}", "a".repeat(60))), Err(HeadError::TargetTooLong));
    assert_eq!(outcome(value(41)), Ok(true));
    assert_eq!(outcome(value(42)), Err(HeadError::TooLarge));
    assert_eq!(outcome("GET / HTTP/1.0\r\nA:\r\nB:\r\n\r\n".into()), Ok(true));
    assert_eq!(outcome("GET / HTTP/1.0\r\nA:\r\nB:\r\nC:\r\n".into()), Err(HeadError::TooManyFields));
    assert_eq!(outcome(format!("{} / HTTP/1.0\r\n\r\n", "A".repeat(32))), Ok(true));
}

#[test]
fn the_default_limits_take_what_the_rfcs_recommend() {
    // RFC 9112 section 3
    good(format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(8_000)).as_bytes());
    good(format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(100)).as_bytes());
    good(format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "b".repeat(16_000)).as_bytes());
}

#[test]
fn refusals_have_the_status_that_the_rfcs_name() {
    let table = [
        (HeadError::Field, 400),
        (HeadError::Target(TargetError::Connect), 501),
        (HeadError::TargetTooLong, 414),
        (HeadError::TooLarge, 431),
        (HeadError::TooManyFields, 431),
        (HeadError::MethodTooLong, 501),
        (HeadError::VersionUnsupported, 505),
    ];
    for (error, status) in table {
        assert_eq!(error.status(), status, "{error:?}");
    }
}

/// Bytes that resemble a head in parts.
fn head_like() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "GET ", "/", "/a?b ", "HTTP/1.1", "HTTP/1.0\r\n", "\r\n", "\r\n\r\n", "Host: a\r\n", "A: b\r\n", "A: \t\r\n",
            " ", "\t", "\r", "\n", ":", "%", "http://a", "GET / HTTP/1.1\r\nHost: a\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_split_gives_the_same_result(input in head_like(), cuts in prop::collection::vec(any::<Index>(), 0..8)) {
        let cuts = places(&cuts, input.len());
        let limits = HeadLimits { max_bytes: 80, max_fields: 3, max_target: 8 };
        for limits in [limits, HeadLimits::default()] {
            let whole = parse_in_pieces(&input, &[], &limits);
            prop_assert_eq!(&parse_in_pieces(&input, &cuts, &limits), &whole);
        }
    }

    #[test]
    fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..256)) {
        let _refused_or_not = parse(&input);
    }

    #[test]
    fn a_good_head_reads_as_it_was_written(
        method in "[A-Z]{1,10}",
        path in "/[a-z0-9/._~-]{0,30}",
        fields in prop::collection::vec(("X-[A-Za-z0-9-]{1,12}", "([!-~]([ -~]{0,20}[!-~])?)?"), 0..40),
    ) {
        prop_assume!(method != "CONNECT");
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = good(format!("{method} {path} HTTP/1.0\r\n{lines}\r\n").as_bytes());
        prop_assert_eq!((head.method(), head.path()), (&method[..], &path[..]));
        let written: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (&name[..], value.as_bytes())).collect();
        prop_assert_eq!(head.fields().collect::<Vec<_>>(), written);
    }
}
