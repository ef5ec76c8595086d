//! Whether a guest of this thread was preempted.

use std::cell::Cell;

thread_local! {
    /// Whether a guest was preempted since the thread was last idle.
    static PREEMPTED: Cell<bool> = const { Cell::new(false) };
}

/// Records that a guest was preempted by an epoch tick.
pub(super) fn note() {
    PREEMPTED.set(true);
}

/// Records that the thread is idle.
pub(super) fn clear() {
    PREEMPTED.set(false);
}

/// Whether a guest on this thread was preempted by an epoch tick since the thread was last idle.
#[must_use]
pub fn was_preempted() -> bool {
    PREEMPTED.get()
}
