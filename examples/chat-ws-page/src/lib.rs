//! Shows the client of a WebSocket: a page that joins the room of its path, served by `chat-ws`.

use guest_sdk::handler;

#[handler(path = "/chat-ws/{room}", method = "GET")]
fn page() -> &'static str {
    include_str!("page.html")
}
