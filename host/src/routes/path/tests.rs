//! Decoding, and what it must keep apart.

use std::borrow::Cow;

use super::*;

#[test]
fn a_path_without_percent_is_itself_and_is_not_copied() {
    assert!(matches!(comparable("/hello"), Ok(Cow::Borrowed("/hello"))));
}

#[test]
fn everything_is_decoded_but_the_slash_and_the_percent_sign() {
    for (path, expected, decoded) in [
        ("/a%20b", "/a b", "/a b"),
        ("/%68ello", "/hello", "/hello"),
        ("/caf%c3%A9", "/caf\u{e9}", "/caf\u{e9}"),
        ("/a%2fb", "/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%252Fb", "/a%2Fb"),
        ("/100%25", "/100%25", "/100%"),
        ("/%7Bid%7D", "/{id}", "/{id}"),
        ("/a%252fb", "/a%252fb", "/a%2fb"),
        ("/a%25%32%46b", "/a%252Fb", "/a%2Fb"),
        ("/a%25252Fb", "/a%25252Fb", "/a%252Fb"),
    ] {
        assert_eq!(comparable(path).as_deref(), Ok(expected), "{path}");
        assert_eq!(plain(expected), decoded, "{path}");
    }
}

#[test]
fn a_pattern_is_comparable_with_the_paths_that_encode_it() {
    for (pattern, path) in [("/100%", "/100%25"), ("/a b", "/a%20b"), ("/hello", "/hello")] {
        assert_eq!(comparable(path).as_deref(), Ok(comparable_pattern(pattern).as_str()));
    }
}

#[test]
fn what_is_not_properly_encoded_text_is_refused() {
    for (path, error) in [
        ("/%", PathError::Percent),
        ("/%4", PathError::Percent),
        ("/%zz", PathError::Percent),
        ("/%+4", PathError::Percent),
        ("/%2%2F", PathError::Percent),
        ("/%%2F", PathError::Percent),
        ("/%\u{e9}", PathError::Percent),
        ("/%ff", PathError::NotUtf8),
        ("/%c0%af", PathError::NotUtf8),
        ("/a%00b", PathError::Nul),
    ] {
        assert_eq!(comparable(path), Err(error), "{path}");
    }
}
