//! Traps before anything was written.

use std::process;

use guest_sdk::{Close, handler};

#[handler]
fn trap() -> Close {
    process::abort()
}
