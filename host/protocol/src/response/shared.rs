//! A response that its handler left open: the chunks it shares with others, and its content type.

use bytes::{Bytes, BytesMut};

use super::{Response, ResponseError, ResponseOptions, ResponseState};
use crate::http::date::Date;
use crate::http::fields::Fields;
use crate::http::version::Version;
use crate::http1::chunk::Chunk;
use crate::http1::encode::Framing;

impl Response {
    /// A response that is over, to leave in the place of one that is taken.
    #[must_use]
    pub fn over() -> Self {
        let options = ResponseOptions {
            version: Version::Http11,
            head_only: false,
            keep_alive: false,
            chunked: false,
            status: 200,
            coalesce: 0,
            buffer_size: 1,
        };
        let mut response = Self::new(options, b"", BytesMut::new());
        response.state = ResponseState::Complete;
        response
    }

    /// Gives back the memory that only a handler needs: it is done with the response, and what it wrote was sent.
    pub fn compact(&mut self) {
        debug_assert!(self.output.is_empty() && self.held.is_empty(), "what a handler wrote goes out first");
        (self.output, self.held) = Default::default();
        if !self.is_building() {
            self.fields = Fields::default();
        }
    }

    /// Whether it holds memory for its output.
    #[inline]
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.output.capacity() > 0
    }

    /// Writes a chunk that other responses share: the bytes to send behind [`Self::output`], which are none where the
    /// response has no body. It is never cut or held back. A response without a body, and one whose declared length is
    /// reached, is complete.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_shared(&mut self, chunk: &Chunk, date: fn() -> Date) -> Result<Bytes, ResponseError> {
        let length = chunk.len() as u64;
        if !self.admits(length) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        debug_assert!(self.held.is_empty(), "what a handler wrote goes out before the response is left open");
        let bytes = match self.state {
            ResponseState::Sending(Framing::NoBody) => {
                self.state = ResponseState::Complete;
                return Ok(Bytes::new());
            }
            ResponseState::Sending(Framing::Chunked) => chunk.coded(),
            ResponseState::Sending(Framing::CloseDelimited) => chunk.piece(),
            ResponseState::Sending(Framing::Length(left)) => {
                let left = left - length;
                self.state =
                    if left == 0 { ResponseState::Complete } else { ResponseState::Sending(Framing::Length(left)) };
                chunk.piece()
            }
            ResponseState::Building | ResponseState::Complete | ResponseState::Cut { .. } => {
                return Err(ResponseError::Closed);
            }
        };
        self.body_bytes += length;
        self.last_bytes.follow(&chunk.piece());
        Ok(bytes)
    }

    /// Whether the body is, as an event stream, between two events: a comment that is sent then is part of none.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        self.last_bytes.are_between_events()
    }

    /// The content type as the head says it, or will.
    #[must_use]
    pub fn content_type(&self) -> &[u8] {
        self.fields.get("content-type").unwrap_or(&self.content_type)
    }
}
