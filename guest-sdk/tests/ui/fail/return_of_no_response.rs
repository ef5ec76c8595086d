use guest_sdk::handler;

#[handler]
fn hello() -> u32 {
    7
}

fn main() {}
