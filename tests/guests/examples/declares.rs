//! Declares every option of the host, and one of each type of its own. Answers what it is given, a line each.

use guest_sdk::{Options, handler};

#[handler(
    path = "/declares",
    buffer_size = 8_192,
    burst = 4_096,
    chunked = false,
    concurrency = 8,
    content_type = "text/plain",
    max_body = 1_000_000,
    memory = 33_554_432,
    rate = 1_000_000,
    rate_scope = "connection",
    status = 201,
    stream = false,
    timeout = 5.5,
    upload_rate = 500_000,
    my_boolean = true,
    my_booleans = [true, false],
    my_float = 2.0,
    my_floats = [0.5, 1.5],
    my_integer = 1,
    my_integers = [1, 2],
    my_text = "1",
    my_texts = ["one", "two"],
)]
fn declares(options: Options) -> String {
    options.all().iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect()
}
