use guest_sdk::{Request, handler};

#[handler]
fn hello(request: &Request, number: u32) {}

fn main() {}
