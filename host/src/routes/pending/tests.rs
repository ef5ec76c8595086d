//! Which requests wait for routes that are not loaded.

use std::collections::BTreeSet;

use super::*;
use crate::routes::holders::Holders;
use crate::routes::table::RouteTable;
use crate::routes::table::tests::route;

#[test]
fn only_a_request_that_an_awaited_route_may_answer_waits() {
    let at = |patterns: &[&str]| PendingRoute::At(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
    let anywhere = |place: &str| PendingRoute::Anywhere(Some(place.to_owned()));
    let loaded = [("user", "/users/{id}", "GET"), ("hello", "/hello", ""), ("rest", "/files/{*rest}", "")];
    for (claims, method, path, waits) in [
        (vec![], "GET", "/absent", false),
        (vec![at(&["/late"])], "GET", "/late", true),
        (vec![at(&["/late"])], "GET", "/late/", false),
        (vec![at(&["/late"])], "GET", "/absent", false),
        (vec![at(&["/late"])], "BREW", "/absent", false),
        (vec![at(&["/late"])], "BREW", "/late", true),
        (vec![anywhere("/late")], "GET", "/absent", true),
        (vec![PendingRoute::Anywhere(None)], "GET", "/absent", true),
        (vec![anywhere("/late")], "BREW", "/hello", true),
        (vec![anywhere("/late")], "GET", "/%", false),
        // A path without captures is final, whatever comes.
        (vec![anywhere("/late"), at(&["/hello"])], "GET", "/hello", false),
        // With a slash at its end it is another.
        (vec![at(&["/late"])], "GET", "/hello/", false),
        (vec![at(&["/hello/"])], "GET", "/hello/", true),
        (vec![anywhere("/late")], "GET", "/hello/", true),
        // A capture is final only where nothing more specific can come: a component may declare any path.
        (vec![at(&["/late"])], "GET", "/users/7", false),
        (vec![anywhere("/late")], "GET", "/users/7", true),
        (vec![PendingRoute::Anywhere(None)], "GET", "/files/x", true),
        (vec![at(&["/users/me"])], "GET", "/users/me", true),
        (vec![anywhere("/users/me")], "GET", "/users/me", true),
        (vec![at(&["/users/me"])], "GET", "/users/7", false),
        (vec![at(&["/files/x"])], "GET", "/files/x", true),
        (vec![at(&["/{*rest}"])], "GET", "/users/7", false),
        (vec![at(&["/{*rest}"])], "GET", "/absent", true),
        // The same pattern for other methods, whatever its captures are called.
        (vec![at(&["/users/{id}"])], "GET", "/users/7", false),
        (vec![at(&["/users/{id}"])], "PUT", "/users/7", true),
        (vec![at(&["/users/{name}"])], "PUT", "/users/7", true),
        (vec![at(&["/files/{name}/x"])], "GET", "/files/a/x", true),
        (vec![at(&["/files/{name}/x"])], "GET", "/files/a/y", false),
    ] {
        let routes = loaded.map(|(file, pattern, methods)| {
            let methods: Vec<&str> = methods.split_whitespace().collect();
            route(file, &[pattern], &methods)
        });
        let (table, _) = RouteTable::build(
            routes.into(),
            claims.iter().map(|it| (Site::default(), it.clone())).collect(),
            &Holders::default(),
            BTreeSet::new(),
        );
        assert_eq!(table.is_complete(), claims.is_empty());
        let waited = matches!(table.lookup_by_default(method, path), Lookup::Pending);
        assert_eq!(waited, waits, "{method} {path} with {claims:?}");
    }
}
