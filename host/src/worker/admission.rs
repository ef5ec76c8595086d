//! Admits requests: limits concurrent invocations of all routes, of a route, and by its share.

use std::mem;
use std::sync::Arc;

use thiserror::Error;

use super::Worker;
use crate::guest::{self, Engine};
use crate::memory_budget::{MemoryShortage, Reservation};
use crate::routes::{self, Route};
use crate::share::{Resource, RouteUsage};

/// A permit to run a request of a route, released on drop.
#[derive(Debug)]
pub(crate) struct Admission<'w> {
    _route: routes::RoutePermit<'w>,
    _permit: guest::InvocationPermit<'w>,
    _counted: RouteUsageGuard<'w>,
    /// The memory for the buffers of its body and its response, if these are large. It is boxed, because few are.
    _buffers: Option<Box<Reservation>>,
}

/// The same permit for a handler that goes on after its exchange, without borrows.
pub(crate) struct DetachedAdmission {
    worker: Arc<Worker>,
    route: Arc<Route>,
    is_counted_by_route: bool,
    permits: u32,
    counted: usize,
    _buffers: Option<Box<Reservation>>,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotAdmitted {
    /// The maximum number of requests is running, of all routes or of this one.
    #[error("too many requests are running")]
    Places,
    /// There is no memory for its buffers.
    #[error("{0}")]
    Memory(#[from] MemoryShortage),
}

/// The `buffer_size` above which buffers are counted. A response may use this much for any `buffer_size`, and the
/// number of responses is bounded.
const LARGE_BUFFER: usize = 64 * 1024;

/// Counts the invocations of a request against its route's share.
#[derive(Debug)]
struct RouteUsageGuard<'w> {
    usage: &'w RouteUsage,
    permits: usize,
}

impl<'w> Admission<'w> {
    /// Acquires everything that a request with `permits` invocations needs.
    pub(super) fn acquire(
        engine: &'w Engine,
        route: &'w Route,
        permits: u32,
        window: usize,
    ) -> Result<Self, NotAdmitted> {
        let _route = route.admit().ok_or(NotAdmitted::Places)?;
        let permit = engine.try_acquire(permits).ok_or(NotAdmitted::Places)?;
        let (in_use, free) = (permit.in_use() as usize, (engine.max_invocations() - permit.in_use()) as usize);
        let counted = RouteUsageGuard::take(&route.options.usage, permits as usize);
        let sum = || route.options.usage.sum(Resource::Invocations);
        // A route with no running request may always run one.
        let settings = &route.options.settings;
        if !(settings.share.allows(sum, in_use, free) || sum() <= counted.permits) {
            return Err(NotAdmitted::Places);
        }
        // One piece of the request's body, and two of the response: the output may exceed its bound by one piece.
        let pieces = if settings.buffer_size > LARGE_BUFFER { 3 * settings.buffer_size } else { 0 };
        let _buffers = match pieces + window {
            0 => None,
            bytes => Some(Box::new(Reservation::new(bytes, route.options.memory_owner())?)),
        };
        Ok(Self { _route, _permit: permit, _counted: counted, _buffers })
    }

    /// The permit without borrows. `worker` and `route` are those that it was acquired of.
    pub(crate) fn detach(self, worker: Arc<Worker>, route: Arc<Route>) -> DetachedAdmission {
        let Self { _route, _permit, _counted, _buffers } = self;
        let (is_counted_by_route, permits, counted) = (_route.keep(), _permit.keep(), _counted.keep());
        DetachedAdmission { worker, route, is_counted_by_route, permits, counted, _buffers }
    }
}

impl Drop for DetachedAdmission {
    fn drop(&mut self) {
        self.route.options.usage.subtract(Resource::Invocations, self.counted);
        self.worker.engine().release(self.permits);
        if self.is_counted_by_route {
            self.route.release();
        }
    }
}

impl<'w> RouteUsageGuard<'w> {
    fn take(usage: &'w RouteUsage, permits: usize) -> Self {
        usage.add(Resource::Invocations, permits);
        Self { usage, permits }
    }

    /// Goes on counting them, and returns how many there are.
    fn keep(self) -> usize {
        let permits = self.permits;
        mem::forget(self);
        permits
    }
}

impl Drop for RouteUsageGuard<'_> {
    fn drop(&mut self) {
        self.usage.subtract(Resource::Invocations, self.permits);
    }
}
