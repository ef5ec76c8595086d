//! What components do with what the operator has granted: requests to other servers, and operations of key-value stores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::labels::{OutboundOutcome, StoreOutcome};

/// The most grants of one kind that a route has counters for, over all of its versions.
const MAX_GRANTS: usize = 64;

/// The name of the counters of all grants past that.
const OTHER: &str = "(other)";

/// The counters of one grant of a route, by outcome.
#[derive(Debug, Default)]
pub(crate) struct GrantCounters([AtomicU64; LABELS]);

/// As many as any kind of grant has outcomes.
const LABELS: usize = 16;

/// The counters of the grants of a route, by name.
#[derive(Debug, Default)]
pub(crate) struct GrantRegistry {
    outbound: Mutex<ByName>,
    stores: Mutex<ByName>,
}

type ByName = BTreeMap<Arc<str>, Arc<GrantCounters>>;

/// Counts by the name of a grant and by outcome.
type Counted<const N: usize> = BTreeMap<Arc<str>, [u64; N]>;

impl GrantCounters {
    /// Counts a request to another server.
    pub(crate) fn count_request(&self, outcome: OutboundOutcome) {
        self.count(outcome as usize);
    }

    /// Counts an operation of a key-value store.
    pub(crate) fn count_operation(&self, outcome: StoreOutcome) {
        self.count(outcome as usize);
    }

    fn count(&self, outcome: usize) {
        self.0[outcome].fetch_add(1, Ordering::Relaxed);
    }
}

impl GrantRegistry {
    /// The counters of the requests that the operator has allowed by this pattern of origins.
    pub(crate) fn outbound(&self, pattern: &str) -> Arc<GrantCounters> {
        register(&self.outbound, pattern)
    }

    /// The counters of the operations of the key-value store that was granted by this name.
    pub(crate) fn store(&self, name: &str) -> Arc<GrantCounters> {
        register(&self.stores, name)
    }

    /// Adds what was counted.
    pub(super) fn add_to(
        &self,
        outbound: &mut Counted<{ OutboundOutcome::ALL.len() }>,
        stores: &mut Counted<{ StoreOutcome::ALL.len() }>,
    ) {
        add(&self.outbound, outbound);
        add(&self.stores, stores);
    }
}

fn register(registered: &Mutex<ByName>, name: &str) -> Arc<GrantCounters> {
    let mut registered = registered.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = registered.get(name) {
        return known.clone();
    }
    let name = if registered.len() < MAX_GRANTS { name } else { OTHER };
    registered.entry(name.into()).or_default().clone()
}

fn add<const N: usize>(registered: &Mutex<ByName>, sums: &mut Counted<N>) {
    for (name, counters) in &*registered.lock().unwrap_or_else(PoisonError::into_inner) {
        let sums = sums.entry(name.clone()).or_insert([0; N]);
        for (sum, own) in sums.iter_mut().zip(&counters.0) {
            *sum += own.load(Ordering::Relaxed);
        }
    }
}

/// Adds the counts of another route of the same name.
pub(super) fn merge_grants<const N: usize>(sums: &mut Counted<N>, others: &Counted<N>) {
    for (name, counts) in others {
        let sums = sums.entry(name.clone()).or_insert([0; N]);
        sums.iter_mut().zip(counts).for_each(|(sum, own)| *sum += own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_a_place() {
        assert!(OutboundOutcome::ALL.len() <= LABELS && StoreOutcome::ALL.len() <= LABELS);
        for (index, outcome) in OutboundOutcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index);
        }
    }

    #[test]
    fn grants_without_end_are_counted_together() {
        let (registry, grants) = (GrantRegistry::default(), 3 * MAX_GRANTS);
        for number in 0..grants {
            registry.outbound(&format!("https://{number}.example")).count_request(OutboundOutcome::Success);
            registry.store("default").count_operation(StoreOutcome::Full);
        }
        let (mut outbound, mut stores) = (BTreeMap::new(), BTreeMap::new());
        registry.add_to(&mut outbound, &mut stores);
        assert_eq!(outbound.len(), MAX_GRANTS + 1);
        assert_eq!(outbound[OTHER][OutboundOutcome::Success as usize], (grants - MAX_GRANTS) as u64);
        assert_eq!((stores.len(), stores["default"][StoreOutcome::Full as usize]), (1, grants as u64));
        merge_grants(&mut stores.clone(), &stores);
    }
}
