//! The current route table, which is replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;

use super::table::RouteTable;

/// The current table. Reading it never waits.
#[derive(Debug)]
pub struct Current {
    table: ArcSwap<RouteTable>,
    swapped: Notify,
    /// How many tables told people something else than the one before.
    changes: AtomicU64,
}

impl Current {
    /// The first table.
    pub(super) fn new(table: Arc<RouteTable>) -> Self {
        Self { table: ArcSwap::new(table), swapped: Notify::new(), changes: AtomicU64::new(0) }
    }

    /// The table now.
    #[must_use]
    pub fn table(&self) -> Arc<RouteTable> {
        self.table.load_full()
    }

    /// The table now, without a reference count that all cores would write to.
    pub(crate) fn read(&self) -> Guard<Arc<RouteTable>> {
        self.table.load()
    }

    /// Waits until the current table is not `past`.
    pub async fn after(&self, past: &Arc<RouteTable>) {
        loop {
            let swapped = self.swapped.notified();
            if !Arc::ptr_eq(&self.table.load(), past) {
                return;
            }
            swapped.await;
        }
    }

    /// How many tables so far told people something else than the one before: of routes, of what is being loaded, or of
    /// what is wrong.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Waits until there were other than `seen` changes.
    pub async fn changed(&self, seen: u64) {
        loop {
            let swapped = self.swapped.notified();
            if self.changes() != seen {
                return;
            }
            swapped.await;
        }
    }

    /// Makes a table the current one. Requests in flight keep theirs.
    pub(super) fn swap(&self, table: Arc<RouteTable>) {
        let differs = !self.table.load().tells_as(&table);
        self.table.store(table);
        self.changes.fetch_add(u64::from(differs), Ordering::AcqRel);
        self.swapped.notify_waiters();
    }
}
