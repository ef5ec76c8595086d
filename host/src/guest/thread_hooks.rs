//! Hooks that a worker thread calls when it becomes idle and when it exits.

use super::{instance_pool, preemption};

/// Call this when the thread becomes idle. Does the work that would have delayed a request.
pub fn on_idle() {
    preemption::clear();
    instance_pool::drop_retired_and_old();
}

/// Drops the idle instances of the thread. Call this before the thread exits, or if their memory is needed.
pub fn drop_unused() {
    instance_pool::clear();
}
