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
    cpu = 0,
    heartbeat = 86_401,
    log_rate = -1,
    max_message = 0,
    max_subscribers = -1,
    max_topics = -1,
    park_timeout = 0.0,
    publish_rate = -1,
    push_overflow = "block",
    push_queue = 0,
    reuse = 0,
    share = 101,
    a = 9_223_372_036_854_775_808,
    b = 1e999,
)]
fn slow() {}

fn main() {}
