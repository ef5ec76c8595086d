use proptest::prelude::*;

use super::Similarity::{FirstSegment, Form, Spelling};
use super::*;

const PATTERNS: [&str; 8] =
    ["/", "/hello", "/help", "/users/{id}", "/users/{id}/posts", "/files/{*rest}", "/own/", "/far/away"];

fn suggested_for(path: &str) -> Vec<(&'static str, Similarity)> {
    let suggested = suggest(PATTERNS.into_iter(), path);
    suggested.into_iter().map(|(index, similarity)| (PATTERNS[index], similarity)).collect()
}

#[test]
fn what_may_have_been_meant_is_named_with_the_nearest_first() {
    for (path, expected) in [
        ("/own", &[("/own/", Form)][..]),
        ("/Hello/", &[("/hello", Form)]),
        ("/helo", &[("/hello", Spelling(1)), ("/help", Spelling(1))]),
        ("/user/7", &[("/users/{id}", Spelling(1))]),
        ("/users", &[("/users/{id}", FirstSegment), ("/users/{id}/posts", FirstSegment)]),
        ("/users/7/post", &[("/users/{id}/posts", Spelling(1)), ("/users/{id}", FirstSegment)]),
        ("/files", &[("/files/{*rest}", FirstSegment)]),
        ("/far", &[("/far/away", FirstSegment)]),
        ("/nothing-like-it", &[]),
    ] {
        assert_eq!(suggested_for(path), expected, "{path}");
    }
}

#[test]
fn no_more_than_five_are_named() {
    let patterns: Vec<String> = (0..9).map(|number| format!("/a/{number}/b")).collect();
    assert_eq!(suggest(patterns.iter().map(String::as_str), "/a/none").len(), 5);
}

#[test]
fn edits_are_counted_as_levenshtein_does() {
    for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
        assert_eq!(edits(one, other), expected, "{one} {other}");
        assert_eq!(edits(other, one), expected, "{other} {one}");
    }
}

proptest! {
    #[test]
    fn no_path_is_too_much(pattern in "(/.{0,80}){0,4}", path in "(/.{0,80}){0,4}") {
        suggest([pattern.as_str()].into_iter(), &path);
    }
}
