//! Shows options: built-in and invented ones reach the handler by name, with their types.

use guest_sdk::{Options, handler};

#[handler(
    path = "/options",
    content_type = "text/plain; charset=utf-8",
    rate = 2_097_152,
    buffer_size = 32_768,
    a = 1,
    greeting = "Hello, World!",
    primes = [2, 3, 5, 7],
)]
fn options(options: Options) -> String {
    options.all().iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}
