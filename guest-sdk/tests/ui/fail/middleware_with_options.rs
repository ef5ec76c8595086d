use guest_sdk::{on_request, on_response};

#[on_request(path = "/x")]
fn before() {}

#[on_response(rate = 1)]
fn after() {}

fn main() {}
