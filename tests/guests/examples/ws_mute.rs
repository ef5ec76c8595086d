//! Says that it takes WebSockets, and has nothing to answer messages with.

use guest_sdk::{Manual, handler};

#[handler(path = "/ws-mute", websocket = true)]
fn open() -> Manual {
    Manual
}
