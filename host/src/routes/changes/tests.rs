use std::collections::BTreeSet;

use super::*;
use crate::routes::holders::Holders;
use crate::routes::table::tests::route;

fn table(routes: &[&Arc<Route>]) -> RouteTable {
    RouteTable::build(
        routes.iter().map(|route| (*route).clone()).collect(),
        Vec::new(),
        &Holders::default(),
        BTreeSet::new(),
    )
    .0
}

fn told(before: &[&Arc<Route>], after: &[&Arc<Route>]) -> Vec<String> {
    changes(&table(before), &table(after)).iter().map(Change::to_string).collect()
}

#[test]
fn what_came_changed_and_went_is_told_by_pattern() {
    let stays = route("stays.wasm", &["/stays"], &[]);
    let gone = route("gone.wasm", &["/a", "/z"], &["GET", "POST"]);
    let (old, new) = (route("same.wasm", &["/m"], &[]), route("same.wasm", &["/m", "/n"], &[]));
    assert_eq!(
        told(&[&stays, &gone, &old], &[&stays, &new]),
        ["- GET,POST /a  gone.wasm", "~ /m  same.wasm", "+ /n  same.wasm", "- GET,POST /z  gone.wasm"]
    );
    assert_eq!(told(&[&stays], &[&stays]), [""; 0]);
}

#[test]
fn another_file_at_the_same_pattern_takes_its_place() {
    let (one, other) = (route("a.wasm", &["/x"], &[]), route("b.wasm", &["/x"], &[]));
    assert_eq!(told(&[&one], &[&other]), ["+ /x  b.wasm", "- /x  a.wasm"]);
}

#[test]
fn the_name_of_a_file_forges_no_line() {
    let evil = route("a\n- /x.wasm", &["/x"], &[]);
    assert_eq!(told(&[], &[&evil]), ["+ /x  a\\n- /x.wasm"]);
}
