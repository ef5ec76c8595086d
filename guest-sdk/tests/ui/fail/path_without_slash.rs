use guest_sdk::handler;

#[handler(path = ["hello", "/hello", ""])]
fn hello() {}

fn main() {}
