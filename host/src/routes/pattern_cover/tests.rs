//! Which paths are guarded, and how much of what a route answers.

use proptest::prelude::*;

use super::*;
use crate::routes::matcher::Matcher;
use crate::routes::pattern::check;

#[test]
fn a_pattern_covers_its_paths_with_a_slash_at_the_end_too_and_a_rest_what_it_begins_with() {
    for (pattern, covered, others) in [
        ("/account", &["/account", "/account/", "/%61ccount"][..], &["/account/x", "/accounts", "/", "/account//"][..]),
        ("/account/", &["/account", "/account/"], &["/account/x"]),
        (
            "/account/{*rest}",
            &["/account", "/account/", "/account/x", "/account//x", "/account/x/"],
            &["/accounts", "/"],
        ),
        ("/{*rest}", &["/", "/a", "/a/b", "//"], &[]),
        ("/", &["/"], &["/a", "//a"]),
        ("/u/{id}", &["/u/7", "/u/7/"], &["/u", "/u/7/x", "/u/"]),
        ("/u-{id}/x", &["/u-7/x"], &["/u-/x", "/u/x", "/u-7"]),
        ("/u-{*rest}", &["/u-7", "/u-7/x"], &["/u-", "/u"]),
        ("/a b", &["/a%20b"], &["/a%2520b"]),
        // An encoded slash separates nothing, neither here nor there.
        ("/a/b", &["/a/b"], &["/a%2Fb"]),
        ("/account", &["/account%", "/%ff"], &[]),
    ] {
        let cover = [Cover::new(pattern)];
        covered.iter().for_each(|path| assert!(covers(&cover, path), "{pattern} {path}"));
        others.iter().for_each(|path| assert!(!covers(&cover, path), "{pattern} {path}"));
    }
}

#[test]
fn of_what_a_route_answers_nothing_some_or_all_is_covered() {
    use Extent::{All, None, Some};
    for (cover, pattern, expected) in [
        ("/account/{*rest}", "/account", All),
        ("/account/{*rest}", "/account/", All),
        ("/account/{*rest}", "/account/x", All),
        ("/account/{*rest}", "/account/{id}/{*rest}", All),
        ("/account/{*rest}", "/accounts", None),
        ("/account/{*rest}", "/", None),
        ("/account/{*rest}", "/{*rest}", Some),
        ("/account/{*rest}", "/acc-{*rest}", Some),
        ("/account/{*rest}", "/{id}", Some),
        ("/account/{*rest}", "/{id}/x", Some),
        ("/account/{*rest}", "/x-{id}", None),
        ("/account", "/account/", All),
        ("/account", "/account/x", None),
        ("/account", "/account/{*rest}", None),
        ("/{id}/x", "/a/x", All),
        ("/{id}/x", "/{a}/{b}", Some),
        ("/{id}/x", "/{a}/x", All),
        ("/p-{id}", "/p-q-{id}", All),
        ("/p-{id}", "/{id}-q", Some),
        ("/{*rest}", "/", All),
        ("/{*rest}", "/{*rest}", All),
        ("/p-{*rest}", "/p-x/y", All),
        ("/p-{*rest}", "/p-", None),
    ] {
        assert_eq!(Cover::new(cover).of(pattern), expected, "{cover} of {pattern}");
    }
}

#[test]
fn a_directory_covers_its_path_unless_it_captures() {
    for (directory, cover) in
        [("", Some("/{*rest}")), ("in/deep", Some("/in/deep/{*rest}")), ("[id]/in", None), ("{bad}", None)]
    {
        assert_eq!(Cover::of_directory(Path::new(directory)), cover.map(Cover::new), "{directory}");
    }
}

proptest! {
    #[test]
    fn what_a_route_answers_is_covered_as_far_as_its_pattern_is(
        cover in r"(/(a|b|\{x\}|a\{y\}|\{z\}b|a\{\*rest\}|\{\*rest\})?){1,3}",
        pattern in r"(/(a|b|\{x\}|a\{y\}|\{z\}b|a\{\*rest\}|\{\*rest\})?){1,3}",
        paths in proptest::collection::vec("(/(a|b|ab|aab|c)?){1,4}", 1..20),
    ) {
        prop_assume!(check(&cover).is_ok() && check(&pattern).is_ok());
        let mut matcher = Matcher::new();
        matcher.insert(&pattern, ());
        let covers = [Cover::new(&cover)];
        for path in paths.iter().filter(|path| matcher.find(path).is_some()) {
            match covers[0].of(&pattern) {
                Extent::All => prop_assert!(super::covers(&covers, path), "{} {} {}", cover, pattern, path),
                Extent::None => prop_assert!(!super::covers(&covers, path), "{} {} {}", cover, pattern, path),
                Extent::Some => {}
            }
        }
    }
}
