//! Which of several patterns a path finds.

use proptest::prelude::*;

use super::*;
use crate::routes::pattern::{check, shape};

fn matcher(patterns: &[&'static str]) -> Matcher<&'static str> {
    let mut matcher = Matcher::new();
    patterns.iter().for_each(|pattern| matcher.insert(pattern, *pattern));
    matcher
}

/// The pattern that is found, and what it takes.
fn found(patterns: &[&'static str], path: &str) -> String {
    match matcher(patterns).find(path) {
        Some((pattern, taken)) => [*pattern].into_iter().chain(taken).collect::<Vec<_>>().join(" "),
        None => "nothing".to_owned(),
    }
}

#[test]
fn of_several_patterns_the_most_specific_is_found_whatever_their_order() {
    for (patterns, path, expected) in [
        (&["/{id}", "/{*rest}"][..], "/a", "/{id} a"),
        (&["/{id}", "/{*rest}"], "/a/b", "/{*rest} a/b"),
        (&["/{id}", "/{*rest}"], "/a/", "/{*rest} a/"),
        (&["/{id}", "/{*rest}"], "//", "/{*rest} /"),
        (&["/{id}", "/{*rest}"], "/", "nothing"),
        (&["/", "/{id}", "/{*rest}"], "/", "/"),
        (&["/{user}/posts", "/{*rest}"], "/ada/posts", "/{user}/posts ada"),
        (&["/{user}/posts", "/{*rest}"], "/ada/pages", "/{*rest} ada/pages"),
        (&["/{user}/posts", "/ada/{page}"], "/ada/posts", "/ada/{page} posts"),
        // What begins well and does not end so is not the end of it.
        (&["/a/b/c", "/a/{x}/d", "/{y}/b/e", "/{*rest}"], "/a/b/d", "/a/{x}/d b"),
        (&["/a/b/c", "/a/{x}/d", "/{y}/b/e", "/{*rest}"], "/a/b/e", "/{y}/b/e a"),
        (&["/a/b/c", "/a/{x}/d", "/{y}/b/e", "/{*rest}"], "/a/b/f", "/{*rest} a/b/f"),
        (&["/a/{*rest}", "/{x}/b/c"], "/a/b/c", "/a/{*rest} b/c"),
        (&["/a/{*rest}", "/{x}/{*rest}", "/{*rest}"], "/b/c", "/{x}/{*rest} b c"),
        (&["/a/{*rest}", "/{x}/{*rest}", "/{*rest}"], "/a/", "/{*rest} a/"),
        (&["/p-{x}", "/{x}-q", "/{x}", "/p-{x}-q"], "/p-1-q", "/p-{x}-q 1"),
        (&["/p-{x}", "/{x}-q", "/{x}"], "/p-1-q", "/p-{x} 1-q"),
        (&["/p-{x}", "/{x}-q", "/{x}"], "/1-q", "/{x}-q 1"),
        (&["/p-{x}", "/{x}-q", "/{x}"], "/p-", "/{x} p-"),
        (&["/p-{x}", "/{x}-q"], "/p-/", "nothing"),
        (&["/p-{*rest}", "/{*rest}"], "/p-1/2", "/p-{*rest} 1/2"),
        (&["/p-{*rest}", "/{*rest}"], "/p-", "/{*rest} p-"),
        (&["/own", "/own/"], "/own/", "/own/"),
        (&["/own"], "/own/", "nothing"),
        (&["/own/"], "/own", "nothing"),
        (&["/own"], "own", "nothing"),
        (&["/own"], "", "nothing"),
    ] {
        let mut reversed = patterns.to_vec();
        reversed.reverse();
        assert_eq!(found(patterns, path), expected, "{path} in {patterns:?}");
        assert_eq!(found(&reversed, path), expected, "{path} in {reversed:?}");
    }
}

#[test]
fn a_pattern_of_the_same_shape_takes_the_place_of_the_first() {
    assert_eq!(found(&["/u/{id}", "/u/{name}"], "/u/7"), "/u/{name} 7");
    assert_eq!(found(&["/u/{*rest}", "/u/{*all}"], "/u/7"), "/u/{*all} 7");
}

#[test]
fn many_patterns_and_a_long_path_are_no_matter() {
    let mut matcher = Matcher::new();
    // Each path of `a` and `{x}` of this depth: all of them are tried for a path that none is for.
    for number in 0..1024_u32 {
        let segment = |bit: u32| if number >> bit & 1 == 0 { "/a" } else { "/{x}" };
        matcher.insert(&(0..10).map(segment).chain(["/end"]).collect::<String>(), number);
    }
    assert_eq!(matcher.find(&"/a".repeat(11)), None);
    assert_eq!(matcher.find(&("/a".repeat(10) + "/end")).map(|(number, _)| *number), Some(0));
    let deep = "/".repeat(1024);
    matcher.insert(&deep, 9999);
    assert_eq!(matcher.find(&deep).map(|(number, _)| *number), Some(9999));
    assert_eq!(matcher.find(&"/".repeat(100_000)), None);
}

/// Whether a pattern alone matches a path.
fn matches(pattern: &str, path: &str) -> bool {
    let mut matcher = Matcher::new();
    matcher.insert(pattern, ());
    matcher.find(path).is_some()
}

proptest! {
    #[test]
    fn what_is_found_matches_and_nothing_is_found_where_none_matches(
        patterns in proptest::collection::vec(r"(/(a|b|\{x\}|p-\{y\}|\{z\}è|q\{v\}è|\{\*rest\})?){1,4}", 1..8),
        path in "(/(a|b|p-|p-a|aè|qè|qaè)?){1,5}",
    ) {
        let good: Vec<&String> = patterns.iter().filter(|pattern| check(pattern).is_ok()).collect();
        let mut matcher = Matcher::new();
        good.iter().for_each(|pattern| matcher.insert(&shape(pattern), *pattern));
        match matcher.find(&path) {
            Some((pattern, taken)) => {
                prop_assert!(matches(pattern, &path), "{} {}", pattern, path);
                prop_assert_eq!(taken.len(), pattern.matches('{').count());
            }
            None => prop_assert!(good.iter().all(|pattern| !matches(pattern, &path)), "{}", path),
        }
    }
}
