use proptest::prelude::*;

use super::FieldError::{Forbidden, Invalid, TooLarge};
use super::{CONNECTION_FIELDS, FieldError, Fields, MAX_FIELD_BYTES, MAX_FIELDS, MAX_NAME_BYTES, TRAILER};

fn lines(fields: &Fields) -> Vec<(&str, &[u8])> {
    fields.iter().collect()
}

/// The result of adding one field, which has to be the same for `set` and `append`.
fn given(name: &str, value: &[u8]) -> Result<(), FieldError> {
    let (mut set, mut appended) = (Fields::default(), Fields::default());
    let results = (set.set(name, value), appended.append(name, value));
    assert_eq!(results.0, results.1, "{name:?} {value:?}");
    let taken = results.0.is_ok();
    assert_eq!((set.contains(name), appended.contains(name)), (taken, taken), "{name:?} {value:?}");
    results.0
}

#[test]
fn lines_stay_in_order_and_a_name_goes_by_in_any_case() {
    let mut fields = Fields::default();
    for (name, value) in [("A", "1"), ("b", "2"), ("a", "3"), ("set-cookie", "4"), ("Set-Cookie", "5")] {
        assert_eq!(fields.append(name, value.as_bytes()), Ok(()));
    }
    let all: &[(&str, &[u8])] = &[("A", b"1"), ("b", b"2"), ("a", b"3"), ("set-cookie", b"4"), ("Set-Cookie", b"5")];
    assert_eq!(lines(&fields), all);
    assert_eq!(fields.set("SET-COOKIE", b"6"), Ok(()));
    fields.remove("a");
    fields.remove("absent");
    assert_eq!(lines(&fields), [("b", &b"2"[..]), ("SET-COOKIE", b"6")]);
    assert!(fields.contains("set-cookie") && !fields.contains("a"));
    fields.clear();
    assert_eq!(lines(&fields), []);
}

// RFC 9110 section 5.1
#[test]
fn a_name_is_a_token() {
    for name in ["a", "X-One", "!#$%&'*+-.^_`|~", "0"] {
        assert_eq!(given(name, b"a"), Ok(()), "{name}");
    }
    for name in
        ["", " ", "a b", "a:", ":a", "a\r", "a\n", "a\r\nb: c\r\n", "a\0", "a\t", " a", "a ", "(a)", "é", "\u{7f}"]
    {
        assert_eq!(given(name, b"a"), Err(Invalid), "{name:?}");
    }
}

// RFC 9110 section 5.5
#[test]
fn a_value_is_text_without_blanks_at_its_ends() {
    for byte in 0..=u8::MAX {
        let text = byte >= 0x20 && byte != 0x7f || byte == b'\t';
        let within = if text { Ok(()) } else { Err(Invalid) };
        let at_an_end = if matches!(byte, b' ' | b'\t') { Err(Invalid) } else { within };
        assert_eq!(given("a", &[b'b', byte, b'c']), within, "{byte:#x}");
        assert_eq!(given("a", &[byte]), at_an_end, "{byte:#x}");
        assert_eq!(given("a", &[byte, b'b']), at_an_end, "{byte:#x}");
        assert_eq!(given("a", &[b'b', byte]), at_an_end, "{byte:#x}");
    }
    assert_eq!(given("a", b""), Ok(()));
    for split in [&b"b\r\nc: d"[..], b"b\r\n\r\n<p>", b"b\nc: d", b"b\rc: d", b"b\r\n c"] {
        assert_eq!(given("a", split), Err(Invalid), "{split:?}");
    }
}

// RFC 9110 section 7.6.1
#[test]
fn the_fields_of_the_connection_belong_to_the_host() {
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"] {
        assert_eq!(given(name, b"a"), Err(Forbidden), "{name}");
        assert_eq!(given(&name.to_uppercase(), b"a"), Err(Forbidden), "{name}");
    }
    assert_eq!(given("trailers", b"a"), Ok(()));
}

// RFC 9110 section 8.6
#[test]
fn a_declared_length_is_a_number_of_64_bits_and_part_of_the_framing() {
    let table: &[(&[u8], Option<u64>)] = &[
        (b"0", Some(0)),
        (b"007", Some(7)),
        (b"18446744073709551615", Some(u64::MAX)),
        (b"18446744073709551616", None),
        (b"", None),
        (b"+1", None),
        (b"-1", None),
        (b"1.0", None),
        (b"0x1", None),
        (b"1, 1", None),
        (b"1 1", None),
        (b"\xb2", None),
    ];
    for (value, expected) in table {
        let mut fields = Fields::default();
        assert_eq!(fields.set("Content-Length", value).is_ok(), expected.is_some(), "{value:?}");
        assert_eq!(fields.content_length(), *expected, "{value:?}");
        assert_eq!(lines(&fields), []);
    }
    let mut fields = Fields::default();
    assert_eq!(fields.set("content-length", b"1"), Ok(()));
    assert_eq!(fields.set("content-length", b"x"), Err(Invalid));
    assert_eq!(fields.content_length(), Some(1));
    assert_eq!(fields.set("CONTENT-LENGTH", b"2"), Ok(()));
    assert_eq!(fields.content_length(), Some(2));
    fields.remove("Content-Length");
    assert_eq!(fields.content_length(), None);
    assert_eq!(fields.append("content-length", b"3"), Ok(()));
    fields.clear();
    assert_eq!(fields.content_length(), None);
}

