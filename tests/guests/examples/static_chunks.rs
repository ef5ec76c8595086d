//! Declares an option of each type, and answers chunks that are in the component. Nothing in it can fail.

use guest_sdk::{Error, handler};

#[handler(
    path = ["/static_chunks", "/static_chunks/{*rest}"],
    method = "GET",
    content_type = "text/plain",
    rate = 1_000_000,
    timeout = 5.5,
    stream = true,
    booleans = [true, false],
    floats = [0.5, 1.5],
    integers = [1, 2],
    texts = ["one", "two"],
)]
fn static_chunks() -> impl Iterator<Item = Result<&'static str, Error>> {
    ["Hello", "World!"].map(Ok).into_iter()
}
