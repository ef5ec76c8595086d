//! Where things are in a file.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeTable;

/// The lines of the keys in a table of a file that is TOML. `path` leads to the table.
pub(super) fn lines_in(text: &str, path: &[&str]) -> BTreeMap<String, usize> {
    let Ok(file) = DeTable::parse(text) else { return BTreeMap::new() };
    let mut table = Some(file.get_ref());
    for key in path {
        table = table.and_then(|table| table.get(*key)).and_then(|value| value.get_ref().as_table());
    }
    let keys = table.into_iter().flat_map(|named| named.keys());
    keys.map(|key| (key.get_ref().to_string(), line(text, &key.span()))).collect()
}

/// The line in which a part of a file begins.
pub(super) fn line(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|byte| **byte == b'\n').count() + 1
}
