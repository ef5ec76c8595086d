#![deny(warnings)]

use guest_sdk::{Step, on_request, on_response};

#[on_request]
fn next() -> Step {
    Step::Next
}

#[on_response]
fn nothing() {}

fn main() {}
