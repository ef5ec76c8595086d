//! Shows the client of a stream of events: a page of one file that joins the room after its `#`, served by `chat`.

use guest_sdk::handler;

#[handler(path = "/chat", method = "GET")]
fn page() -> &'static str {
    include_str!("page.html")
}
