use guest_sdk::handler;

#[handler]
fn hello() -> impl Iterator<Item = char> {
    "Hello".chars()
}

fn main() {}
