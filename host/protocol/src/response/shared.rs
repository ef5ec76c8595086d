//! A parked response: the chunks that it shares with others, and the memory that it no longer needs.

use bytes::Bytes;

use super::{Encoder, Remaining, Response, ResponseError, ResponseOptions, ResponseState};
use crate::http::date::Date;
use crate::http1::chunk::Chunk;

impl Response {
    /// Takes the response, and leaves one in its place that is over.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let options = ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size: 1 };
        let mut over = Self::new(options, b"", Encoder::none());
        over.state = ResponseState::Complete;
        std::mem::replace(self, over)
    }

    /// Gives back the memory that only a handler needs: it is done with the response, and what it wrote was sent.
    pub fn compact(&mut self) {
        debug_assert!(self.output().is_empty() && self.coalesced.is_empty(), "what a handler wrote goes out first");
        drop((self.encoder.take_buffer(), std::mem::take(&mut self.coalesced)));
        if !self.is_building() {
            *self.head.fields_mut() = Default::default();
        }
    }

    /// Whether it holds memory for its output.
    #[must_use]
    #[inline]
    pub fn has_buffer(&self) -> bool {
        self.encoder.has_buffer()
    }

    /// Writes a chunk that other responses share: the bytes to send behind [`Self::output`], which are none if the
    /// response has no body. It is never split or held back. A response without a body, and one whose declared length is
    /// reached, is complete.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_shared(&mut self, chunk: &Chunk, date: Date) -> Result<Bytes, ResponseError> {
        let length = chunk.len() as u64;
        if !self.fits_content_length(length) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        debug_assert!(self.coalesced.is_empty(), "what a handler wrote is sent before its response is parked");
        match self.state {
            ResponseState::Sending(Remaining::Nothing) => {
                self.state = ResponseState::Complete;
                return Ok(Bytes::new());
            }
            ResponseState::Sending(Remaining::Bytes(left)) if left == length => self.state = ResponseState::Complete,
            ResponseState::Sending(Remaining::Bytes(left)) => {
                self.state = ResponseState::Sending(Remaining::Bytes(left - length));
            }
            ResponseState::Sending(Remaining::Unbounded) => {}
            ResponseState::Building | ResponseState::Complete | ResponseState::Truncated => {
                return Err(ResponseError::Closed);
            }
        }
        self.body_bytes += length;
        self.last_bytes.follow(&chunk.piece());
        Ok(self.encoder.shared(chunk))
    }

    /// Counts bytes of shared chunks, which were sent behind [`Self::output`].
    #[inline]
    pub fn sent_shared(&mut self, sent: usize) {
        self.sent_bytes += sent as u64;
    }

    /// Whether the body is, as an event stream, between two events: a comment that is sent then is part of none.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        self.last_bytes.are_between_events()
    }
}
