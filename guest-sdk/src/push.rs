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
//! A topic can have a history, so that a client of an event stream that was away misses nothing: what is [appended](append)
//! has an id, is kept for a while, and reaches those who [read the history](subscribe_after), also those who come back.
//! [`sse::resume`](crate::sse::resume) does what a handler needs for that.
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

/// Subscribes the response to `topic` with its history: what was appended behind the event with the id `last_id` is sent
/// first, then what follows, each event once and in one order. Without an id it begins now. Returns false if events behind
/// `last_id` are no longer kept: then the client first gets an event of the type `reset`, so that it reads anew what it shows.
///
/// The response has to be an event stream; [`sse::resume`](crate::sse::resume) calls this and begins one.
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid topic and for a second topic with history, [`Error::Forbidden`] for a WebSocket,
/// [`Error::TooLarge`] past the quotas of the route, [`Error::Unavailable`] if the engine that several hosts share does not
/// answer, [`Error::Closed`] if the response is complete or the client has gone.
pub fn subscribe_after(topic: &str, last_id: Option<&str>) -> Result<bool, Error> {
    Ok(push::subscribe_after(topic, last_id)?)
}

/// Appends an [event](crate::sse::Event) without an id to the history of `topic`, and returns the id that the host gives it.
/// The route needs the option `history`, the number of events that are kept.
///
/// ```no_run
/// # fn f() -> Result<(), guest_sdk::Error> {
/// use guest_sdk::{push, sse::Event};
///
/// let id = push::append("news", Event::new().data("It is five o'clock."))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid topic, and for bytes that are not one event; [`Error::TooLarge`] for more than 64 KiB and
/// past the quotas of the route; [`Error::Forbidden`] if the route has no `history`; [`Error::Unavailable`] if the engine that
/// several hosts share did not answer in time: it may have the event nevertheless. [`Error::Closed`] outside a request.
pub fn append(topic: &str, event: impl AsRef<[u8]>) -> Result<String, Error> {
    Ok(push::append(topic, event.as_ref())?)
}
