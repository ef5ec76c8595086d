//! Declares whose topics it shares and what it is granted, which are not its to say, and publishes to the topic of its query.

use guest_sdk::{Request, handler, push};

#[handler(topics = "chat", grant = "all")]
fn claims_topics(request: Request) -> String {
    push::publish(&request.query().unwrap_or_default(), "claimed").unwrap_or_default().to_string()
}
