//! The counters of all routes, by name: those of a route that is gone go on when it comes back.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::route::{RouteMetrics, RouteStats};

/// The most routes that are gone and whose counters are kept apart. Those of any more are added up.
const MAX_GONE: usize = 1000;

/// The name under which the requests are counted that no route answers, as in the access log.
const NO_ROUTE: &str = "-";

/// The name under which the counters of routes are added up that are gone for long.
const GONE: &str = "(removed)";

/// The counters of all routes that have had a request.
#[derive(Debug)]
pub struct RouteRegistry {
    workers: NonZeroUsize,
    /// The counters of the requests that no route answers.
    host: Arc<RouteMetrics>,
    /// Locked once for each version of a route, and for a snapshot.
    routes: Mutex<Registered>,
    /// How many components were loaded, and how many could not be.
    loads: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct Registered {
    by_name: BTreeMap<Arc<str>, RegisteredRoute>,
    /// How many were registered so far.
    number: u64,
    /// Those that are gone for long.
    gone: RouteStats,
}

#[derive(Debug)]
struct RegisteredRoute {
    metrics: Arc<RouteMetrics>,
    /// When it was registered last.
    number: u64,
}

impl RouteRegistry {
    pub(crate) fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers,
            host: Arc::new(RouteMetrics::new(workers)),
            routes: Mutex::default(),
            loads: Default::default(),
        }
    }

    /// The counters of the requests that no route answers.
    pub(crate) fn host(&self) -> &RouteMetrics {
        &self.host
    }

    /// The counters of the route with this name: new ones, or those of its last version.
    pub(crate) fn register(&self, name: &Arc<str>) -> Arc<RouteMetrics> {
        let mut routes = self.lock();
        routes.number += 1;
        let number = routes.number;
        if let Some(known) = routes.by_name.get_mut(name) {
            known.number = number;
            return known.metrics.clone();
        }
        routes.fold_gone();
        let metrics = Arc::new(RouteMetrics::new(self.workers));
        routes.by_name.insert(name.clone(), RegisteredRoute { metrics: metrics.clone(), number });
        metrics
    }

    /// What was counted so far, by name.
    pub(crate) fn stats(&self) -> BTreeMap<Arc<str>, RouteStats> {
        let mut stats: BTreeMap<Arc<str>, RouteStats> = BTreeMap::new();
        self.host.add_to(stats.entry(NO_ROUTE.into()).or_default());
        let routes = self.lock();
        for (name, route) in &routes.by_name {
            route.metrics.add_to(stats.entry(name.clone()).or_default());
        }
        if routes.gone != RouteStats::default() {
            stats.entry(GONE.into()).or_default().merge(&routes.gone);
        }
        stats
    }

    /// Counts a component that was loaded, or that could not be.
    pub(crate) fn count_load(&self, is_loaded: bool) {
        self.loads[usize::from(!is_loaded)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many components were loaded, and how many could not be.
    pub(crate) fn loads(&self) -> [u64; 2] {
        [0, 1].map(|index| self.loads[index].load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// If too many routes are gone, adds the counters of the one whose last version is oldest to those that are kept together.
    fn fold_gone(&mut self) {
        // No route and no request has them any more.
        let is_gone = |route: &RegisteredRoute| Arc::strong_count(&route.metrics) == 1;
        if self.by_name.len() < MAX_GONE {
            return;
        }
        let gone = || self.by_name.iter().filter(|(_, route)| is_gone(route));
        if gone().count() < MAX_GONE {
            return;
        }
        let oldest = gone().min_by_key(|(_, route)| route.number).map(|(name, _)| name.clone());
        if let Some(route) = oldest.and_then(|name| self.by_name.remove(&name)) {
            route.metrics.add_to(&mut self.gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CountedRequest, MethodLabel};
    use super::*;
    use crate::exchange::ExchangeEnd;

    fn count(metrics: &RouteMetrics) {
        let worker = metrics.of_worker(0).expect("there is one");
        let (method, status, end) = (MethodLabel::Get, Some(200), ExchangeEnd::Complete);
        worker.count(&CountedRequest {
            method,
            status,
            took: Duration::ZERO,
            sent_bytes: 1,
            received_bytes: 0,
            end,
            cost: None,
        });
    }

    fn total(registry: &RouteRegistry) -> u64 {
        registry.stats().values().map(RouteStats::total).sum()
    }

    #[test]
    fn a_route_that_comes_back_goes_on_counting() {
        let registry = RouteRegistry::new(NonZeroUsize::MIN);
        count(registry.host());
        let name: Arc<str> = "hello".into();
        for _ in 0..3 {
            count(&registry.register(&name));
        }
        let stats = registry.stats();
        assert_eq!((stats["hello"].total(), stats["-"].total(), stats.len()), (3, 1, 2));
    }

    #[test]
    fn routes_without_end_that_go_are_added_up_and_none_is_lost() {
        let registry = RouteRegistry::new(NonZeroUsize::MIN);
        let kept = registry.register(&"kept".into());
        count(&kept);
        let routes = MAX_GONE + 100;
        for number in 0..routes {
            count(&registry.register(&format!("{number}").into()));
        }
        let stats = registry.stats();
        assert!(stats.len() <= MAX_GONE + 3, "{}", stats.len());
        assert_eq!(total(&registry), routes as u64 + 1);
        assert_eq!(stats["kept"].total(), 1, "it is not gone");
        assert!(stats.contains_key(format!("{}", routes - 1).as_str()) && !stats.contains_key("0"));
        assert!(stats[GONE].total() >= 100);
    }

    #[test]
    fn a_route_with_the_name_of_what_is_no_route_makes_no_second_series() {
        let registry = RouteRegistry::new(NonZeroUsize::MIN);
        count(registry.host());
        count(&registry.register(&NO_ROUTE.into()));
        assert_eq!(registry.stats()[NO_ROUTE].total(), 2);
    }
}
