//! The current route table, which is replaced as a whole.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;

use super::table::RouteTable;

/// The current table. Reading it never waits.
#[derive(Debug)]
pub struct Current {
    table: ArcSwap<RouteTable>,
    swapped: Notify,
}

impl Current {
    /// The first table.
    pub(super) fn new(table: Arc<RouteTable>) -> Self {
        Self { table: ArcSwap::new(table), swapped: Notify::new() }
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

    /// Makes a table the current one. Requests in flight keep theirs.
    pub(super) fn swap(&self, table: Arc<RouteTable>) {
        self.table.store(table);
        self.swapped.notify_waiters();
    }
}
