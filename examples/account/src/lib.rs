//! Greets the user whose name a middleware has put into the context.

use guest_sdk::{context, handler};

#[handler(content_type = "text/plain; charset=utf-8")]
fn account() -> String {
    let user = context::get("user").unwrap_or_else(|| b"nobody".to_vec());
    format!("the account of {}\n", String::from_utf8_lossy(&user))
}
