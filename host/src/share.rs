//! What one route takes of what all routes share, and whether it may take more.
//!
//! Owns the counts for each route and the rule that leaves something for others. It must not know what is counted.

use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(test)]
mod tests;

/// What a route takes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Places for invocations.
    Invocations,
    /// Places for responses left open.
    Parked,
}

/// The resources there are.
const RESOURCES: usize = 2;

/// Enough that the threads of one machine seldom meet at a number.
const SHARDS: usize = 16;

/// What one route takes. Each thread counts in a cache line of its own, and who asks for a sum reads them all.
#[derive(Debug, Default)]
pub struct RouteUsage([UsageShard; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct UsageShard([AtomicUsize; RESOURCES]);

/// The part of what all routes share that one may take: per cent, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl RouteUsage {
    /// Counts `amount` more of a resource.
    pub fn add(&self, resource: Resource, amount: usize) {
        self.of_thread(resource).fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts `amount` less of a resource, which some thread has added.
    pub fn subtract(&self, resource: Resource, amount: usize) {
        self.of_thread(resource).fetch_sub(amount, Ordering::Relaxed);
    }

    /// What the route takes of a resource. While other threads count, what they are about to say may be missing.
    #[must_use]
    pub fn sum(&self, resource: Resource) -> usize {
        // A thread may have subtracted what another added: each number alone may be below 0, and their sum is not.
        let numbers = self.0.iter().map(|shard| shard.0[resource as usize].load(Ordering::Relaxed));
        let sum = numbers.fold(0, usize::wrapping_add);
        if sum > isize::MAX as usize { 0 } else { sum }
    }

    fn of_thread(&self, resource: Resource) -> &AtomicUsize {
        &self.0[shard_of_thread()].0[resource as usize]
    }
}

impl Share {
    /// The share of a route of which nobody says otherwise.
    pub const DEFAULT: Self = Self(50);

    /// A share of so many per cent; what is out of range counts as its nearer end.
    #[must_use]
    pub fn new(percent: u64) -> Self {
        Self(u8::try_from(percent.clamp(1, 100)).unwrap_or(100))
    }

    /// How many per cent it is.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }

    /// Whether a route may have `own()` of a resource of which `free` is left then and `taken` is not.
    ///
    /// A route alone may take its share of all. Where others have taken some, it may have as much of what they leave: so
    /// however many routes take all they can, some is left for the next one.
    #[must_use]
    pub fn allows(self, own: impl FnOnce() -> usize, taken: usize, free: usize) -> bool {
        // What all have taken together bounds what one has: most often nobody needs to know more.
        self.fits(taken, free) || self.fits(own(), free)
    }

    fn fits(self, own: usize, free: usize) -> bool {
        let share = usize::from(self.0);
        own.saturating_mul(100 - share) <= free.saturating_mul(share)
    }
}

/// Which of the shards this thread counts in.
fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.with(|shard| *shard)
}
