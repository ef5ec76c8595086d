//! Requests to other servers, which the operator grants: `http` in `[grant]` of the route's `NAME.toml`.
//!
//! ```toml
//! [grant]
//! http = ["https://api.example.com"]
//! ```
//!
//! ```no_run
//! use guest_sdk::http;
//!
//! # fn f() -> Result<(), http::Error> {
//! let mut response = http::get("https://api.example.com/weather?city=Bern")?;
//! if response.status() == 200 {
//!     let text = response.text()?;
//! }
//! let response = http::Request::new("POST", "https://api.example.com/notes")
//!     .field("content-type", "application/json")?
//!     .body(r#"{"text":"hello"}"#)?;
//! # let _ = response.status();
//! # Ok(())
//! # }
//! ```
//!
//! A redirect is a response like any other. While the handler waits for another server, its `timeout` runs.

use std::io;
use std::time::Duration;

use crate::host::http_client as host;

pub use crate::bindings::vibrato::handler::http_client::HttpError as Error;

/// Maximum bytes that are asked for at once.
const READ_BYTES: u32 = 64 * 1024;

/// Maximum bytes that one call passes to the host.
const MAX_WRITE_BYTES: usize = 1024 * 1024;

/// Sends a `GET` request, and returns its response once the head of that has come.
///
/// # Errors
///
/// See [`Error`]. A status of 400 or more is none.
pub fn get(url: &str) -> Result<Response, Error> {
    Request::new("GET", url).send()
}

/// A request that is made, and then sent.
#[derive(Debug)]
pub struct Request(host::OutgoingRequest);

impl Request {
    /// A request with a method and a URL, as in `https://api.example.com/v1?q=1`. If one of them is invalid, sending it
    /// says so.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self(host::OutgoingRequest::new(method, url))
    }

    /// Sets a field, in place of all lines of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for no field, and for `host` and the fields of the connection; [`Error::TooLarge`] past 128
    /// fields or 32 KiB; [`Error::Closed`] once the request is on its way.
    pub fn field(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.0.set_field(name, value.as_ref())?;
        Ok(self)
    }

    /// Adds a line of a field.
    ///
    /// # Errors
    ///
    /// As [`field`](Self::field).
    pub fn append_field(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.0.append_field(name, value.as_ref())?;
        Ok(self)
    }

    /// The time for a connection, if that is less than the grant's.
    #[must_use]
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.0.set_connect_timeout(milliseconds(time));
        self
    }

    /// The time from the end of the request to the head of its response, if that is less than the grant's.
    #[must_use]
    pub fn first_byte_timeout(self, time: Duration) -> Self {
        self.0.set_first_byte_timeout(milliseconds(time));
        self
    }

    /// The time for the next bytes of the response's body, if that is less than the grant's.
    #[must_use]
    pub fn between_bytes_timeout(self, time: Duration) -> Self {
        self.0.set_between_bytes_timeout(milliseconds(time));
        self
    }

    /// Writes some of the body. Up to 64 KiB are kept and sent with their length; more goes out as it is written.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn write(&mut self, chunk: impl AsRef<[u8]>) -> Result<(), Error> {
        chunk.as_ref().chunks(MAX_WRITE_BYTES).try_for_each(|piece| self.0.write(piece))
    }

    /// Writes a body, sends the request, and returns its response once the head of that has come.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Result<Response, Error> {
        self.write(body)?;
        self.send()
    }

    /// Sends the request with what was written of its body, and returns its response once the head of that has come.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn send(self) -> Result<Response, Error> {
        self.0.send().map(Response)
    }
}

/// A response of another server. Its body is read as it comes; as [`io::Read`] too.
#[derive(Debug)]
pub struct Response(host::IncomingResponse);

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// All fields, with names in lower case.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.0.fields()
    }

    /// One field by its name, in any case; of several lines the first.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        self.0.field(name)
    }

    /// The next piece of the body, of at most `max` bytes, as soon as there is one. `None` at its end.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn read_piece(&mut self, max: u32) -> Result<Option<Vec<u8>>, Error> {
        self.0.read(max)
    }

    /// The rest of the body.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(piece) = self.0.read(READ_BYTES)? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The rest of the body as text. What is not UTF-8 is replaced.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn text(&mut self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// The trailers, once the body was read to its end.
    #[must_use]
    pub fn trailers(&self) -> Vec<(String, Vec<u8>)> {
        self.0.trailers()
    }
}

impl io::Read for Response {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let max = u32::try_from(into.len()).unwrap_or(u32::MAX).min(READ_BYTES);
        let piece = self.0.read(max).map_err(io::Error::other)?.unwrap_or_default();
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
