//! Answers how often its instance was called, and asks to be called again.

use std::sync::atomic::{AtomicU32, Ordering};

use guest_sdk::handler;

static CALLS: AtomicU32 = AtomicU32::new(0);

#[handler(reuse = 1_000)]
fn asks_for_reuse() -> String {
    (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}
