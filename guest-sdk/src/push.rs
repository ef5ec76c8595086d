//! Responses that stay open, and what is sent to them later. Owns how that reads in Rust; must not know how the host
//! delivers.
//!
//! A handler that returns [`Manual`](crate::Manual) leaves its response open. The topics that it was subscribed to say
//! what reaches it from then on, from any invocation of any route. A chat is two handlers and no state:
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
//! A topic is a name of 1 to 128 bytes without control characters. Topics belong to the routes of one
//! directory: each of them can publish to them, subscribe to them and finish them. A handler that takes a topic from its
//! client, as these do, decides who may listen and who may speak; a prefix of its own, such as `room/`, keeps it out of the
//! topics of its neighbours.

use crate::Error;
use crate::bindings::vibrato::handler::push;

/// From now on what is published to `topic` queues for this connection, and is sent once the handler has returned
/// [`Manual`](crate::Manual). With any other end it is dropped. A second call with the same topic does nothing.
///
/// # Errors
///
/// [`Error::Invalid`] for what is no topic, [`Error::TooLarge`] for a 33rd topic and past the quotas of the route,
/// [`Error::Closed`] once the response is
/// complete or its client has gone.
pub fn subscribe(topic: &str) -> Result<(), Error> {
    Ok(push::subscribe(topic)?)
}

/// Sends one chunk to every connection that is subscribed to `topic`, and says how many that are. It waits for none of
/// them: what waits for a slow one is bounded by the options `push_queue` and `push_overflow` of its route.
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
/// [`Error::Invalid`] for what is no topic and for an empty chunk, [`Error::TooLarge`] for one of more than 64 KiB,
/// [`Error::Closed`] outside a request.
pub fn publish(topic: &str, chunk: impl AsRef<[u8]>) -> Result<u32, Error> {
    Ok(push::publish(topic, chunk.as_ref())?)
}

/// Ends the response of every connection that is subscribed to `topic`, after what has queued for it, and says how many
/// that are. The connections live on where keep-alive allows it.
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
/// [`Error::Invalid`] for what is no topic, [`Error::Closed`] outside a request.
pub fn finish(topic: &str) -> Result<u32, Error> {
    Ok(push::finish(topic)?)
}
