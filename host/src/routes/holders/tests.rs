//! For how long a pattern is kept, and for whom.

use super::*;
use crate::routes::component::tests::key;

const NOBODY: fn(&ComponentKey) -> bool = |_| false;

fn record(shape: &str, file: &str, methods: &[&str]) -> HolderRecord {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    HolderRecord { shape: shape.to_owned(), key: key(file), methods }
}

/// Who has what is kept of a shape.
fn reserved(holders: &Holders, shape: &str) -> Vec<(String, ReservedBy)> {
    let reserved = holders.reserved(shape, NOBODY);
    reserved.iter().map(|it| (it.key.to_string(), it.by)).collect()
}

#[test]
fn what_is_held_is_kept_while_its_file_is_away_for_a_time() {
    let mut holders = Holders::from_records(vec![record("/x", "a.wasm", &["GET"]), record("/{}", "b.wasm", &[])]);
    assert_eq!(holders.present(), [key("a.wasm"), key("b.wasm")]);
    assert_eq!(reserved(&holders, "/x"), [("a.wasm".to_owned(), ReservedBy::Held)]);
    assert!(holders.reserved("/x", |it| *it == key("a.wasm")).is_empty(), "it is served");
    let now = Instant::now();
    holders.mark_missing(&key("a.wasm"), None, now);
    // It is still the same gap.
    holders.mark_missing(&key("a.wasm"), None, now + CLAIM_KEPT / 2);
    assert_eq!(holders.present(), [key("b.wasm")]);
    assert_eq!(reserved(&holders, "/x"), [("a.wasm".to_owned(), ReservedBy::Missing)]);
    assert_eq!(holders.expires_at(), Some(now + CLAIM_KEPT));
    assert!(!holders.expire(now + CLAIM_KEPT / 2) && holders.expire(now + CLAIM_KEPT));
    assert_eq!((reserved(&holders, "/x"), holders.expires_at()), (vec![], None));
    assert_eq!(holders.records(), [record("/{}", "b.wasm", &[])]);
}

#[test]
fn a_file_that_comes_back_is_away_no_longer_and_one_that_is_meant_to_go_keeps_nothing() {
    let all = vec![record("/x", "a.wasm", &[]), record("/y", "a.wasm", &[]), record("/z", "b.wasm", &[])];
    let mut holders = Holders::from_records(all.clone());
    let now = Instant::now();
    holders.mark_missing(&key("a.wasm"), None, now);
    holders.mark_present(&key("a.wasm"));
    assert!(!holders.expire(now + CLAIM_KEPT));
    assert_eq!(holders.records(), all);
    holders.mark_missing(&key("b.wasm"), None, now);
    holders.release_missing();
    holders.release(&key("c.wasm"));
    assert_eq!(holders.records(), all[..2]);
    holders.release(&key("a.wasm"));
    assert_eq!(holders.records(), []);
}

#[test]
fn a_file_that_was_moved_takes_its_claims_along() {
    let mut holders = Holders::from_records(vec![record("/x", "a.wasm", &[]), record("/y", "b.wasm", &[])]);
    let look = Fingerprint::numbered(7);
    holders.mark_missing(&key("a.wasm"), Some(look), Instant::now());
    holders.move_claims(|gone| (gone == look).then(|| key("moved.wasm")));
    assert_eq!(holders.records(), [record("/x", "moved.wasm", &[]), record("/y", "b.wasm", &[])]);
    assert_eq!(holders.expires_at(), None);
}
