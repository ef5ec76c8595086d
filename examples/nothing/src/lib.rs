//! Shows a handler that returns nothing: the connection is closed without a response.

use guest_sdk::handler;

#[handler(path = "/nothing")]
fn nothing() {}
