//! What the requests of one route share.

use super::*;
use crate::options::Value;
use crate::routes::table::tests::route_with;

fn route(options: &[(&str, Value)]) -> Arc<Route> {
    let options: Vec<(String, Value)> =
        options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    route_with(&options)
}

#[test]
fn no_more_permits_than_the_concurrency_are_out_at_a_time() {
    let route = route(&[("concurrency", Value::Integer(2))]);
    let (first, second) = (route.admit(), route.admit());
    assert!(first.is_some() && second.is_some() && route.admit().is_none());
    drop(first);
    let third = route.admit();
    assert!(third.is_some() && route.admit().is_none());
}

#[test]
fn without_a_concurrency_everyone_is_admitted() {
    let route = route(&[]);
    let permits: Vec<_> = (0..1000).map_while(|_| route.admit()).collect();
    assert_eq!(permits.len(), 1000);
}

#[test]
fn a_version_of_a_route_counts_on_from_the_one_before() {
    let before = route(&[]);
    before.options.usage.add(crate::share::Resource::Invocations, 3);
    let after = Arc::into_inner(route(&[])).expect("nobody else has it").succeeding(&before).behind(Vec::new());
    assert_eq!(after.options.usage.sum(crate::share::Resource::Invocations), 3);
}
