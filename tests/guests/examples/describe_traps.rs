//! Traps when it is asked for its route.

use std::process;

use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Declaration, Guest};

struct DescribeTraps;

impl Guest for DescribeTraps {
    fn handle() -> Outcome {
        Outcome::Close
    }

    fn describe() -> Declaration {
        process::abort()
    }
}

bindings::export!(DescribeTraps with_types_in bindings);
