//! Parked responses, and how to send to them later.
//!
//! A handler that returns [`Manual`](crate::Manual) parks its response. From then on it receives what any invocation of
//! any route publishes to its topics. A chat is two handlers without state:
//!
//! ```standalone_crate
//! use guest_sdk::{Error, Manual, Request, Response, handler, push};
//!
//! /// `GET /listen/{room}` stays open.
//! #[handler(path = "/listen/{room}", content_type = "text/plain; charset=utf-8")]
//! fn listen(request: Request, response: Response) -> Result<Manual, Error> {
//!     push::subscribe(&format!("room/{}", request.param("room").unwrap_or_default()))?;
//!     response.write("welcome\n")?;
//!     Ok(Manual)
//! }
//! # fn main() {}
//! ```
//!
//! ```standalone_crate
//! use guest_sdk::{Request, handler, push};
//!
//! /// `POST /say/{room}` reaches all who listen.
//! #[handler(path = "/say/{room}", method = "POST")]
//! fn say(request: Request) -> Result<String, Box<dyn std::error::Error>> {
//!     let room = format!("room/{}", request.param("room").unwrap_or_default());
//!     let line = request.body().read_all(4096)?;
//!     Ok(format!("heard by {}\n", push::publish(&room, line)?))
//! }
//! # fn main() {}
//! ```
//!
//! A topic is a name of 1 to 128 bytes without control characters. Topics belong to the routes of one directory: each
//! of them can publish to, subscribe to and finish them. If a handler takes the topic from its client, as these do, it
//! decides who may listen and who may speak. A prefix such as `room/` keeps its topics apart from those of other
//! routes.

use crate::Error;
use crate::host::push;

/// Subscribes the response to `topic`. Published chunks are queued from now on, and sent after the handler has returned
/// [`Manual`](crate::Manual). With any other outcome they are dropped. A second call with the same topic does nothing.
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid topic, [`Error::TooLarge`] for a 33rd topic and past the quotas of the route,
/// [`Error::Closed`] if the response is complete or the client has gone.
pub fn subscribe(topic: &str) -> Result<(), Error> {
    Ok(push::subscribe(topic)?)
}

/// Sends one chunk to every response that is subscribed to `topic`, and returns their number. Does not wait for
/// clients: the queue of a slow one is bounded by its route's options `push_queue` and `push_overflow`.
///
/// ```no_run
/// # fn f() -> Result<(), guest_sdk::Error> {
/// let reached = guest_sdk::push::publish("news", "it is five o'clock\n")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid topic or an empty chunk, [`Error::TooLarge`] for a chunk of more than 64 KiB,
/// [`Error::Closed`] outside a request.
pub fn publish(topic: &str, chunk: impl AsRef<[u8]>) -> Result<u32, Error> {
    Ok(push::publish(topic, chunk.as_ref())?)
}

/// Ends every response that is subscribed to `topic`, after its queued chunks, and returns their number. The
/// connections persist if keep-alive allows it.
///
/// ```no_run
/// # fn f() -> Result<(), guest_sdk::Error> {
/// guest_sdk::push::publish("news", "that is all\n")?;
/// guest_sdk::push::finish("news")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid topic, [`Error::Closed`] outside a request.
pub fn finish(topic: &str) -> Result<u32, Error> {
    Ok(push::finish(topic)?)
}
