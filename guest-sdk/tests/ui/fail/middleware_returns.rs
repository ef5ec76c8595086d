use guest_sdk::{Outcome, on_request, on_response};

#[on_request]
fn before() -> &'static str {
    "Hello"
}

#[on_response]
fn after() -> Outcome {
    Outcome::Close
}

fn main() {}
