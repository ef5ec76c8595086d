use guest_sdk::handler;

#[handler(path = "/hello")]
pub struct Hello;

fn main() {}
