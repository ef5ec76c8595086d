//! The shortest handler: what it returns is the body. Without `method`, it answers every method.

use guest_sdk::handler;

#[handler(path = "/text")]
fn text() -> &'static str {
    "Hello, World!"
}
