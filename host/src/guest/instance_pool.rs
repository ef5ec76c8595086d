//! Instances that have served, and may serve again where their route's `reuse` says so.
//!
//! Each thread has a shelf of its own, so that no core waits for another. Owns how many instances wait there, with how
//! much memory, and for how long. It must not know what an instance does.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::instance::Instance;
use crate::clock;

/// The most instances that wait for a thread.
pub(super) const MAX_WAITING: u32 = 64;

/// The most bytes that the memories of these have.
const MAX_WAITING_BYTES: usize = 128 * 1024 * 1024;

/// How long an instance waits at least before it is dropped for its age; at most until the thread is busy again.
const MAX_AGE: Duration = Duration::from_secs(60);

thread_local! {
    static INSTANCE_POOL: RefCell<InstancePool> = const { RefCell::new(InstancePool { waiting: Vec::new(), bytes: 0 }) };
    /// An instance that has served its last: its end can wait until the response is sent.
    static ENDED: Cell<Option<Instance>> = const { Cell::new(None) };
}

/// What waits, the longest first.
struct InstancePool {
    waiting: Vec<Waiting>,
    bytes: usize,
}

struct Waiting {
    handler: u64,
    instance: Instance,
    since: Instant,
}

/// The instance of a handler that has waited the least.
pub(super) fn take(handler: u64) -> Option<Instance> {
    INSTANCE_POOL.with_borrow_mut(|shelf| {
        let at = shelf.waiting.iter().rposition(|waiting| waiting.handler == handler)?;
        Some(shelf.remove(at))
    })
}

/// Lets an instance wait. Where that is too many or too much, those that have waited the longest go; one that is too
/// large by itself ends, and pushes out no other.
pub(super) fn put(handler: u64, instance: Instance) {
    if instance.memory() > MAX_WAITING_BYTES {
        return end(instance);
    }
    let since = clock::recent();
    INSTANCE_POOL.with_borrow_mut(|shelf| {
        shelf.bytes += instance.memory();
        shelf.waiting.push(Waiting { handler, instance, since });
        shelf.drop_where(|shelf| shelf.waiting.len() > MAX_WAITING as usize || shelf.bytes > MAX_WAITING_BYTES);
    });
}

/// Ends an instance once the thread has nothing else to do, or the next one has ended.
pub(super) fn end(instance: Instance) {
    ENDED.set(Some(instance));
}

/// For a thread that has nothing else to do: ends what has served its last, or has waited too long.
pub(super) fn tidy() {
    ENDED.set(None);
    INSTANCE_POOL.with_borrow_mut(|shelf| {
        if !shelf.waiting.is_empty() {
            let now = clock::recent();
            shelf.drop_where(|shelf| now.saturating_duration_since(shelf.waiting[0].since) > MAX_AGE);
        }
    });
}

/// Ends all instances of the thread.
pub(super) fn clear() {
    ENDED.set(None);
    INSTANCE_POOL.with_borrow_mut(|shelf| shelf.drop_where(|_| true));
}

impl InstancePool {
    /// Drops what has waited the longest, as often as `too_much` says so of what is left.
    fn drop_where(&mut self, too_much: impl Fn(&Self) -> bool) {
        while !self.waiting.is_empty() && too_much(self) {
            drop(self.remove(0));
        }
    }

    fn remove(&mut self, at: usize) -> Instance {
        let Waiting { instance, .. } = self.waiting.remove(at);
        self.bytes -= instance.memory();
        instance
    }
}
