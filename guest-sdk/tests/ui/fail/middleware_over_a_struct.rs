use guest_sdk::{on_request, on_response};

#[on_request]
pub struct Before;

#[on_response]
async fn after() {}

fn main() {}
