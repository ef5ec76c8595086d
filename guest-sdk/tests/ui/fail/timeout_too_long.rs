use guest_sdk::handler;

#[handler(timeout = 86_400.5)]
fn hello() {}

fn main() {}
