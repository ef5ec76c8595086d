use guest_sdk::handler;

#[handler("/hello", path("/hello"), rate, buffer_size = , status == 200, timeout: 5, burst = 1 2, a = 1 + 1, b = c)]
fn hello() {}

fn main() {}
