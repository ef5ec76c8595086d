use super::*;

#[test]
fn the_table_is_sorted_and_its_defaults_are_accepted() {
    assert!(BUILTINS.is_sorted_by_key(|builtin| builtin.name));
    for builtin in &BUILTINS {
        assert!(std::ptr::eq(find(builtin.name).expect("it is in the table"), builtin));
        let default = builtin.default.map(|preset| match preset {
            Preset::Boolean(boolean) => ValueRef::Boolean(boolean),
            Preset::Integer(integer) => ValueRef::Integer(integer),
            Preset::Text(text) => ValueRef::Text(text),
        });
        assert!(default.is_none_or(|default| builtin.accepts(default)), "{}", builtin.name);
    }
    assert!(find("greeting").is_none());
}

#[test]
fn each_kind_accepts_its_range_and_nothing_else() {
    use ValueRef::{Boolean, Float, Integer, List, Text};
    let from_two_to_four = OptionKind::Integer { least: 2, most: 4 };
    let seconds = OptionKind::Seconds { most: 10 };
    let either = OptionKind::Either("one", "other");
    for (kind, accepted, refused) in [
        (OptionKind::Boolean, &[Boolean(true), Boolean(false)][..], &[Integer(1), Text("true"), List][..]),
        (
            OptionKind::BooleanOr("auto"),
            &[Boolean(true), Boolean(false), Text("auto")],
            &[Integer(1), Text("true"), Text("Auto"), Text(""), Float(1.0), List],
        ),
        (from_two_to_four, &[Integer(2), Integer(4)], &[Integer(1), Integer(5), Float(3.0), Text("3"), List]),
        (
            seconds,
            &[Integer(1), Integer(10), Float(0.001), Float(10.0)],
            &[
                Integer(0),
                Integer(-1),
                Integer(11),
                Float(0.0),
                Float(-0.5),
                Float(10.1),
                Float(f64::NAN),
                Float(f64::INFINITY),
                Text("1"),
            ],
        ),
        (
            OptionKind::FieldValue,
            &[Text("text/plain"), Text("a;\tb c")],
            &[
                Text(""),
                Text(" a"),
                Text("a\t"),
                Text("a\r\nb"),
                Text("a\0"),
                Text("\u{7f}"),
                Text("\u{e9}"),
                Boolean(true),
            ],
        ),
        (either, &[Text("one"), Text("other")], &[Text("One"), Text(""), Integer(1), List]),
    ] {
        accepted.iter().for_each(|value| assert!(kind.accepts(*value), "{kind} and {value:?}"));
        refused.iter().for_each(|value| assert!(!kind.accepts(*value), "{kind} but {value:?}"));
    }
}

#[test]
fn typing_errors_are_similar_to_what_was_meant() {
    const KEYS: [&str; 4] = ["path", "paths", "methods", "request-fields"];
    for (typed, meant) in [
        ("timout", "timeout"),
        ("Timeout", "timeout"),
        ("pth", "path"),
        ("Path", "path"),
        ("Rate", "rate"),
        ("raet", "rate"),
        ("max-body", "max_body"),
        ("maxbody", "max_body"),
        ("methdos", "methods"),
        ("request_fields", "request-fields"),
        ("buffersize", "buffer_size"),
        ("conccurency", "concurrency"),
    ] {
        assert_eq!(similar(typed, &KEYS), Some(meant), "{typed}");
    }
    for own in ["date", "name", "note", "page", "greeting", "rate", "path", "theme", "limit", "", "é", "title", "user"]
    {
        assert_eq!(similar(own, &KEYS), None, "{own}");
    }
    assert_eq!(similar(&"timeout".repeat(100), &KEYS), None);
}
