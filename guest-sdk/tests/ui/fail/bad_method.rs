use guest_sdk::handler;

#[handler(method = ["get", "GET POST", ""])]
fn hello() {}

fn main() {}
