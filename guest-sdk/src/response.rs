//! The response of the invocation, and why a call to it is refused.

use std::fmt;

use crate::bindings::vibrato::handler::push::HistoryError as HistoryRefusal;
use crate::bindings::vibrato::handler::types::Error as Refusal;
use crate::bindings_of_middleware::seals::vibrato::handler::seal as seals;
use crate::cookie::Cookie;
use crate::host::response;

/// Maximum bytes that one call passes to the host.
const MAX_WRITE_BYTES: usize = 64 * 1024 * 1024;

/// The response of this invocation. Its status and its fields can be set until the first [`write`](Self::write);
/// neither is required.
///
/// Successful calls return the response, so that calls can be chained:
///
/// ```no_run
/// # fn f(response: guest_sdk::Response) -> Result<(), guest_sdk::Error> {
/// response.set_status(201)?.set_field("location", "/page/7")?.write("made\n")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Response(());

impl Response {
    /// An invocation has one response, so it needs no identifier.
    pub(crate) const fn of_invocation() -> Self {
        Self(())
    }

    /// Sets the status, from 200 to 599. The default is the option `status`, or 200. A 204, 205 or 304 has no body:
    /// writes to it are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another status, [`Error::HeadAlreadySent`] after a write, [`Error::Closed`].
    pub fn set_status(&self, code: u16) -> Result<&Self, Error> {
        response::set_status(code)?;
        Ok(self)
    }

    /// Sets a field, and replaces all lines with that name, which is case-insensitive.
    ///
    /// `content-length` declares the length of the body in bytes, which is then not sent in the chunked coding. `date`
    /// and `content-type` replace the host's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an invalid field, [`Error::Forbidden`] for a field of the
    /// connection, [`Error::HeadAlreadySent`] after a write, [`Error::Closed`].
    pub fn set_field(&self, name: &str, value: impl AsRef<[u8]>) -> Result<&Self, Error> {
        response::set_field(name, value.as_ref())?;
        Ok(self)
    }

    /// Seals a field in its current state, set or not. Neither other middleware nor the handler can change it, until
    /// `#[on_response]` of the chain sees the response. Only for `#[on_request]`.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] anywhere else, [`Error::Invalid`] and [`Error::TooLarge`] for an invalid name or too many
    /// names.
    pub fn seal_field(&self, name: &str) -> Result<&Self, Error> {
        seals::field(name)?;
        Ok(self)
    }

    /// Adds a line of a field, after those with the same name. `content-length`, `content-type` and `date` can have
    /// only one line.
    ///
    /// # Errors
    ///
    /// As [`set_field`](Self::set_field).
    pub fn append_field(&self, name: &str, value: impl AsRef<[u8]>) -> Result<&Self, Error> {
        response::append_field(name, value.as_ref())?;
        Ok(self)
    }

    /// The current status: the one that was set, or the option `status`.
    #[must_use]
    pub fn status(&self) -> u16 {
        response::status()
    }

    /// The current fields, in the order in which they will be sent. If `content-type` was not set and the response has
    /// one, the host's comes first.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        response::fields()
    }

    /// One of [these fields](Self::fields) by its name, in any case. Of several lines, the first.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        response::field(name)
    }

    /// Sets a cookie, beside others.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if its name is no token, or its path or domain has a `;` or a control character; and as
    /// [`set_field`](Self::set_field).
    pub fn set_cookie(&self, cookie: &Cookie) -> Result<&Self, Error> {
        self.append_field("set-cookie", cookie.line().ok_or(Error::Invalid)?)
    }

    /// Removes all lines of a field. Does nothing if there are none.
    ///
    /// # Errors
    ///
    /// As [`set_field`](Self::set_field).
    pub fn remove_field(&self, name: &str) -> Result<&Self, Error> {
        response::remove_field(name)?;
        Ok(self)
    }

    /// Writes one chunk of the body; the first call also sends the head. Returns when the chunk is being sent, which
    /// may take until the client and its `rate` allow it.
    ///
    /// An empty chunk completes the response, as [`finish`](Self::finish) does. More than 64 MiB are passed to the host
    /// in several calls.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the response is complete or the client has gone, and for every write after the first to a
    /// response without a body (`HEAD`, 204, 304). [`Error::Invalid`] past the declared `content-length`.
    pub fn write(&self, chunk: impl AsRef<[u8]>) -> Result<&Self, Error> {
        let mut rest = chunk.as_ref();
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(MAX_WRITE_BYTES));
            response::write(piece)?;
            if behind.is_empty() {
                return Ok(self);
            }
            rest = behind;
        }
    }

    /// Completes the response: later writes are refused. The connection persists if keep-alive allows it, even if the
    /// handler closes afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if it is complete already, or the client has gone.
    pub fn finish(&self) -> Result<(), Error> {
        Ok(response::write(&[])?)
    }

    /// Closes the connection now, as returning [`Close`](crate::Close) does at the end. Does nothing if the response
    /// has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] outside a request.
    pub fn close(&self) -> Result<(), Error> {
        Ok(response::close()?)
    }

    /// Fails, for a reason that is written to the host's log (its first 2048 bytes) and not sent to the client.
    ///
    /// If nothing was written, the response is 500, or the status of the [`BodyError`](crate::BodyError) that reading
    /// the body returned. Otherwise the connection is closed, so that a truncated body is recognised as truncated; a
    /// complete response stays complete. Afterwards, writes and changes of the head return [`Error::Closed`], and the
    /// handler's return value is ignored. A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] outside a request.
    pub fn fail(&self, reason: impl fmt::Display) -> Result<(), Error> {
        Ok(response::fail(&reason.to_string())?)
    }
}

/// Why a call was refused. A refused call changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The response is complete, or the client has gone.
    Closed,
    /// The head was sent with the first chunk: its status and fields are final.
    HeadAlreadySent,
    /// The call does not accept the value: a status, a field name that is not a token, a field value with a control
    /// character, more bytes than the declared `content-length`, an event name with a line break.
    Invalid,
    /// The field describes the connection, which the host manages (RFC 9110 section 7.6.1).
    Forbidden,
    /// A bound was exceeded: 128 fields, 32 KiB of fields in all, 256 bytes in a field's name; 32 topics, 64 KiB in a
    /// published chunk; or a bound of the [context](crate::context).
    TooLarge,
    /// The engine that several hosts share did not answer in time ([`push::append`](crate::push::append),
    /// [`push::subscribe_after`](crate::push::subscribe_after)).
    Unavailable,
}

impl Error {
    /// The error message.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Closed => "the response is complete or the client has gone",
            Self::HeadAlreadySent => "the head was sent already",
            Self::Invalid => "the value is not allowed here",
            Self::Forbidden => "the field belongs to the host",
            Self::TooLarge => "too many, or too large",
            Self::Unavailable => "the engine that the hosts share does not answer",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

impl From<HistoryRefusal> for Error {
    fn from(refusal: HistoryRefusal) -> Self {
        match refusal {
            HistoryRefusal::Closed => Self::Closed,
            HistoryRefusal::Invalid => Self::Invalid,
            HistoryRefusal::Forbidden => Self::Forbidden,
            HistoryRefusal::TooLarge => Self::TooLarge,
            HistoryRefusal::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::HeadAlreadySent => Self::HeadAlreadySent,
            Refusal::Invalid => Self::Invalid,
            Refusal::Forbidden => Self::Forbidden,
            Refusal::TooLarge => Self::TooLarge,
        }
    }
}
