//! Shows a handler that returns nothing: the connection is closed without one byte of an answer.

use guest_sdk::handler;

#[handler(path = "/nothing")]
fn nothing() {}
