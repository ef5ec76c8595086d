use guest_sdk::handler;

#[handler(a = 'c', b = b"bytes", c = 1u8, d = [1, "two"], e = [[1], [2]], f = -true, g = "text"suffix)]
fn hello() {}

fn main() {}
