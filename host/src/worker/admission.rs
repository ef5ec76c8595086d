//! Whether there is room to run a request: among all, and in its route's share.

use crate::guest::{self, Engine};
use crate::routes::{self, Route};
use crate::share::{Resource, RouteUsage};

/// The right to run a request of a route, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admission<'w> {
    _route: routes::RoutePermit<'w>,
    _places: guest::InvocationPermit<'w>,
    _own: RouteUsageGuard<'w>,
}

/// What of the route's places a request has.
#[derive(Debug)]
struct RouteUsageGuard<'w> {
    usage: &'w RouteUsage,
    places: usize,
}

impl<'w> Admission<'w> {
    /// The right to run a request that takes as many places at once, which its route may have too.
    pub(super) fn ask(engine: &'w Engine, route: &'w Route, places: u32) -> Option<Self> {
        let _route = route.admit()?;
        let permit = engine.try_acquire(places)?;
        let (taken, free) = (permit.in_use() as usize, (engine.max_invocations() - permit.in_use()) as usize);
        let own = RouteUsageGuard::take(&route.usage, places as usize);
        let sum = || route.usage.sum(Resource::Invocations);
        // Whatever others take, a route that runs nothing may run one request.
        let allowed = route.options.settings.share.allows(sum, taken, free) || sum() <= own.places;
        allowed.then_some(Self { _route, _places: permit, _own: own })
    }
}

impl<'w> RouteUsageGuard<'w> {
    fn take(usage: &'w RouteUsage, places: usize) -> Self {
        usage.add(Resource::Invocations, places);
        Self { usage, places }
    }
}

impl Drop for RouteUsageGuard<'_> {
    fn drop(&mut self) {
        self.usage.subtract(Resource::Invocations, self.places);
    }
}
