//! The server side of one HTTP/1 connection, without IO. Bytes go in, and requests come out.
//!
//! ```text
//!   bytes -> input_mut -> next_head -> RequestHead -> framing -> RequestFraming ─┬─> body    -> RequestBody::decode -> pieces
//!                                                                              └─> encoder -> Response -> bytes
//! ```
//!
//! Decides what a head says about the connection: how its body is framed, whether the connection persists, and whether
//! the client waits for `100 Continue`. The server and the fuzz targets use this same code.

use bytes::BytesMut;
use thiserror::Error;

use super::body::RequestBody;
use super::decode::{DecodeError, check_begun};
use super::encoder::{ChunkedCoding, Http1Encoder, Http1Options};
use super::framing::{
    BodyFraming, Expectation, FramingError, UnmetExpectation, expectation, keep_alive, request_framing,
};
use super::head::{HeadError, HeadLimits, HeadParser};
use crate::http::head::RequestHead;
use crate::http::version::Version;

#[cfg(test)]
mod tests;

/// The requests of one connection. They do not depend on how the bytes are split.
#[derive(Debug, Default)]
pub struct ServerConnection {
    /// The bytes that have arrived and are not parsed yet.
    input: BytesMut,
    /// The parser of a head that has arrived only in part.
    parser: Option<Box<HeadParser>>,
}

/// What the head of a request says about the connection, the body, and the framing of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFraming {
    /// The client's version.
    pub version: Version,
    /// Whether the method is HEAD, so that the response has no body.
    pub head_only: bool,
    /// Whether the client allows the connection to persist after the response.
    pub keep_alive: bool,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub awaits_continue: bool,
}

/// Why a request with a valid head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The end of the body cannot be determined.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// The client has an expectation that is not supported.
    #[error(transparent)]
    Expectation(#[from] UnmetExpectation),
    /// The part of the body that has arrived is malformed.
    #[error(transparent)]
    Body(#[from] DecodeError),
}

impl RequestError {
    /// The status of the response to such a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Framing(error) => error.status(),
            Self::Expectation(error) => error.status(),
            Self::Body(error) => error.status(),
        }
    }
}

/// A request that is refused, and what is known about its framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedRequest {
    /// The framing for the response to it.
    pub framing: RequestFraming,
    /// Why the request is refused.
    pub error: RequestError,
}

impl ServerConnection {
    /// The bytes that have arrived and are not parsed yet. New bytes are appended to them.
    #[inline]
    pub fn input_mut(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// The bytes that have arrived and are not parsed yet.
    #[must_use]
    #[inline]
    pub fn input(&self) -> &BytesMut {
        &self.input
    }

    /// Takes the next head. It is `None` until the whole head has arrived. Most heads arrive at once, so the parser is
    /// kept only for those that do not.
    ///
    /// # Errors
    /// See [`HeadError`]. After an error, the connection can carry no further request.
    pub fn next_head(&mut self, limits: &HeadLimits) -> Result<Option<RequestHead>, HeadError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let Some(parser) = &mut self.parser else {
            let mut parser = HeadParser::default();
            let parsed = parser.parse(&mut self.input, limits);
            if !matches!(parsed, Ok(Some(_))) {
                self.parser = Some(Box::new(parser));
            }
            return parsed;
        };
        let parsed = parser.parse(&mut self.input, limits);
        if matches!(parsed, Ok(Some(_))) {
            self.parser = None;
        }
        parsed
    }

    /// What the head that was just taken says about the connection and the body.
    ///
    /// # Errors
    /// See [`RequestError`]. After an error, the connection can carry no further request.
    pub fn framing(&self, head: &RequestHead) -> Result<RequestFraming, RefusedRequest> {
        let mut framing = RequestFraming {
            version: head.version(),
            head_only: head.is_head(),
            keep_alive: keep_alive(head),
            body: BodyFraming::None,
            awaits_continue: false,
        };
        match self.read_framing(head, &mut framing) {
            Ok(()) => Ok(framing),
            Err(error) => Err(RefusedRequest { framing, error }),
        }
    }

    fn read_framing(&self, head: &RequestHead, framing: &mut RequestFraming) -> Result<(), RequestError> {
        framing.body = request_framing(head)?;
        framing.awaits_continue = expectation(head, framing.body)? == Expectation::Continue;
        if let Err(error) = check_begun(framing.body, &self.input) {
            framing.body = BodyFraming::None;
            return Err(error.into());
        }
        Ok(())
    }

    /// The framing for the response to a request whose head is malformed or incomplete. The connection closes after it.
    #[must_use]
    pub fn closing_framing(&self) -> RequestFraming {
        let head_only = self.parser.as_ref().is_some_and(|parser| parser.refused_head_request());
        RequestFraming { head_only, ..RequestFraming::CLOSING }
    }
}

impl RequestFraming {
    /// The framing of a response to no particular request. The connection closes after it.
    pub const CLOSING: Self = Self {
        version: Version::Http11,
        head_only: false,
        keep_alive: false,
        body: BodyFraming::None,
        awaits_continue: false,
    };

    /// A decoder for the body of the request, of at most `max_body` bytes.
    #[must_use]
    pub fn body(&self, max_body: u64) -> RequestBody {
        RequestBody::new(self.body, max_body, self.awaits_continue)
    }

    /// An encoder for the response, with pieces of at most `buffer_size` bytes. It uses the chunked coding as
    /// `chunked` says, if the version allows it. `output` has to be an empty buffer.
    #[must_use]
    pub fn encoder(&self, chunked: impl Into<ChunkedCoding>, buffer_size: usize, output: BytesMut) -> Http1Encoder {
        let (Self { version, keep_alive, awaits_continue, .. }, chunked) = (*self, chunked.into());
        Http1Encoder::new(Http1Options { version, keep_alive, awaits_continue, chunked, buffer_size }, output)
    }
}
