//! Which claims are dropped, and what is said about it.

use super::*;
use crate::routes::table::tests::route;

/// A file, its patterns and its methods.
type Row<'t> = (&'t str, &'t [&'t str], &'t str);

fn routes(rows: &[Row]) -> Vec<Arc<Route<()>>> {
    rows.iter()
        .map(|(file, patterns, methods)| route(file, patterns, &methods.split_whitespace().collect::<Vec<_>>()))
        .collect()
}

fn settled(claims: &[Row], before: &[Row]) -> (Vec<String>, Vec<String>) {
    let mounted = routes(before).into_iter().map(|route| Mounted { patterns: route.mount.patterns.clone(), route });
    let settled = settle(&routes(claims), &mounted.collect::<Vec<_>>());
    let reports = settled.diagnostics.iter().map(|it| format!("{}: {}", it.file.display(), it.reason)).collect();
    let mut left: Vec<String> = settled.claims.into_values().flatten().map(|claimant| claimant.pattern).collect();
    left.dedup();
    (left, reports)
}

#[test]
fn claims_that_cannot_be_told_apart_are_dropped_and_both_files_named() {
    for (claims, left, reports) in [
        (vec![("a", &["/x"][..], "GET"), ("b", &["/x"], "POST")], vec!["/x"], vec![]),
        (vec![("a", &["/x", "/x"][..], "")], vec!["/x"], vec![]),
        (vec![("a", &["/x"][..], ""), ("b", &["/x"], "POST")], vec![], vec!["b: `POST /x` is claimed by a too"]),
        (vec![("a", &["/x"][..], "GET"), ("b", &["/x"], "HEAD")], vec![], vec!["b: `HEAD /x` is claimed by a too"]),
        (
            vec![("a", &["/x"][..], "GET"), ("b", &["/x"], "GET"), ("c", &["/x"], "GET")],
            vec![],
            vec![
                "b: `GET /x` is claimed by a too",
                "c: `GET /x` is claimed by a too",
                "c: `GET /x` is claimed by b too",
            ],
        ),
        // The names of captures are no matter.
        (
            vec![("a", &["/u/{id}", "/z"][..], "GET"), ("b", &["/u/{name}"], "")],
            vec!["/z"],
            vec!["b: `GET /u/{name}` is claimed by a too"],
        ),
        (
            vec![("a", &["/u/{id}", "/z"][..], "GET"), ("b", &["/u/{name}"], "POST")],
            vec!["/u/{id}", "/u/{name}", "/z"],
            vec![],
        ),
        (vec![("a", &["/u/{id}", "/u/{name}"][..], "GET")], vec!["/u/{id}"], vec![]),
        // Of those that differ the most specific answers.
        (
            vec![
                ("a", &["/{id}"][..], ""),
                ("b", &["/{*rest}"], ""),
                ("c", &["/{id}/posts"], ""),
                ("d", &["/p-{id}"], ""),
            ],
            vec!["/p-{id}", "/{*rest}", "/{id}", "/{id}/posts"],
            vec![],
        ),
        (
            vec![("a", &["/z"][..], ""), ("b", &["/{id}"], ""), ("c", &["/z/{*rest}"], "")],
            vec!["/z", "/z/{*rest}", "/{id}"],
            vec![],
        ),
    ] {
        let (found, said) = settled(&claims, &[]);
        assert_eq!(found, left, "{claims:?}");
        assert_eq!(said, reports, "{claims:?}");
    }
}

#[test]
fn who_answered_before_goes_on_and_the_other_is_told_so() {
    for (before, claims, left, reports) in [
        (
            vec![("b", &["/x"][..], "GET")],
            vec![("a", &["/x"][..], ""), ("b", &["/x"], "GET")],
            vec!["/x"],
            vec!["a: `GET /x` is claimed by b, which answers there already"],
        ),
        // Those that came later are no better than each other.
        (
            vec![("b", &["/x"][..], "GET")],
            vec![("a", &["/x"][..], "GET"), ("b", &["/x"], "GET"), ("c", &["/x"], "GET")],
            vec!["/x"],
            vec![
                "a: `GET /x` is claimed by b, which answers there already",
                "c: `GET /x` is claimed by a too",
                "c: `GET /x` is claimed by b, which answers there already",
            ],
        ),
        // One that takes more methods than before yields to one that stays, not to one that is new.
        (
            vec![("a", &["/x"][..], "GET"), ("b", &["/x"], "POST")],
            vec![("a", &["/x"][..], ""), ("b", &["/x"], "POST")],
            vec!["/x"],
            vec!["a: `POST /x` is claimed by b, which answers there already"],
        ),
        (
            vec![("a", &["/x"][..], "GET")],
            vec![("a", &["/x"][..], ""), ("b", &["/x"], "POST")],
            vec!["/x"],
            vec!["b: `POST /x` is claimed by a, which answers there already"],
        ),
        (
            vec![("b", &["/u/{id}"][..], "")],
            vec![("a", &["/u/{a}"][..], ""), ("b", &["/u/{id}"], ""), ("c", &["/u/{c}", "/c"], "")],
            vec!["/c", "/u/{id}"],
            vec![
                "a: `GET /u/{a}` is claimed by b, which answers there already",
                "c: `GET /u/{c}` is claimed by a too",
                "c: `GET /u/{c}` is claimed by b, which answers there already",
            ],
        ),
    ] {
        let (found, said) = settled(&claims, &before);
        assert_eq!(found, left, "{claims:?} after {before:?}");
        assert_eq!(said, reports, "{claims:?} after {before:?}");
    }
}
