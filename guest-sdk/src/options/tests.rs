//! How values are formatted.

use crate::Value;

#[test]
fn a_value_reads_as_it_is_written_in_the_attribute() {
    let table = [
        (Value::Boolean(true), "true"),
        (Value::Integer(-7), "-7"),
        (Value::Float(2.0), "2.0"),
        (Value::Text("a text".to_owned()), "a text"),
        (Value::Booleans(vec![true, false]), "[true, false]"),
        (Value::Integers(vec![1, -2]), "[1, -2]"),
        (Value::Floats(vec![0.5, 2.0]), "[0.5, 2.0]"),
        (Value::Texts(vec!["a".to_owned(), "b c".to_owned()]), "[a, b c]"),
        (Value::Texts(Vec::new()), "[]"),
    ];
    for (value, expected) in table {
        assert_eq!(value.to_string(), expected);
    }
}
