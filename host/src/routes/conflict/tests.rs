//! Which claims are dropped, and what is said about it.

use super::*;
use crate::options::Options;
use crate::routes::Mount;

fn settled(claims: &[(&str, &[&str], &str)]) -> (Vec<String>, Vec<String>) {
    let routes: Vec<Arc<Route<()>>> = claims
        .iter()
        .map(|(file, patterns, methods)| {
            let mount = Mount {
                name: (*file).into(),
                patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
                methods: methods.split_whitespace().map(str::to_owned).collect(),
                file: file.into(),
            };
            let options = Options::resolve(&[], &[], &[]).expect("the defaults are accepted");
            Arc::new(Route::new(mount, options, Arc::new(())))
        })
        .collect();
    let settled = settle(&routes);
    for (place, pattern) in settled.claims.keys().enumerate() {
        let literal = pattern.replace(['{', '}', '*'], "");
        assert_eq!(settled.router.at(&literal).map(|found| *found.value), Ok(place), "{pattern}");
    }
    let reports = settled.diagnostics.iter().map(|it| format!("{}: {}", it.file.display(), it.reason)).collect();
    (settled.claims.into_keys().collect(), reports)
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
        (
            vec![("a", &["/u/{id}", "/z"][..], "GET"), ("b", &["/u/{name}"], "POST")],
            vec!["/z"],
            vec!["b: path `/u/{name}` cannot be told from `/u/{id}` of a"],
        ),
        (
            vec![("a", &["/{id}"][..], ""), ("b", &["/{*rest}"], ""), ("c", &["/{name}"], ""), ("d", &["/z/{id}"], "")],
            vec!["/z/{id}"],
            vec![
                "a: path `/{id}` cannot be told from `/{*rest}` of b",
                "a: path `/{id}` cannot be told from `/{name}` of c",
                "c: path `/{name}` cannot be told from `/{*rest}` of b",
            ],
        ),
        (
            vec![("a", &["/z"][..], ""), ("b", &["/{id}"], ""), ("c", &["/z/{*rest}"], "")],
            vec!["/z", "/z/{*rest}", "/{id}"],
            vec![],
        ),
    ] {
        let (found, said) = settled(&claims);
        assert_eq!(found, left, "{claims:?}");
        assert_eq!(said, reports, "{claims:?}");
    }
}
