//! Shows a handler that yields its body: each item of the iterator is one chunk.

use guest_sdk::handler;

#[handler(path = "/hello")]
fn hello() -> impl Iterator<Item = &'static str> {
    ["Hello", "World!"].into_iter()
}
