//! Hooks that a worker thread calls when it becomes idle and when it exits, and whether it preempted a guest.

use std::cell::Cell;

use super::instance_pool;

thread_local! {
    /// Whether a guest was preempted since the thread was last idle.
    static PREEMPTED: Cell<bool> = const { Cell::new(false) };
}

/// Records that a guest was preempted by an epoch tick.
pub(super) fn note_preemption() {
    PREEMPTED.set(true);
}

/// Whether a guest on this thread was preempted by an epoch tick since the thread was last idle.
#[must_use]
pub fn was_preempted() -> bool {
    PREEMPTED.get()
}

/// Call this when the thread becomes idle. Does the work that would have delayed a request.
pub fn on_idle() {
    PREEMPTED.set(false);
    instance_pool::drop_retired_and_old();
}

/// Drops the idle instances of the thread. Call this before the thread exits, or if their memory is needed.
pub fn drop_unused() {
    instance_pool::clear();
}
