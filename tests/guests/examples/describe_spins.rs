//! Loops for ever when it is asked for its route.

use std::hint;

use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Guest};

struct DescribeSpins;

impl Guest for DescribeSpins {
    fn handle() -> Outcome {
        Outcome::Close
    }
}

bindings::export!(DescribeSpins with_types_in bindings);

/// In place of where the declaration lies.
#[expect(unsafe_code, reason = "its name is that of the export")]
#[unsafe(no_mangle)]
extern "C" fn describe() -> usize {
    loop {
        hint::spin_loop();
    }
}
