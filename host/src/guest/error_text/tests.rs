//! Names that a component chooses.

use super::*;

#[test]
fn a_name_is_demangled_and_stays_on_its_line() {
    let rows = [
        ("handle", "handle"),
        ("_ZN5hello6handle17h0123456789abcdefE", "hello::handle"),
        ("a\nb\r\u{1b}[2J\u{9b}\0é", "a\\nb\\r\\u{1b}[2J\\u{9b}\\u{0}é"),
        ("_ZN3a\nb3c\u{1b}d17h0123456789abcdefE", "a\\nb::c\\u{1b}d"),
    ];
    for (mangled, shown) in rows {
        assert_eq!(name(mangled), shown, "{mangled:?}");
    }
}

#[test]
fn a_text_is_truncated_at_its_bound() {
    let rows = [("", 0, ""), ("abc", 3, "abc"), ("abcd", 3, "abc..."), ("abé", 3, "ab..."), ("a\nb", 2, "a\\n...")];
    for (text, max_bytes, shown) in rows {
        assert_eq!(bounded(text, max_bytes), shown, "{text:?} at {max_bytes}");
    }
}

#[test]
fn what_a_guest_ends_itself_with_is_told_in_plain_words() {
    let error = wasmtime::Error::from(I32Exit(1)).context("while it ran");
    assert_eq!(cause(&error), "called `exit` with status 1");
}
