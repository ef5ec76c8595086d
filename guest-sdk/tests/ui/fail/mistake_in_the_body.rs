use guest_sdk::handler;

#[handler(rate = "fast")]
fn hello() -> String {
    greeting()
}

fn also_calls() -> String {
    hello()
}

fn main() {}
