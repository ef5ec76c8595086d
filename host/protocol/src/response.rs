//! One response, from the handler's calls to the bytes that are sent, without IO and without a clock.
//!
//! Owns the state of the response (building, sending, complete, truncated), the length that was declared, and what is
//! held back until it is worth a piece. Nothing here depends on the version of HTTP: an [`Encoder`] makes the bytes.

use bytes::BytesMut;
use thiserror::Error;

use crate::http::date::Date;
use crate::http::fields::{FieldError, Fields};
use crate::http::response_head::{BodyInfo, BodyLength, ResponseHead};

mod direct;
mod encoder;
mod host_response;
mod last_bytes;
mod shared;
#[cfg(test)]
mod tests;
mod upgrade;

pub use direct::DirectPieces;
pub use encoder::Encoder;

use last_bytes::LastBytes;

/// What the request and the route say about the response before a handler runs.
#[derive(Debug, Clone)]
pub struct ResponseOptions {
    /// Whether the request's method is HEAD.
    pub head_only: bool,
    /// The status unless the handler sets one.
    pub status: u16,
    /// Collect writes until they are worth a piece of at least this many bytes; 0 sends each as it comes.
    pub coalesce: usize,
    /// The most bytes in one piece.
    pub buffer_size: usize,
}

/// Why a call on the response is refused. The response is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// The response is complete or truncated.
    #[error("the response is complete")]
    Closed,
    /// Status and fields are fixed.
    #[error("the head is sent")]
    HeadSent,
    /// A status outside 200..=599, or more bytes than `content-length` declares.
    #[error("not possible in this response")]
    Invalid,
    /// A field that cannot be set.
    #[error(transparent)]
    Field(#[from] FieldError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseState {
    /// The head can be changed.
    Building,
    /// The head is encoded.
    Sending(Remaining),
    Complete,
    /// Ended without being complete: a client must not take it for a whole one.
    Truncated,
}

/// What is still to come of a body whose head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// The head is all there is: HEAD, 204, 205 and 304.
    Nothing,
    /// As many bytes: the head has said how long the body is.
    Bytes(u64),
    /// Any number of bytes, and an end.
    Unbounded,
}

/// What becomes of a connection once a response on it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterResponse {
    /// Another request can come.
    KeepAlive,
    /// It closes.
    Close,
    /// It is reset: nothing else tells the client that the response is truncated.
    Reset,
}

/// One response.
#[derive(Debug)]
pub struct Response {
    options: ResponseOptions,
    head: ResponseHead,
    state: ResponseState,
    /// Whether the host has the whole body, so that its length is declared.
    is_whole: bool,
    /// Written and held back until it is worth a piece.
    coalesced: BytesMut,
    encoder: Encoder,
    body_bytes: u64,
    sent_bytes: u64,
    head_sent: bool,
    last_bytes: LastBytes,
}

impl Response {
    /// A response to which nothing was done yet. `content_type` is a checked field value.
    #[must_use]
    pub fn new(options: ResponseOptions, content_type: &[u8], encoder: impl Into<Encoder>) -> Self {
        Self {
            head: ResponseHead::new(options.status, content_type),
            options,
            state: ResponseState::Building,
            is_whole: false,
            coalesced: BytesMut::new(),
            encoder: encoder.into(),
            body_bytes: 0,
            sent_bytes: 0,
            head_sent: false,
            last_bytes: LastBytes::default(),
        }
    }

    /// Sets the status.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`], [`ResponseError::Closed`], or [`ResponseError::Invalid`] outside 200..=599.
    pub fn set_status(&mut self, code: u16) -> Result<(), ResponseError> {
        self.check_building()?;
        if !(200..=599).contains(&code) {
            return Err(ResponseError::Invalid);
        }
        self.head.set_status(code);
        Ok(())
    }

    /// The fields, while they can be changed.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    #[inline]
    pub fn fields_mut(&mut self) -> Result<&mut Fields, ResponseError> {
        self.check_building()?;
        Ok(self.head.fields_mut())
    }

