//! The budgets of one route's clients: a client has one rate, however many connections it opens.
//!
//! Owns how long a budget is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Budget, RateLimit};
use crate::net::ClientKey;

/// The budgets of one route, in one direction, by client.
///
/// A budget outlives its connections until it is full again, so that a client gains nothing by reconnecting. Full budgets
/// that no connection uses are removed as others are added: at most twice the clients of the last `burst / rate` seconds,
/// and a few, are kept.
#[derive(Debug)]
pub struct Clients {
    limit: RateLimit,
    shards: [Mutex<ClientShard>; SHARDS],
}

/// Enough that the threads of one machine seldom wait for each other.
const SHARDS: usize = 16;

/// A shard with fewer budgets than this is not swept.
const MIN_SWEEP: usize = 32;

#[derive(Debug, Default)]
struct ClientShard {
    budgets: HashMap<ClientKey, Budget>,
    /// The number of budgets at which the next sweep is due.
    sweep_at: usize,
}

impl Clients {
    /// A budget within `limit` for each client.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, shards: Default::default() }
    }

    /// The budget that all connections of a client share.
    pub fn budget(&self, client: ClientKey, now: Instant) -> Budget {
        let mut shard = locked(&self.shards[client.shard(SHARDS)]);
        if let Some(budget) = shard.budgets.get(&client) {
            return budget.clone();
        }
        shard.sweep(now);
        let budget = Budget::new(self.limit.rate, self.limit.burst, now);
        shard.budgets.insert(client, budget.clone());
        budget
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).budgets.len()).sum()
    }
}

impl ClientShard {
    /// Removes budgets that are as good as new, once the shard has doubled since the last time: a constant cost per
    /// insertion.
    fn sweep(&mut self, now: Instant) {
        if self.budgets.len() < self.sweep_at.max(MIN_SWEEP) {
            return;
        }
        // Budgets are cloned under this shard's lock only, so an unused one stays unused meanwhile.
        self.budgets.retain(|_, budget| !budget.is_unused(now));
        self.budgets.shrink_to(MIN_SWEEP.max(2 * self.budgets.len()));
        self.sweep_at = 2 * self.budgets.len();
    }
}

/// Each change of a shard is complete before anything can panic.
fn locked(shard: &Mutex<ClientShard>) -> MutexGuard<'_, ClientShard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
