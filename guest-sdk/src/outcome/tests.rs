//! Return values that need no host: their outcomes, and that their types are inferred.

use std::borrow::Cow;

use super::outcome;
use crate::{Close, Error, Manual, Outcome};

#[test]
fn bytes_of_every_kind_are_the_body() {
    let body = Outcome::Body(b"text".to_vec());
    assert_eq!(outcome("text"), body);
    assert_eq!(outcome("text".to_owned()), body);
    assert_eq!(outcome(Cow::Borrowed("text")), body);
    assert_eq!(outcome(Cow::<str>::Owned("text".to_owned())), body);
    assert_eq!(outcome(Cow::Borrowed(&b"text"[..])), body);
    assert_eq!(outcome(b"text"), body);
    assert_eq!(outcome(*b"text"), body);
    assert_eq!(outcome(&b"text"[..]), body);
    assert_eq!(outcome(b"text".to_vec()), body);
}

#[test]
fn nothing_closes_the_connection() {
    assert_eq!(outcome(()), Outcome::Close);
    assert_eq!(outcome(Close), Outcome::Close);
    assert_eq!(outcome(None::<&str>), Outcome::Close);
}

#[test]
fn an_outcome_is_itself() {
    assert_eq!(outcome(Manual), Outcome::Manual);
    assert_eq!(outcome(Outcome::Manual), Outcome::Manual);
}

#[test]
fn options_and_results_are_what_is_in_them() {
    assert_eq!(outcome(Some("text")), Outcome::Body(b"text".to_vec()));
    assert_eq!(outcome(Ok::<_, Error>(Manual)), Outcome::Manual);
    assert_eq!(outcome(Ok::<_, Error>(Some(vec![1_u8]))), Outcome::Body(vec![1]));
    assert_eq!(outcome(Some(Ok::<_, String>(()))), Outcome::Close);
}

#[test]
fn chunks_come_from_iterators_and_collections_of_anything_that_is_bytes() {
    // All chunks are empty, because a write needs a host.
    let end = Outcome::Body(Vec::new());
    assert_eq!(outcome(["", ""].into_iter()), end);
    assert_eq!(outcome([String::new()]), end);
    assert_eq!(outcome(vec![Vec::<u8>::new()]), end);
    assert_eq!(outcome([Ok::<_, Error>("")].into_iter()), end);
    assert_eq!(outcome(Box::new([""].into_iter()) as Box<dyn Iterator<Item = &str>>), end);
    assert_eq!(outcome(Ok::<_, Error>([""].into_iter())), end);
}

#[test]
fn a_response_that_is_over_is_no_failure() {
    assert_eq!(outcome(Err::<&str, _>(Error::Closed)), Outcome::Body(Vec::new()));
}
