//! Loops for ever when it is asked for its route.

use std::hint;

use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Declaration, Guest};

struct DescribeSpins;

impl Guest for DescribeSpins {
    fn handle() -> Outcome {
        Outcome::Close
    }

    fn describe() -> Declaration {
        loop {
            hint::spin_loop();
        }
    }
}

bindings::export!(DescribeSpins with_types_in bindings);
