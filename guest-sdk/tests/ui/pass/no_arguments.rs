use guest_sdk::handler;

#[handler]
fn hello() -> &'static str {
    "Hello, World!"
}

fn main() {}
