//! The response of the invocation and why a call to it is refused. Owns the writing; must not know the request.

use std::fmt;

use crate::bindings::vibrato::handler::response;
use crate::bindings::vibrato::handler::types::Error as Refusal;
use crate::bindings_of_middleware::seals::vibrato::handler::seal as seals;

/// The most bytes that one call to the host hands over.
const MAX_WRITE_BYTES: usize = 64 * 1024 * 1024;

/// The response of this invocation. Status and fields can be set until the first [`write`](Self::write); none is
/// needed.
///
/// A call that was accepted gives the response back, so that calls can be chained:
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
    /// There is one response to an invocation, so there is nothing to name it by.
    pub(crate) const fn of_invocation() -> Self {
        Self(())
    }

    /// Sets the status, from 200 to 599; the option `status` or 200 stands where it is never called. A 204, a 205
    /// or a 304 has no body: what is written is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another status, [`Error::HeadAlreadySent`] after a write, [`Error::Closed`].
    pub fn set_status(&self, code: u16) -> Result<&Self, Error> {
        response::set_status(code)?;
        Ok(self)
    }

    /// Sets a field, in place of all lines of that name, with any case of the name.
    ///
    /// `content-length` declares the length of the body in bytes and takes the place of the chunked coding. `date`
    /// and `content-type` take the place of the host's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for what no field can be, [`Error::Forbidden`] for a field of the
    /// connection, [`Error::HeadAlreadySent`] after a write, [`Error::Closed`].
    pub fn set_field(&self, name: &str, value: impl AsRef<[u8]>) -> Result<&Self, Error> {
        response::set_field(name, value.as_ref())?;
        Ok(self)
    }

    /// Seals a field as it stands, by its name in any case and whether or not it is set: neither other middleware nor the
    /// handler changes it any more, until `#[on_response]` of the chain sees the response. For `#[on_request]` alone.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] anywhere else, [`Error::Invalid`] and [`Error::TooLarge`] for what is no field's name or one
    /// too many.
    pub fn seal_field(&self, name: &str) -> Result<&Self, Error> {
        seals::field(name)?;
        Ok(self)
    }

    /// Adds a line for a field, after those of that name. `content-length`, `content-type` and `date` have one line
    /// only.
    ///
    /// # Errors
    ///
    /// As [`set_field`](Self::set_field).
    pub fn append_field(&self, name: &str, value: impl AsRef<[u8]>) -> Result<&Self, Error> {
        response::append_field(name, value.as_ref())?;
        Ok(self)
    }

    /// The status as it stands: what was set, or the option `status`.
    #[must_use]
    pub fn status(&self) -> u16 {
        response::status()
    }

    /// The fields as they stand, in the order they will be sent: what was set, and before it the host's `content-type`
    /// where none was set and the response has one.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        response::fields()
    }

    /// One of [these fields](Self::fields) by its name, in any case; of several lines the first.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        response::field(name)
    }

    /// Removes all lines of a field. Without any it does nothing.
    ///
    /// # Errors
    ///
    /// As [`set_field`](Self::set_field).
    pub fn remove_field(&self, name: &str) -> Result<&Self, Error> {
        response::remove_field(name)?;
        Ok(self)
    }

    /// Writes one chunk of the body, after the head where it is the first. It returns once the chunk is on its way,
    /// which takes as long as the client and its `rate` take to make room.
    ///
    /// An empty chunk completes the response, as [`finish`](Self::finish) says. More than 64 MiB are written in several
    /// calls to the host, which takes no more in one.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] once the response is complete or the client has gone, and for every write after the first to
    /// a response without a body (`HEAD`, 204, 304). [`Error::Invalid`] past the declared `content-length`.
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

    /// Completes the response properly: later writes are refused, and the connection lives on where keep-alive
    /// allows it, even if the handler then closes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] where it is complete already, or the client has gone.
    pub fn finish(&self) -> Result<(), Error> {
        Ok(response::write(&[])?)
    }

    /// Forces the connection closed at this moment, as returning [`Close`](crate::Close) does at the end. A second
    /// call, and a call after the end, does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] where there is no response to close: outside a request.
    pub fn close(&self) -> Result<(), Error> {
        Ok(response::close()?)
    }

    /// Gives up, for a reason that goes to the host's log (its first 2048 bytes) and not to the client.
    ///
    /// Where nothing was written the answer is 500 in place of what was set, or the status of the
    /// [`BodyError`](crate::BodyError) that reading the body has given. Else the connection is cut, so that a truncated
    /// body looks truncated; a response that was complete stays so. From then on writes and changes of the head are
    /// refused as [`Error::Closed`], and what the handler returns is not looked at. A second call does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] where there is no response to give up: outside a request.
    pub fn fail(&self, reason: impl fmt::Display) -> Result<(), Error> {
        Ok(response::fail(&reason.to_string())?)
    }
}

/// Why a call was refused. The response and the connection are as they were before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The response is complete, or the client has gone. Nothing more can be sent.
    Closed,
    /// The head is on its way with the first chunk: status and fields are fixed.
    HeadAlreadySent,
    /// The value is outside what the call accepts: a status, a field name that is no token, a field value with a
    /// control character, more bytes than the declared `content-length`, the name of an event with a line break.
    Invalid,
    /// The field describes the connection, which the host manages (RFC 9110 section 7.6.1).
    Forbidden,
    /// Past a bound: 128 fields, 32 KiB of fields in all, 256 bytes in a field's name; 32 topics, 64 KiB in a published
    /// chunk; or one of the [context](crate::context).
    TooLarge,
}

impl Error {
    /// What it says of itself.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Closed => "the response is complete or the client has gone",
            Self::HeadAlreadySent => "the head was sent already",
            Self::Invalid => "the value is not allowed here",
            Self::Forbidden => "the field belongs to the host",
            Self::TooLarge => "too many, or too large",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

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
