//! Which claims are dropped, and what is said about it.

use std::time::Instant;

use super::*;
use crate::routes::component::tests::key;
use crate::routes::holders::HolderRecord;
use crate::routes::table::tests::{by, declared, route};

/// A file, its patterns and its methods.
type Row<'t> = (&'t str, &'t [&'t str], &'t str);

fn routes(rows: &[Row]) -> Vec<Arc<Route>> {
    rows.iter()
        .map(|(file, patterns, methods)| route(file, patterns, &methods.split_whitespace().collect::<Vec<_>>()))
        .collect()
}

/// Holders of what these routes answered before.
fn holders(before: &[Row]) -> Holders {
    let records = routes(before).into_iter().flat_map(|route| {
        let (key, methods) = (route.mount.key.clone(), route.mount.methods.clone());
        let record = move |pattern: &String| HolderRecord {
            shape: key.site().shape(pattern),
            key: key.clone(),
            methods: methods.clone(),
        };
        route.mount.patterns.iter().map(record).collect::<Vec<_>>()
    });
    Holders::from_records(records.collect())
}

fn settled(claims: &[Row], before: &[Row]) -> (Vec<String>, Vec<String>) {
    reported(resolve(&routes(claims), &holders(before)))
}

/// The patterns that are left, and what is told.
fn reported(settled: ResolvedClaims) -> (Vec<String>, Vec<String>) {
    let reports = settled.diagnostics.iter().map(|it| format!("{}: {}", it.location, it.reason)).collect();
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

#[test]
fn what_the_operator_says_goes_before_what_a_component_declares_whoever_was_there_first() {
    use Authority::{Declared, FilePath, RouteFile};
    for (authorities, before, holder, told) in [
        ([Declared, RouteFile], &[][..], "b", "a: `GET /x` is claimed by b, whose route file sets it"),
        ([Declared, RouteFile], &["a"], "b", "a: `GET /x` is claimed by b, whose route file sets it"),
        ([FilePath, RouteFile], &["a"], "b", "a: `GET /x` is claimed by b, whose route file sets it"),
        ([FilePath, Declared], &["b"], "a", "b: `GET /x` is claimed by a, whose place it is"),
        ([Declared, Declared], &["b"], "b", "a: `GET /x` is claimed by b, which answers there already"),
        ([RouteFile, RouteFile], &["a"], "a", "b: `GET /x` is claimed by a, which answers there already"),
    ] {
        let routes: Vec<_> = ["a", "b"].iter().zip(authorities).map(|(file, it)| by(it, file, &["/x"], &[])).collect();
        let before: Vec<Row> = before.iter().map(|file| (*file, &["/x"][..], "")).collect();
        let settled = resolve(&routes, &holders(&before));
        let claimants = settled.claims["/x"].iter().map(|claimant| routes[claimant.index].mount.name.to_string());
        assert_eq!(claimants.collect::<Vec<_>>(), [holder], "{authorities:?}");
        assert_eq!(reported(settled).1, [told]);
    }
}

#[test]
fn what_is_kept_for_a_route_that_does_not_serve_nobody_takes_by_a_declaration() {
    let stranger = || vec![declared("s", &["/u/{any}", "/s"], &["GET"])];
    let gone = |mut holders: Holders| {
        holders.mark_missing(&key("a"), None, Instant::now());
        holders
    };
    let set = |authority| {
        let mut holders = Holders::default();
        holders.set_operator_claims([(key("a"), "/u/{id}".to_owned(), authority)].into_iter());
        holders
    };
    let held = |methods| holders(&[("a", &["/u/{id}"][..], methods)]);
    for (holders, told, waits) in [
        (held("GET"), "which answered there and is not served now", false),
        (gone(held("GET")), "which answered there and is gone", true),
        (set(Authority::RouteFile), "whose route file sets it", false),
        (set(Authority::FilePath), "whose place it is", false),
    ] {
        let settled = resolve(&stranger(), &holders);
        assert_eq!(settled.waits_for_claim, waits, "{told}");
        assert_eq!(
            reported(settled),
            (vec!["/s".to_owned()], vec![format!("s: `GET /u/{{any}}` is claimed by a, {told}")])
        );
    }
    // Other methods are another matter, and so is what the operator says.
    let both = vec!["/s".to_owned(), "/u/{any}".to_owned()];
    assert_eq!(reported(resolve(&stranger(), &held("POST"))), (both.clone(), vec![]));
    let said = |authority| vec![by(authority, "s", &["/u/{any}", "/s"], &["GET"])];
    for holders in [held("GET"), gone(held("GET"))] {
        assert_eq!(reported(resolve(&said(Authority::FilePath), &holders)), (both.clone(), vec![]));
    }
    assert_eq!(reported(resolve(&said(Authority::RouteFile), &set(Authority::RouteFile))), (both, vec![]));
    assert_eq!(reported(resolve(&said(Authority::FilePath), &set(Authority::RouteFile))).0, ["/s"]);
}
