//! Admits requests: limits concurrent invocations of all routes, of a route, and by its share.

use crate::guest::{self, Engine};
use crate::routes::{self, Route};
use crate::share::{Resource, RouteUsage};

/// A permit to run a request of a route, released on drop.
#[derive(Debug)]
pub(crate) struct Admission<'w> {
    _route: routes::RoutePermit<'w>,
    _permit: guest::InvocationPermit<'w>,
    _counted: RouteUsageGuard<'w>,
}

/// Counts the invocations of a request against its route's share.
#[derive(Debug)]
struct RouteUsageGuard<'w> {
    usage: &'w RouteUsage,
    permits: usize,
}

impl<'w> Admission<'w> {
    /// Acquires everything that a request with `permits` invocations needs.
    pub(super) fn acquire(engine: &'w Engine, route: &'w Route, permits: u32) -> Option<Self> {
        let _route = route.admit()?;
        let permit = engine.try_acquire(permits)?;
        let (in_use, free) = (permit.in_use() as usize, (engine.max_invocations() - permit.in_use()) as usize);
        let counted = RouteUsageGuard::take(&route.usage, permits as usize);
        let sum = || route.usage.sum(Resource::Invocations);
        // A route that runs nothing may always run one request.
        let allowed = route.options.settings.share.allows(sum, in_use, free) || sum() <= counted.permits;
        allowed.then_some(Self { _route, _permit: permit, _counted: counted })
    }
}

impl<'w> RouteUsageGuard<'w> {
    fn take(usage: &'w RouteUsage, permits: usize) -> Self {
        usage.add(Resource::Invocations, permits);
        Self { usage, permits }
    }
}

impl Drop for RouteUsageGuard<'_> {
    fn drop(&mut self) {
        self.usage.subtract(Resource::Invocations, self.permits);
    }
}
