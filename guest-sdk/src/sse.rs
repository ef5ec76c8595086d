//! Server-sent events (the HTML standard, section 9.2). Owns the text of an event and the fields around it; must not
//! know who receives it.
//!
//! An [`Event`] is bytes like any other chunk: a handler writes it, yields it, or publishes it ([`push`](crate::push)) to
//! responses that were left open. In a browser `new EventSource("/news")` reads them, and connects again by itself:
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

use crate::{Error, Request, Response};

/// Begins a stream of events: says that it is one, that no cache may keep it and no proxy may hold it back
/// (`x-accel-buffering: no`), and sends the head, so that the client knows at once that it is connected.
///
/// Where the host holds as many open responses as it may, the client is therefore not told 503 but cut, which browsers
/// answer by connecting again.
///
/// # Errors
///
/// [`Error::HeadAlreadySent`] after a write, [`Error::Closed`] once the response is complete or its client has gone.
pub fn open(response: &Response) -> Result<(), Error> {
    response.set_field("content-type", "text/event-stream")?.set_field("cache-control", "no-store")?;
    // nginx, and what follows it, would keep events back until a buffer is full.
    response.set_field("x-accel-buffering", "no")?;
    // A comment, which clients skip: the head goes with the first chunk.
    response.write(":\n\n")?;
    Ok(())
}

/// The id of the last event that the client has seen, which a browser sends when it connects again. `None` where it has
/// seen none with an id. It comes from the client, as any field does.
#[must_use]
pub fn last_event_id(request: &Request) -> Option<String> {
    request.field_text("last-event-id").filter(|id| !id.is_empty())
}

/// One event, with the blank line that ends it.
///
/// Clients dispatch it only where it has [`data`](Self::data); [`id`](Self::id) and [`retry`](Self::retry) take effect
/// without.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Event {
    /// Its lines, and always the blank one.
    text: String,
}

impl Event {
    /// An event without a field.
    pub fn new() -> Self {
        Self { text: "\n".to_owned() }
    }

    /// What it says: text of any number of lines. A client sees each line break (CR LF, LF or CR) as LF. A second call
    /// adds lines.
    pub fn data(mut self, text: &str) -> Self {
        let mut rest = text;
        while let Some(end) = rest.find(['\r', '\n']) {
            self = self.line("data", &rest[..end]);
            rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
        }
        self.line("data", rest)
    }

    /// Its type, which the client listens for: `message` where it has none or an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for one with a control character: a line break would begin another field.
    pub fn event(self, name: &str) -> Result<Self, Error> {
        Ok(self.line("event", checked(name)?))
    }

    /// What the client sends back when it connects again: see [`last_event_id`]. It stands for later events too, until
    /// one has another; an empty one takes it back.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for one with a control character: a line break would begin another field, clients ignore an id
    /// with NUL, and in a request the others are refused with all of it.
    pub fn id(self, id: &str) -> Result<Self, Error> {
        Ok(self.line("id", checked(id)?))
    }

    /// How long the client waits before it connects again, to the millisecond.
    pub fn retry(self, wait: Duration) -> Self {
        self.line("retry", &wait.as_millis().to_string())
    }

    fn line(mut self, field: &str, value: &str) -> Self {
        self.text.pop();
        // A client takes one space off, so a value keeps its own.
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

/// A value that is one line, and that the field of a request can carry.
fn checked(value: &str) -> Result<&str, Error> {
    if value.bytes().any(|byte| byte.is_ascii_control()) { Err(Error::Invalid) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
