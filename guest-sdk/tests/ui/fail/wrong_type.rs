use guest_sdk::handler;

#[handler(
    path = 7,
    methods = ["GET", true],
    chunked = 1,
    rate = "fast",
    upload_rate = 0.5,
    rate_scope = client,
    burst = [1],
    stream = "yes",
    status = 200.0,
    content_type = false,
    timeout = "5s",
)]
fn hello() {}

fn main() {}
