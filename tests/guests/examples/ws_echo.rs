//! Sends every message back, as the Autobahn test suite asks of a server.

use guest_sdk::websocket::Message;
use guest_sdk::{Manual, handler, on_message};

#[handler(path = "/ws-echo", websocket = true)]
fn open() -> Manual {
    Manual
}

#[on_message]
fn echo(message: Message) -> Message {
    message
}
