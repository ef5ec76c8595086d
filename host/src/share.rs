//! Limits what one route may use of resources that all routes share.
//!
//! Counts the usage of each route, and has the rule that leaves something for other routes.

use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(test)]
mod tests;

/// A resource that routes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Permits for invocations.
    Invocations,
    /// Permits for parked responses.
    Parked,
    /// Bytes of memory.
    Memory,
}

/// The number of resources.
const RESOURCES: usize = 3;

/// More shards than threads, so that threads rarely contend.
const SHARDS: usize = 16;

/// The usage of one route. Each thread counts in a cache line of its own; a sum reads all of them.
#[derive(Debug, Default)]
pub struct RouteUsage([UsageShard; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct UsageShard([AtomicUsize; RESOURCES]);

/// The percentage of a shared resource that one route may use: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl RouteUsage {
    /// Adds `amount` to the usage of a resource.
    pub fn add(&self, resource: Resource, amount: usize) {
        self.thread_counter(resource).fetch_add(amount, Ordering::Relaxed);
    }

    /// Subtracts `amount`, which any thread has added.
    pub fn subtract(&self, resource: Resource, amount: usize) {
        self.thread_counter(resource).fetch_sub(amount, Ordering::Relaxed);
    }

    /// The usage of a resource. Concurrent changes by other threads may be missing.
    #[must_use]
    pub fn sum(&self, resource: Resource) -> usize {
        // One thread may subtract what another has added, so a single shard may be below 0. The sum is not, except
        // during concurrent changes.
        let numbers = self.0.iter().map(|shard| shard.0[resource as usize].load(Ordering::Relaxed));
        let sum = numbers.fold(0, usize::wrapping_add);
        if sum > isize::MAX as usize { 0 } else { sum }
    }

    fn thread_counter(&self, resource: Resource) -> &AtomicUsize {
        &self.0[shard_of_thread()].0[resource as usize]
    }
}

impl Share {
    /// The share of a route if the option is not set.
    pub const DEFAULT: Self = Self(50);

    /// A share in percent, clamped to 1..=100.
    #[must_use]
    pub fn new(percent: u64) -> Self {
        Self(u8::try_from(percent.clamp(1, 100)).unwrap_or(100))
    }

    /// The share in percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }

    /// Whether a route may use `own()` of a resource, when all routes together use `taken` and `free` is left.
    ///
    /// A route alone may use its share of the whole. If others use some, it may use the same share of what they leave.
    /// So some is left for the next route, however many routes use all they may.
    #[must_use]
    pub fn allows(self, own: impl FnOnce() -> usize, taken: usize, free: usize) -> bool {
        // The total bounds the route's own usage, so in most cases `own` need not be summed.
        self.fits(taken, free) || self.fits(own(), free)
    }

    fn fits(self, own: usize, free: usize) -> bool {
        let share = usize::from(self.0);
        own.saturating_mul(100 - share) <= free.saturating_mul(share)
    }
}

/// The shard of this thread.
fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.with(|shard| *shard)
}
