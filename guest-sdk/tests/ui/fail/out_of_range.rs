use guest_sdk::handler;

#[handler(
    rate = -1,
    rate_scope = "everyone",
    burst = 0,
    buffer_size = 1_048_577,
    status = 199,
    content_type = "",
    max_body = -1,
    timeout = 0,
    memory = 65_535,
    concurrency = -5,
    a = 9_223_372_036_854_775_808,
    b = 1e999,
)]
fn slow() {}

fn main() {}
