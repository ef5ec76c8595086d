//! How queries are decoded, as a table.

use super::{pairs, value};

#[test]
fn a_query_is_read_as_a_form_is() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("", &[]),
        ("bytes=7", &[("bytes", "7")]),
        ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
        ("&&a=1&", &[("a", "1")]),
        ("flag", &[("flag", "")]),
        ("=", &[("", "")]),
        ("a=b=c", &[("a", "b=c")]),
        ("a=x+y%20z", &[("a", "x y z")]),
        ("%61%3D=%26%2b", &[("a=", "&+")]),
        ("a=%C3%A9", &[("a", "é")]),
        ("a=%ff", &[("a", "\u{fffd}")]),
        ("a=%", &[("a", "%")]),
        ("a=%2&b=%zz&c=%+1", &[("a", "%2"), ("b", "%zz"), ("c", "% 1")]),
    ];
    for (query, expected) in table {
        let read: Vec<_> = pairs(query).collect();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(&read, expected, "{query}");
    }
}

#[test]
fn the_first_value_of_a_name_is_the_one_asked_for() {
    assert_eq!(value("a=1&b=2&a=3", "a"), Some("1".to_owned()));
    assert_eq!(value("a=1&b=2&a=3", "c"), None);
}
