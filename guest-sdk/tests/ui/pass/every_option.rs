use guest_sdk::{Close, handler};

#[handler(
    path = ["/a", "/b/{id}", "/c/{*rest}"],
    methods = ["GET", "PROPFIND"],
    chunked = false,
    rate = 2_097_152,
    upload_rate = 0,
    rate_scope = "connection",
    burst = 1,
    buffer_size = 32_768,
    stream = true,
    reuse = 1_000,
    status = 201,
    content_type = "text/plain",
    max_body = 0x1000,
    timeout = 0.5,
    cpu = 500,
    memory = 4_294_967_296,
    concurrency = 8,
    max_message = 1_024,
    websocket = false,
    push_queue = 4_096,
    push_overflow = "drop-oldest",
    park_timeout = 90.5,
    on_gap = "reset",
    heartbeat = 15,
    history = 100,
    history_seconds = 60,
    a = 1,
    least = -9_223_372_036_854_775_808,
    half = -0.5,
    flag = true,
    text = "a text",
    none = [],
    flags = [true, false],
    integers = [1, -2],
    floats = [1, 0.5, 2],
    texts = ["a", "b"],
    type = "a keyword",
)]
pub fn every_option() -> Close {
    Close
}

fn main() {}