#[test]
fn some_fields_have_one_line_only() {
    for (name, value) in [("Content-Length", "1"), ("content-type", "image/png"), ("date", "never")] {
        let mut fields = Fields::default();
        assert_eq!(fields.append(name, value.as_bytes()), Ok(()));
        assert_eq!(fields.append(&name.to_uppercase(), value.as_bytes()), Err(Invalid), "{name}");
        assert_eq!(fields.set(name, value.as_bytes()), Ok(()));
    }
}

#[test]
fn every_bound_is_exact() {
    let name = "a".repeat(MAX_NAME_BYTES);
    assert_eq!(given(&name, b""), Ok(()));
    assert_eq!(given(&format!("{name}a"), b""), Err(TooLarge));
    assert_eq!(given("a", &[b'b'; MAX_FIELD_BYTES - 1]), Ok(()));
    assert_eq!(given("a", &[b'b'; MAX_FIELD_BYTES]), Err(TooLarge));

    let mut many = Fields::default();
    for _ in 0..MAX_FIELDS {
        assert_eq!(many.append("a", b"b"), Ok(()));
    }
    assert_eq!(many.append("a", b"b"), Err(TooLarge));
    assert_eq!(many.set("c", b"d"), Err(TooLarge));
    assert_eq!(lines(&many).len(), MAX_FIELDS);
    // There is room if it replaces other lines.
    assert_eq!(many.set("A", b"b"), Ok(()));
    assert_eq!(lines(&many), [("A", &b"b"[..])]);

    let mut large = Fields::default();
    assert_eq!(large.set("a", &[b'b'; MAX_FIELD_BYTES - 3]), Ok(()));
    assert_eq!(large.append("c", b"dd"), Err(TooLarge));
    assert_eq!(large.append("c", b"d"), Ok(()));
    assert_eq!(large.append("e", b""), Err(TooLarge));
    assert_eq!(large.set("a", &[b'b'; MAX_FIELD_BYTES - 2]), Err(TooLarge));
    assert_eq!(large.set("a", &[b'b'; MAX_FIELD_BYTES - 3]), Ok(()));
    large.remove("a");
    assert_eq!(large.append("e", b"f"), Ok(()));
    assert_eq!(lines(&large), [("c", &b"d"[..]), ("e", b"f")]);
}

/// Names and values, about half of which are invalid.
fn field_like() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name =
        prop_oneof!["[a-cA-C]", "[ -~]{0,3}", Just("content-length".to_owned()), Just("te".to_owned()), ".{0,3}"];
    let value = prop_oneof!["[0-9]{0,2}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..4)];
    (name, value)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn whatever_is_given_each_line_is_one_that_a_client_reads_as_it_was_given(
        given in prop::collection::vec((field_like(), any::<bool>()), 0..16),
    ) {
        let mut fields = Fields::default();
        let mut head = Vec::new();
        for ((name, value), append) in &given {
            // The field may be refused. The test only checks the fields afterwards.
            let _ = if *append { fields.append(name, value) } else { fields.set(name, value) };
        }
        for (name, value) in fields.iter() {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        let mut parsed = [httparse::EMPTY_HEADER; 16];
        let parsed = httparse::parse_headers(&head, &mut parsed).expect("well-formed fields");
        let httparse::Status::Complete((length, parsed)) = parsed else { panic!("no end of the fields") };
        prop_assert_eq!(length, head.len());
        let parsed: Vec<_> = parsed.iter().map(|line| (line.name, line.value)).collect();
        prop_assert_eq!(parsed, lines(&fields));
    }
}

#[test]
fn only_fields_that_may_be_forwarded_announce_trailers() {
    let mut fields = Fields::default();
    assert_eq!(fields.append("trailer", b"x-t"), Err(Forbidden));
    assert_eq!(fields.set("Trailer", b"x-t"), Err(Forbidden));
    assert_eq!(fields.append_or_announce("Trailer", b"x-t"), Ok(()));
    assert_eq!(fields.append_or_announce("x-a", b"b"), Ok(()));
    for name in CONNECTION_FIELDS.into_iter().filter(|name| *name != TRAILER) {
        assert_eq!(fields.append_or_announce(name, b"x"), Err(Forbidden), "{name}");
    }
    assert_eq!(fields.append_or_announce("trailer", b"a\r\nb"), Err(Invalid));
    assert_eq!(fields.append_or_announce("trailer", &[b'x'; MAX_FIELD_BYTES + 1]), Err(TooLarge));
    assert_eq!(fields.append_or_announce("trailer", &[b'x'; MAX_FIELD_BYTES]), Err(TooLarge));
    assert_eq!(fields.all().collect::<Vec<_>>(), [("Trailer", &b"x-t"[..]), ("x-a", b"b")]);
}
