use guest_sdk::handler;

#[handler(path = "/a", path = "/b", method = "GET", methods = ["POST"], a = 1, a = 2)]
fn hello() {}

fn main() {}