    /// The fields as they stand, but for those that the host adds for the framing and the connection, and `date`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let content_type = self.head.default_content_type().map(|content_type| ("content-type", content_type));
        content_type.into_iter().chain(self.head.fields().all())
    }

    /// The head as it stands.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Whether the head is not encoded yet: the host can still answer something else.
    #[must_use]
    #[inline]
    pub fn is_building(&self) -> bool {
        self.state == ResponseState::Building
    }

    /// Whether the response is at its end, complete or truncated.
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        matches!(self.state, ResponseState::Complete | ResponseState::Truncated)
    }

    /// Whether the response ended without being complete.
    #[must_use]
    #[inline]
    pub fn is_truncated(&self) -> bool {
        self.state == ResponseState::Truncated
    }

    /// What becomes of the connection once this response is sent.
    #[must_use]
    #[inline]
    pub fn connection(&self) -> AfterResponse {
        match self.state {
            ResponseState::Complete if self.encoder.keeps_alive() => AfterResponse::KeepAlive,
            ResponseState::Truncated if self.encoder.needs_reset() => AfterResponse::Reset,
            ResponseState::Building
            | ResponseState::Sending(_)
            | ResponseState::Complete
            | ResponseState::Truncated => AfterResponse::Close,
        }
    }

    /// Ends the connection after this response; before the head it also says so there.
    #[inline]
    pub fn forbid_keep_alive(&mut self) {
        self.encoder.forbid_keep_alive();
    }

    /// The same if the head can still say so: what it has said stands.
    #[inline]
    pub fn forbid_keep_alive_in_head(&mut self) {
        if self.is_building() {
            self.forbid_keep_alive();
        }
    }

    /// The body that a `100 Continue` was expected for has begun to arrive.
    pub fn body_has_come(&mut self) {
        if self.is_building() {
            self.encoder.body_comes();
        }
    }

    /// Sends `100 Continue`, unless the head is encoded.
    pub fn interim_continue(&mut self) {
        if self.is_building() {
            self.encoder.interim_continue();
        }
    }

    /// The encoded bytes that wait to be sent.
    #[must_use]
    #[inline]
    pub fn output(&self) -> &[u8] {
        self.encoder.output()
    }

    /// Forgets the first `sent` bytes of [`Self::output`].
    #[inline]
    pub fn advance(&mut self, sent: usize) {
        self.encoder.advance(sent);
        self.sent_bytes += sent as u64;
    }

    /// Whether another piece can be written: the output is below its bound, which it passes by one piece at most.
    #[must_use]
    #[inline]
    pub fn has_room(&self) -> bool {
        self.encoder.has_room()
    }

    /// The most bytes of the body to give to one [`Self::write`].
    #[must_use]
    #[inline]
    pub fn max_piece(&self) -> usize {
        self.options.buffer_size
    }

    /// Takes the output buffer, empty, for another response.
    #[must_use]
    pub fn take_buffer(&mut self) -> BytesMut {
        let mut buffer = self.encoder.take_buffer();
        buffer.clear();
        buffer
    }

    /// The bytes of the body that were accepted, without their framing.
    #[must_use]
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The bytes that were sent, framing included.
    #[must_use]
    #[inline]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// The bytes of the body that were sent, without their framing. If the response was truncated amid a piece, the
    /// framing that was not sent counts as if it were of the body.
    #[must_use]
    #[inline]
    pub fn sent_body_bytes(&self) -> u64 {
        self.body_bytes.saturating_sub((self.coalesced.len() + self.output().len()) as u64)
    }

    /// The status of the head, once that is encoded.
    #[must_use]
    #[inline]
    pub fn encoded_status(&self) -> Option<u16> {
        self.head_sent.then_some(self.head.status())
    }

    /// Writes one piece of the body, at most [`Self::max_piece`] bytes; an empty one completes the response.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end, [`ResponseError::Invalid`] past the declared length.
    pub fn write(&mut self, piece: &[u8], date: Date) -> Result<(), ResponseError> {
        if piece.is_empty() {
            return self.finish(date);
        }
        if !self.fits_content_length(piece.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        match &mut self.state {
            ResponseState::Sending(Remaining::Nothing) => {
                self.state = ResponseState::Complete;
                return Ok(());
            }
            ResponseState::Sending(Remaining::Bytes(left)) => *left -= piece.len() as u64,
            ResponseState::Sending(Remaining::Unbounded) => {}
            ResponseState::Building | ResponseState::Complete | ResponseState::Truncated => {
                return Err(ResponseError::Closed);
            }
        }
        self.body_bytes += piece.len() as u64;
        self.last_bytes.follow(piece);
        if self.options.coalesce == 0 {
            self.encoder.encode(piece);
            return Ok(());
        }
        if self.coalesced.len() + piece.len() > self.options.buffer_size {
            self.flush_coalesced();
        }
        self.coalesced.extend_from_slice(piece);
        if self.coalesced.len() >= self.options.coalesce {
            self.flush_coalesced();
        }
        Ok(())
    }

    /// Whether as many more bytes are within the length that the handler declared, if it did.
    #[must_use]
    #[inline]
    pub fn fits_content_length(&self, length: u64) -> bool {
        match self.state {
            ResponseState::Building => match self.body_info(None) {
                BodyInfo { is_sent: true, length: BodyLength::Declared(declared) } => length <= declared,
                BodyInfo { .. } => true,
            },
            ResponseState::Sending(Remaining::Bytes(left)) => length <= left,
            ResponseState::Sending(Remaining::Nothing | Remaining::Unbounded)
            | ResponseState::Complete
            | ResponseState::Truncated => true,
        }
    }

    /// Whether the handler declared a length that a body of `length` bytes contradicts.
    #[must_use]
    pub fn contradicts(&self, length: u64) -> bool {
        match self.body_info(None) {
            BodyInfo { is_sent: true, length: BodyLength::Declared(declared) } => {
                self.is_building() && declared != length
            }
            BodyInfo { .. } => false,
        }
    }

    /// Encodes the head. `length` is that of the whole body if it is known; with [`Self::write`] the pieces follow, with
    /// [`Self::finish`] the end. A second call does nothing.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end.
    #[inline]
    pub fn begin(&mut self, length: Option<u64>, date: Date) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::Building => self.encode_head(length, date),
            ResponseState::Sending(_) => {}
            ResponseState::Complete | ResponseState::Truncated => return Err(ResponseError::Closed),
        }
        Ok(())
    }

    fn encode_head(&mut self, length: Option<u64>, date: Date) {
        let body = self.body_info(length);
        let length = self.encoder.begin(&self.head, body, date);
        self.head_sent = true;
        self.state = ResponseState::Sending(match (body.is_sent, length) {
            (false, _) => Remaining::Nothing,
            (true, Some(length)) => Remaining::Bytes(length),
            (true, None) => Remaining::Unbounded,
        });
    }

    fn body_info(&self, length: Option<u64>) -> BodyInfo {
        let info = self.head.body_info(self.options.head_only, length);
        match info.length {
            BodyLength::Known(length) if self.is_whole => BodyInfo { length: BodyLength::Declared(length), ..info },
            BodyLength::None | BodyLength::Declared(_) | BodyLength::Known(_) | BodyLength::Unknown => info,
        }
    }

    /// Ends the response properly. With fewer bytes than declared it is truncated instead.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end.
    pub fn finish(&mut self, date: Date) -> Result<(), ResponseError> {
        self.begin(Some(0), date)?;
        self.flush_coalesced();
        self.state = match self.state {
            ResponseState::Sending(Remaining::Bytes(1..)) => ResponseState::Truncated,
            ResponseState::Sending(remaining) => {
                if remaining != Remaining::Nothing {
                    self.encoder.finish();
                }
                ResponseState::Complete
            }
            over @ (ResponseState::Building | ResponseState::Complete | ResponseState::Truncated) => over,
        };
        Ok(())
    }

    /// Ends the response without completing it. What was encoded can still be sent; what is held back is not.
    pub fn truncate(&mut self) {
        if !self.is_over() {
            self.coalesced.clear();
            self.state = ResponseState::Truncated;
        }
    }

    /// Encodes what is held back, so that everything that was written reaches the client of a parked response.
    pub fn flush_coalesced(&mut self) {
        if !self.coalesced.is_empty() {
            self.encoder.encode(&self.coalesced);
            self.coalesced.clear();
        }
    }

    #[inline]
    fn check_building(&self) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::Building => Ok(()),
            ResponseState::Sending(_) => Err(ResponseError::HeadSent),
            ResponseState::Complete | ResponseState::Truncated => Err(ResponseError::Closed),
        }
    }
}
