//! That Cargo.lock has no version of a crate that an advisory in `advisories.toml` concerns.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

fn table(file: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).expect("the file is text").parse().expect("the file is TOML")
}

fn rows<'t>(table: &'t Table, of: &str) -> impl Iterator<Item = &'t Table> {
    table[of].as_array().expect("there is a list").iter().filter_map(Value::as_table)
}

fn text<'t>(row: &'t Table, key: &str) -> &'t str {
    row[key].as_str().expect("it is text")
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().expect("a version is of numbers")).collect()
}

#[test]
fn every_crate_is_past_its_advisories_or_the_list_says_what_keeps_the_host_from_them() {
    let (lock, list) = (table("Cargo.lock"), table("advisories.toml"));
    for advisory in rows(&list, "advisory") {
        let (id, name, mended) = (text(advisory, "id"), text(advisory, "crate"), text(advisory, "mended"));
        let mut locked = rows(&lock, "package").filter(|package| text(package, "name") == name).peekable();
        assert!(locked.peek().is_some(), "{id}: {name} is not used any more: remove the entry");
        let is_mended = locked.all(|package| numbers(text(package, "version")) >= numbers(mended));
        match (is_mended, advisory.contains_key("meanwhile")) {
            (true, false) | (false, true) => {}
            (true, true) => panic!("{id}: {name} is mended by now: remove `meanwhile`"),
            (false, false) => panic!("{id}: {name} has to be {mended} at least: cargo update -p {name}"),
        }
    }
}
