//! Traps when it is asked for its route.

use std::process;

use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Guest};

struct DescribeTraps;

impl Guest for DescribeTraps {
    fn handle() -> Outcome {
        Outcome::Close
    }
}

bindings::export!(DescribeTraps with_types_in bindings);

/// In place of where the declaration lies.
#[expect(unsafe_code, reason = "its name is that of the export")]
#[unsafe(no_mangle)]
extern "C" fn describe() -> usize {
    process::abort()
}
