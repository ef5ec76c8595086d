//! The client of `chat`: a page of one file that joins the room after its `#`.

use guest_sdk::handler;

#[handler(path = "/chat", method = "GET")]
fn page() -> &'static str {
    include_str!("page.html")
}
