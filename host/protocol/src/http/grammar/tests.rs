use super::{is_token, list, parse_field_line, skip_quoted_string, split_token, trim_ows};

#[test]
fn tokens_are_tchar() {
    for token in [&b"a"[..], b"GET", b"!#$%&'*+-.^_`|~09azAZ"] {
        assert!(is_token(token), "{token:?}");
    }
    for other in [&b""[..], b"a b", b"a:", b"\"a\"", b"(a)", b"a/b", b"a\0", b"a\r", b"a\x7f", b"\xc3\xa9"] {
        assert!(!is_token(other), "{other:?}");
    }
    assert_eq!(split_token(b"a=b"), (&b"a"[..], &b"=b"[..]));
    assert_eq!(split_token(b"=b"), (&b""[..], &b"=b"[..]));
}

#[test]
fn optional_white_space_is_sp_and_htab_alone() {
    let table: &[(&[u8], &[u8])] = &[
        (b"a", b"a"),
        (b" \ta b\t ", b"a b"),
        (b" \t ", b""),
        (b"", b""),
        (b"\x0ba\x0c", b"\x0ba\x0c"),
        (b"\ra\n", b"\ra\n"),
        (b"\xa0a", b"\xa0a"),
    ];
    for (bytes, trimmed) in table {
        assert_eq!(trim_ows(bytes), *trimmed, "{bytes:?}");
    }
}

// RFC 9110 section 5.6.1.2
#[test]
fn lists_leave_out_empty_elements_and_go_on_over_lines() {
    type Pieces = &'static [&'static [u8]];
    let table: &[(Pieces, Pieces)] = &[
        (&[], &[]),
        (&[b""], &[]),
        (&[b" , ,\t"], &[]),
        (&[b"a"], &[b"a"]),
        (&[b"a,b ,\tc"], &[b"a", b"b", b"c"]),
        (&[b",a,", b"", b"b"], &[b"a", b"b"]),
    ];
    for (values, elements) in table {
        assert_eq!(list(values.iter().copied()).collect::<Vec<_>>(), elements.to_vec(), "{values:?}");
    }
}

// RFC 9110 section 5.6.4
#[test]
fn quoted_strings_end_at_their_quote() {
    let table: &[(&[u8], Option<&[u8]>)] = &[
        (b"\"\"", Some(b"")),
        (b"\"a b\";c", Some(b";c")),
        (b"\"a\\\"b\" ", Some(b" ")),
        (b"\"\\\\\"", Some(b"")),
        (b"\"\xe9\t\"", Some(b"")),
        (b"\"a", None),
        (b"\"a\\\"", None),
        (b"\"a\\", None),
        (b"\"a\rb\"", None),
        (b"\"a\0\"", None),
        (b"\"a\\\0\"", None),
        (b"\"a\x7f\"", None),
        (b"a\"", None),
        (b"", None),
    ];
    for (bytes, rest) in table {
        assert_eq!(skip_quoted_string(bytes), *rest, "{bytes:?}");
    }
}

// RFC 9112 section 5
#[test]
fn field_lines_have_a_name_a_colon_and_a_value() {
    let table: &[(&[u8], &str, &[u8])] = &[
        (b"a:b\r\n", "a", b"b"),
        (b"a: b\r\n", "a", b"b"),
        (b"A:\t b c \t\r\n", "A", b"b c"),
        (b"a:\r\n", "a", b""),
        (b"a: \t \r\n", "a", b""),
        (b"a:b:c\r\n", "a", b"b:c"),
        (b"a: \xe9\t.\r\n", "a", b"\xe9\t."),
        (b"a-b!: c\r\n", "a-b!", b"c"),
    ];
    for (line, name, value) in table {
        assert_eq!(parse_field_line(line), Some((*name, *value)), "{line:?}");
    }
    let refused: &[&[u8]] = &[
        b"\r\n",
        b"a\r\n",
        b":b\r\n",
        b"a :b\r\n",
        b"a\t:b\r\n",
        b" a:b\r\n",
        b"a b:c\r\n",
        b"\xe9:b\r\n",
        b"a:b\rc\r\n",
        b"a:b\0c\r\n",
        b"a:\x01\r\n",
        b"a:\x7f\r\n",
        b"a:b\r\n c\r\n",
        b"a:b\r\nc:d\r\n",
        b"a:b\r\n\r\n",
    ];
    for line in refused {
        assert_eq!(parse_field_line(line), None, "{line:?}");
    }
}
