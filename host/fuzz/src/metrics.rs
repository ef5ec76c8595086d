//! Stands in for what the host counts, which is not fuzzed: with it, most of the host would be linked.

use std::sync::Arc;

/// See `host::metrics`.
#[derive(Debug, Default)]
pub struct GrantCounters;

/// See `host::metrics`.
#[derive(Debug, Default)]
pub struct GrantRegistry;

/// See `host::metrics`.
#[derive(Debug, Clone, Copy)]
pub enum StoreOutcome {
    /// It is too large.
    TooLarge,
    /// The store is full.
    Full,
    /// The store may only be read.
    ReadOnly,
    /// It makes no sense.
    Invalid,
    /// The disk fails.
    Storage,
}

impl GrantCounters {
    /// Counts nothing.
    pub fn count_operation(&self, _: StoreOutcome) {}
}

impl GrantRegistry {
    /// Counters that count nothing.
    #[must_use]
    pub fn store(&self, _: &str) -> Arc<GrantCounters> {
        Arc::default()
    }
}
