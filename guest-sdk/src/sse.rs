//! Server-sent events (the HTML standard, section 9.2): the format of an event, and the fields of its response.
//!
//! An [`Event`] is a chunk like any other: a handler writes it, yields it, or publishes it ([`push`]) to
//! parked responses. In a browser, `new EventSource("/news")` reads events, and reconnects by itself:
//!
//! ```standalone_crate
//! use guest_sdk::sse::{self, Event};
//! use guest_sdk::{Error, Manual, Request, Response, handler, push};
//!
//! #[handler(path = "/news", method = "GET", heartbeat = 30)]
//! fn news(request: Request, response: Response) -> Result<Manual, Error> {
//!     push::subscribe("news")?;
//!     sse::open(&response)?;
//!     if let Some(seen) = sse::last_event_id(&request) {
//!         response.write(Event::new().event("missed")?.data(&format!("what came after {seen}")))?;
//!     }
//!     Ok(Manual)
//! }
//! # fn main() {}
//! ```
//!
//! ```no_run
//! # fn f() -> Result<(), guest_sdk::Error> {
//! use guest_sdk::{push, sse::Event};
//!
//! push::publish("news", Event::new().id("7")?.data("It is five o'clock.\nTea is served."))?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use crate::{Error, Request, Response, push};

/// Starts a stream of events: sets the content type, forbids caching and buffering by proxies (`x-accel-buffering:
/// no`), and sends the head, so that the client knows at once that it is connected.
///
/// Because the head is sent, a response that the host cannot park is truncated and does not get 503. Browsers then
/// reconnect.
///
/// # Errors
///
/// [`Error::HeadAlreadySent`] after a write, [`Error::Closed`] if the response is complete or the client has gone.
pub fn open(response: &Response) -> Result<(), Error> {
    response.set_field("content-type", "text/event-stream")?.set_field("cache-control", "no-store")?;
    // Otherwise nginx and compatible proxies would hold back events until a buffer is full.
    response.set_field("x-accel-buffering", "no")?;
    // A comment, which clients ignore: the head is sent with the first chunk.
    response.write(":\n\n")?;
    Ok(())
}

/// Starts a stream of the events that are [appended](crate::push::append) to `topic`, for a client that may come back: it gets
/// everything behind its last event, each event once and in one order. Return [`Manual`](crate::Manual) after it.
///
/// Returns false if some of these events are no longer kept. Then the first event that the client gets is `reset`, and what
/// the page shows has to be read anew.
///
/// ```standalone_crate
/// use guest_sdk::{Error, Manual, Request, Response, handler, sse};
///
/// #[handler(path = "/feed", method = "GET", heartbeat = 30)]
/// fn feed(request: Request, response: Response) -> Result<Manual, Error> {
///     sse::resume(&request, &response, "feed")?;
///     Ok(Manual)
/// }
/// # fn main() {}
/// ```
///
/// If the engine that several hosts share does not answer, the connection is closed without a response: so a browser comes back, which
/// it does not after an error status.
///
/// # Errors
///
/// As [`push::subscribe_after`] and [`open`].
pub fn resume(request: &Request, response: &Response, topic: &str) -> Result<bool, Error> {
    let resumed = push::subscribe_after(topic, last_event_id(request).as_deref());
    if resumed == Err(Error::Unavailable) {
        // A browser comes back after that, and not after an error status.
        response.close()?;
    }
    let is_whole = resumed?;
    open(response)?;
    Ok(is_whole)
}

/// The id of the last event that the client has received, which a browser sends when it reconnects. `None` if it has
/// received none with an id. As any field, it is chosen by the client.
#[must_use]
pub fn last_event_id(request: &Request) -> Option<String> {
    request.field_text("last-event-id").filter(|id| !id.is_empty())
}

/// One event, with the blank line that ends it.
///
/// Clients dispatch it only if it has [`data`](Self::data). [`id`](Self::id) and [`retry`](Self::retry) take effect
/// without it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Event {
    /// Its lines, always including the blank one.
    text: String,
}

impl Event {
    /// An event without fields.
    pub fn new() -> Self {
        Self { text: "\n".to_owned() }
    }

    /// The data: text of any number of lines. The client sees each line break (CR LF, LF or CR) as LF. A second call
    /// adds lines.
    pub fn data(mut self, text: &str) -> Self {
        let mut rest = text;
        while let Some(end) = rest.find(['\r', '\n']) {
            self = self.line("data", &rest[..end]);
            rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
        }
        self.line("data", rest)
    }

    /// The type that the client listens for. The default, also for an empty name, is `message`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a control character: a line break would begin another field.
    pub fn event(self, name: &str) -> Result<Self, Error> {
        Ok(self.line("event", check_line(name)?))
    }

    /// The id that the client sends when it reconnects: see [`last_event_id`]. It also applies to later events without
    /// an id; an empty id resets it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a control character: a line break would begin another field, clients ignore an id with
    /// NUL, and a request with any other would be refused.
    pub fn id(self, id: &str) -> Result<Self, Error> {
        Ok(self.line("id", check_line(id)?))
    }

    /// How long the client waits before it reconnects, in whole milliseconds.
    pub fn retry(self, wait: Duration) -> Self {
        self.line("retry", &wait.as_millis().to_string())
    }

    fn line(mut self, field: &str, value: &str) -> Self {
        self.text.pop();
        // A client removes one space, so the value is unchanged.
        for part in [field, ": ", value, "\n\n"] {
            self.text.push_str(part);
        }
        self
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// A value of one line that a request field can carry.
fn check_line(value: &str) -> Result<&str, Error> {
    if value.bytes().any(|byte| byte.is_ascii_control()) { Err(Error::Invalid) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
