//! What a thread that serves tells the handlers' instances of its own state: that it is idle, busy, at its end.

use std::cell::Cell;

use super::instance_pool;

thread_local! {
    /// A guest was interrupted in its run since the thread last had nothing to do.
    static SPINS: Cell<bool> = const { Cell::new(false) };
}

/// A guest was interrupted in its run, and goes on.
pub(super) fn note_spin() {
    SPINS.set(true);
}

/// Whether guests of this thread run for so long that whoever waits for his turn waits for ticks.
#[must_use]
pub fn spins() -> bool {
    SPINS.get()
}

/// For a thread that is about to wait: does what would have held up a request.
pub fn when_idle() {
    SPINS.set(false);
    instance_pool::tidy();
}

/// For a thread that serves no more: ends the instances that waited for it.
pub fn at_end() {
    instance_pool::clear();
}
