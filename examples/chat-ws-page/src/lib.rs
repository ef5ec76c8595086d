//! The client of `chat-ws`: a page that joins the room in its path over a WebSocket.

use guest_sdk::handler;

#[handler(path = "/chat-ws/{room}", method = "GET")]
fn page() -> &'static str {
    include_str!("page.html")
}
