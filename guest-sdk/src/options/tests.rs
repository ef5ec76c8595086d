//! How values read, and what a declaration holds.

use super::declaration;
use crate::Value;

#[test]
fn a_value_reads_as_it_is_written_in_the_attribute() {
    let table = [
        (Value::from(true), "true"),
        (Value::from(-7), "-7"),
        (Value::from(2.0), "2.0"),
        (Value::from("a text"), "a text"),
        (Value::from(&[true, false][..]), "[true, false]"),
        (Value::from(&[1, -2][..]), "[1, -2]"),
        (Value::from(&[0.5, 2.0][..]), "[0.5, 2.0]"),
        (Value::from(&["a", "b c"][..]), "[a, b c]"),
        (Value::from(&[] as &[&str]), "[]"),
    ];
    for (value, expected) in table {
        assert_eq!(value.to_string(), expected);
    }
}

#[test]
fn a_declaration_holds_what_the_attribute_says_in_its_order() {
    let declared = declaration(&["/b", "/a"], &["GET"], vec![("rate", Value::from(5)), ("a", Value::from("x"))]);
    assert_eq!(declared.paths, ["/b", "/a"]);
    assert_eq!(declared.methods, ["GET"]);
    assert_eq!(
        declared.options,
        [("rate".to_owned(), Value::Integer(5)), ("a".to_owned(), Value::Text("x".to_owned()))]
    );
}
