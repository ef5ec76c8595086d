//! One HTTP/1 connection as its server sees it, without IO: bytes come in, requests come out.
//!
//! ```text
//!   bytes -> input_mut -> next_head -> RequestHead -> framing -> RequestFraming ─┬─> body    -> RequestBody::decode -> pieces
//!                                                                              └─> encoder -> Response -> bytes
//! ```
//!
//! What a head says of the connection is decided here: how its body is framed, whether the connection persists, whether
//! the client waits for `100 Continue`. The server and the fuzz targets use it as it is.

use bytes::BytesMut;
use thiserror::Error;

use super::body::RequestBody;
use super::decode::{DecodeError, check_begun};
use super::encoder::{Http1Encoder, Http1Options};
use super::framing::{
    BodyFraming, Expectation, FramingError, UnmetExpectation, expectation, keep_alive, request_framing,
};
use super::head::{HeadError, HeadLimits, HeadParser};
use crate::http::head::RequestHead;
use crate::http::version::Version;

#[cfg(test)]
mod tests;

/// The requests of one connection. Any split of the same bytes gives the same requests.
#[derive(Debug, Default)]
pub struct ServerConnection {
    /// What has come and is not taken yet: of a head, of a body, or of what follows.
    input: BytesMut,
    /// What has read a head in part.
    parser: Option<Box<HeadParser>>,
}

/// What the head of a request says of the connection, of its body, and of the framing of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFraming {
    /// The client's version.
    pub version: Version,
    /// Whether the response has no body because the method is HEAD.
    pub head_only: bool,
    /// Whether the client lets the connection persist after the response.
    pub keep_alive: bool,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub awaits_continue: bool,
}

/// Why a request whose head could be read is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// It cannot be said where the body ends.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// The client expects something that is not known.
    #[error(transparent)]
    Expectation(#[from] UnmetExpectation),
    /// What has come of the body is malformed.
    #[error(transparent)]
    Body(#[from] DecodeError),
}

impl RequestError {
    /// The status that answers it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Framing(error) => error.status(),
            Self::Expectation(error) => error.status(),
            Self::Body(error) => error.status(),
        }
    }
}

/// A request that is refused, and what is known of its framing all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedRequest {
    /// What its answer is framed by.
    pub framing: RequestFraming,
    /// Why it is refused.
    pub error: RequestError,
}

impl ServerConnection {
    /// What has come and is not taken yet: bytes that come are added at its end.
    #[inline]
    pub fn input_mut(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// The same, to look at.
    #[must_use]
    #[inline]
    pub fn input(&self) -> &BytesMut {
        &self.input
    }

    /// The next head in what has come; none until all of it is there. Most heads are there at once, and need no parser that
    /// is kept.
    ///
    /// # Errors
    /// See [`HeadError`]. The connection has no next request.
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

    /// What the head that was just taken says of the connection and the body.
    ///
    /// # Errors
    /// Why the request is refused before anything is done about it. The connection has no next request.
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

    /// What an answer is framed by whose head cannot be read, or does not come to its end: the connection ends with it.
    #[must_use]
    pub fn closing_framing(&self) -> RequestFraming {
        let head_only = self.parser.as_ref().is_some_and(|parser| parser.refused_head_request());
        RequestFraming { head_only, ..RequestFraming::CLOSING }
    }
}

impl RequestFraming {
    /// That of an answer to no request, after which the connection ends.
    pub const CLOSING: Self = Self {
        version: Version::Http11,
        head_only: false,
        keep_alive: false,
        body: BodyFraming::None,
        awaits_continue: false,
    };

    /// Takes the body, of at most `max_body` bytes, off the input of the connection.
    #[must_use]
    pub fn body(&self, max_body: u64) -> RequestBody {
        RequestBody::new(self.body, max_body, self.awaits_continue)
    }

    /// Makes the bytes of the response, in pieces of `buffer_size` bytes at most and chunked if that may be, in `output`,
    /// an empty buffer.
    #[must_use]
    pub fn encoder(&self, chunked: bool, buffer_size: usize, output: BytesMut) -> Http1Encoder {
        let Self { version, keep_alive, awaits_continue, .. } = *self;
        Http1Encoder::new(Http1Options { version, keep_alive, awaits_continue, chunked, buffer_size }, output)
    }
}
