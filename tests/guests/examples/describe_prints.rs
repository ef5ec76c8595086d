//! Prints a line when it is asked for its route, and traps.

use std::process;

use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Guest};

struct DescribePrints;

impl Guest for DescribePrints {
    fn handle() -> Outcome {
        Outcome::Close
    }
}

bindings::export!(DescribePrints with_types_in bindings);

/// In place of where the declaration lies.
#[expect(unsafe_code, reason = "its name is that of the export")]
#[unsafe(no_mangle)]
extern "C" fn describe() -> usize {
    eprintln!("printed while describing");
    process::abort()
}
