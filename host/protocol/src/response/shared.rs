//! Parked responses: writing chunks that several responses share, and freeing memory that is no longer needed.

use bytes::Bytes;

use super::{Encoder, Remaining, Response, ResponseError, ResponseOptions, ResponseState};
use crate::http::date::Date;
use crate::http1::chunk::Chunk;

impl Response {
    /// Takes the response, and leaves in its place one that is over.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let options = ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size: 1 };
        let mut over = Self::new(options, b"", Encoder::none());
        over.state = ResponseState::Complete;
        std::mem::replace(self, over)
    }

    /// Frees the memory that only a running handler needs. The handler has ended, and all that it wrote is sent.
    pub fn compact(&mut self) {
        debug_assert!(self.output().is_empty() && self.coalesced.is_empty(), "what a handler wrote goes out first");
        drop((self.encoder.take_buffer(), std::mem::take(&mut self.coalesced)));
        if !self.is_building() {
            *self.head.fields_mut() = Default::default();
        }
    }

    /// Whether the response holds memory for its output.
    #[must_use]
    #[inline]
    pub fn has_buffer(&self) -> bool {
        self.encoder.has_buffer()
    }

    /// Writes a chunk that several responses share. Returns the bytes to send after [`Self::output`]. There are none if
    /// the response has no body. The chunk is neither split nor collected. The response is then complete if it has no
    /// body or has reached its declared length.
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
            ResponseState::Sending(Remaining::Bytes(left)) if left == length => {
                self.encoder.finish();
                self.state = ResponseState::Complete;
            }
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

    /// Counts bytes of shared chunks that were sent after [`Self::output`].
    #[inline]
    pub fn sent_shared(&mut self, sent: usize) {
        self.sent_bytes += sent as u64;
    }

    /// Whether the body, read as an event stream, is between two events. A comment can then be sent without breaking an
    /// event.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        self.last_bytes.are_between_events()
    }
}
