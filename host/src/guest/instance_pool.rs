//! Idle instances, kept for reuse if their route has the option `reuse`.
//!
//! Each thread has a pool of its own, so that cores share nothing. The pool bounds the number, the memory and the age
//! of idle instances.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::instance::Instance;
use crate::clock;

/// Maximum number of idle instances per thread.
pub(super) const MAX_IDLE: u32 = 64;

/// Maximum bytes of their memories together.
const MAX_IDLE_BYTES: usize = 128 * 1024 * 1024;

/// Idle instances older than this are dropped when the thread next becomes idle.
const MAX_AGE: Duration = Duration::from_secs(60);

thread_local! {
    static INSTANCE_POOL: RefCell<InstancePool> = const { RefCell::new(InstancePool { idle: Vec::new(), bytes: 0 }) };
    /// An instance to drop after the response has been sent.
    static RETIRED: Cell<Option<Instance>> = const { Cell::new(None) };
}

/// Idle instances, the oldest first.
struct InstancePool {
    idle: Vec<IdleInstance>,
    bytes: usize,
}

struct IdleInstance {
    handler: u64,
    instance: Instance,
    since: Instant,
}

/// Takes the handler's most recently used instance.
pub(super) fn take(handler: u64) -> Option<Instance> {
    INSTANCE_POOL.with_borrow_mut(|pool| {
        let at = pool.idle.iter().rposition(|idle| idle.handler == handler)?;
        Some(pool.remove(at))
    })
}

/// Puts an instance into the pool. If the pool is full, the oldest instances are dropped. An instance that exceeds the
/// bound by itself is retired and displaces no other.
pub(super) fn put(handler: u64, instance: Instance) {
    if instance.memory() > MAX_IDLE_BYTES {
        return retire(instance);
    }
    let since = clock::recent();
    INSTANCE_POOL.with_borrow_mut(|pool| {
        pool.bytes += instance.memory();
        pool.idle.push(IdleInstance { handler, instance, since });
        pool.drop_oldest_while(|pool| pool.idle.len() > MAX_IDLE as usize || pool.bytes > MAX_IDLE_BYTES);
    });
}

/// Drops an instance once the thread is idle or the next instance is retired.
pub(super) fn retire(instance: Instance) {
    RETIRED.set(Some(instance));
}

/// Drops the retired instance and those that are too old. Called when the thread becomes idle.
pub(super) fn drop_retired_and_old() {
    RETIRED.set(None);
    INSTANCE_POOL.with_borrow_mut(|pool| {
        if !pool.idle.is_empty() {
            let now = clock::recent();
            pool.drop_oldest_while(|pool| now.saturating_duration_since(pool.idle[0].since) > MAX_AGE);
        }
    });
}

/// Drops all instances of the thread.
pub(super) fn clear() {
    RETIRED.set(None);
    INSTANCE_POOL.with_borrow_mut(|pool| pool.drop_oldest_while(|_| true));
}

impl InstancePool {
    /// Drops the oldest instance while `is_over` says so.
    fn drop_oldest_while(&mut self, is_over: impl Fn(&Self) -> bool) {
        while !self.idle.is_empty() && is_over(self) {
            drop(self.remove(0));
        }
    }

    fn remove(&mut self, at: usize) -> Instance {
        let IdleInstance { instance, .. } = self.idle.remove(at);
        self.bytes -= instance.memory();
        instance
    }
}
