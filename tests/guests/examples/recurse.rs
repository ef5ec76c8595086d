//! Calls itself until a stack is full.

use std::hint;

use guest_sdk::handler;

#[handler]
fn recurse() -> String {
    deeper(0).to_string()
}

/// Not a tail call, and with something to keep on the stack.
fn deeper(depth: u64) -> u64 {
    let frame = hint::black_box([depth; 16]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[7] }
}
