use guest_sdk::handler;

#[handler(rate = "fast")]
async unsafe fn hello<T>(argument: impl Iterator) {}

fn main() {}
