//! One response, from the handler's calls to the bytes of RFC 9112, without IO and without a clock.
//!
//! Owns the response's state (building, sending, complete, cut), the choice of its framing and the bytes that wait
//! to be sent. It is the one place that frames a response and decides whether the connection can persist after it.
//! It must not know who calls it (a guest, or the host for its own answers) nor how the bytes leave.

use bytes::{Buf, BytesMut};
use smallvec::SmallVec;
use thiserror::Error;

use crate::http::date::Date;
use crate::http::fields::{FieldError, Fields};
use crate::http::version::Version;
use crate::http1::encode::{self, Framing};

mod counters;
mod direct;
mod framing;
mod host_response;
mod remainder;
mod shared;
#[cfg(test)]
mod tests;
mod upgrade;

use remainder::LastBytes;

/// What the request and the route say about the response before a handler runs.
#[derive(Debug, Clone)]
pub struct ResponseOptions {
    /// The client's version.
    pub version: Version,
    /// Whether the request's method is HEAD.
    pub head_only: bool,
    /// Whether the client allows the connection to persist.
    pub keep_alive: bool,
    /// Use the chunked coding (never to HTTP/1.0).
    pub chunked: bool,
    /// The status unless the handler sets one.
    pub status: u16,
    /// Collect writes until they are worth a chunk of at least this many bytes; 0 sends each as it comes.
    pub coalesce: usize,
    /// The most bytes in one chunk.
    pub buffer_size: usize,
}

/// Why a call on the response is refused. The response is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// The response is complete or cut.
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
    Building,
    Sending(Framing),
    Complete,
    /// Ended without being complete: the connection cannot be used again and must look cut.
    Cut {
        close_delimited: bool,
    },
}

/// One response.
#[derive(Debug)]
pub struct Response {
    options: ResponseOptions,
    content_type: SmallVec<[u8; 36]>,
    status: u16,
    fields: Fields,
    state: ResponseState,
    keep_alive: bool,
    /// Written and held back until it is worth a chunk.
    held: BytesMut,
    /// Encoded and not yet sent.
    output: BytesMut,
    body_bytes: u64,
    sent_bytes: u64,
    has_head: bool,
    last_bytes: LastBytes,
}

impl Response {
    /// A response to which nothing was done yet. `content_type` is a checked field value.
    #[must_use]
    pub fn new(options: ResponseOptions, content_type: &[u8], output: BytesMut) -> Self {
        Self {
            status: options.status,
            keep_alive: options.keep_alive,
            options,
            content_type: content_type.into(),
            fields: Fields::default(),
            state: ResponseState::Building,
            held: BytesMut::new(),
            output,
            body_bytes: 0,
            sent_bytes: 0,
            has_head: false,
            last_bytes: LastBytes::default(),
        }
    }

    /// Sets the status.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`], [`ResponseError::Closed`], or [`ResponseError::Invalid`] outside 200..=599.
    #[inline]
    pub fn set_status(&mut self, code: u16) -> Result<(), ResponseError> {
        self.check_building()?;
        if !(200..=599).contains(&code) {
            return Err(ResponseError::Invalid);
        }
        self.status = code;
        Ok(())
    }

    /// The fields, while they can be changed.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    #[inline]
    pub fn fields(&mut self) -> Result<&mut Fields, ResponseError> {
        self.check_building()?;
        Ok(&mut self.fields)
    }

    /// The status as it stands.
    #[inline]
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the head is not decided yet: the host can still answer something else.
    #[inline]
    #[must_use]
    pub fn is_building(&self) -> bool {
        self.state == ResponseState::Building
    }

    /// Whether the response is at its end, complete or cut.
    #[inline]
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, ResponseState::Complete | ResponseState::Cut { .. })
    }

    /// Whether the response ended without being complete.
    #[inline]
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.state, ResponseState::Cut { .. })
    }

    /// Whether a client could take the cut response for a whole one: only a reset tells it then.
    #[inline]
    #[must_use]
    pub fn needs_reset(&self) -> bool {
        self.state == ResponseState::Cut { close_delimited: true }
    }

    /// Whether the connection can carry another request once this response is sent.
    #[inline]
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.state == ResponseState::Complete && self.keep_alive
    }

    /// Ends the connection after this response; before the head it also says so there.
    #[inline]
    pub fn forbid_keep_alive(&mut self) {
        self.keep_alive = false;
        self.options.keep_alive = false;
    }

    /// The same where the head can still say so: what it has said stands.
    #[inline]
    pub fn forbid_keep_alive_in_head(&mut self) {
        if self.is_building() {
            self.forbid_keep_alive();
        }
    }

    /// The encoded bytes that wait to be sent.
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Forgets the first `sent` bytes of [`Self::output`].
    #[inline]
    pub fn advance(&mut self, sent: usize) {
        self.output.advance(sent);
        self.sent_bytes += sent as u64;
    }

    /// Whether another piece can be written: the output is below its bound, which it passes by one piece at most.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.output.len() < self.high_water()
    }

    /// The most bytes of the body to give to one [`Self::write`].
    #[inline]
    #[must_use]
    pub fn max_piece(&self) -> usize {
        self.options.buffer_size
    }

    /// Takes the output buffer, empty, for another response.
    #[inline]
    #[must_use]
    pub fn take_buffer(&mut self) -> BytesMut {
        self.output.clear();
        std::mem::take(&mut self.output)
    }

    /// The client waits for a `100 Continue` before it sends the body. Until it gets one, or sends the body all the
    /// same, a final response leaves open whether the body follows, so the connection ends with it (RFC 9110 section
    /// 10.1.1).
    pub fn expect_continue(&mut self) {
        self.keep_alive = false;
    }

    /// The body that a `100 Continue` was expected for has begun to arrive.
    #[inline]
    pub fn body_has_come(&mut self) {
        if self.is_building() {
            self.keep_alive = self.options.keep_alive;
        }
    }

    /// Sends `100 Continue`, unless the head is decided.
    pub fn interim_continue(&mut self) {
        if self.is_building() {
            self.keep_alive = self.options.keep_alive;
            self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Writes one piece of the body, at most [`Self::max_piece`] bytes; an empty one completes the response.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end, [`ResponseError::Invalid`] past the declared length.
    pub fn write(&mut self, piece: &[u8], date: fn() -> Date) -> Result<(), ResponseError> {
        if piece.is_empty() {
            return self.finish(date);
        }
        if !self.admits(piece.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        match &mut self.state {
            ResponseState::Sending(Framing::NoBody) => {
                self.state = ResponseState::Complete;
                return Ok(());
            }
            ResponseState::Sending(Framing::Length(left)) => {
                *left -= piece.len() as u64;
            }
            ResponseState::Sending(Framing::Chunked | Framing::CloseDelimited) => {}
            ResponseState::Building | ResponseState::Complete | ResponseState::Cut { .. } => {
                return Err(ResponseError::Closed);
            }
        }
        self.body_bytes += piece.len() as u64;
        self.last_bytes.follow(piece);
        if self.options.coalesce == 0 {
            self.encode(piece);
            return Ok(());
        }
        if self.held.len() + piece.len() > self.options.buffer_size {
            self.flush_held();
        }
        self.held.extend_from_slice(piece);
        if self.held.len() >= self.options.coalesce {
            self.flush_held();
        }
        Ok(())
    }

    /// Whether as many more bytes are within the length that the handler declared, if it did.
    #[inline]
    #[must_use]
    pub fn admits(&self, length: u64) -> bool {
        let framing = match self.state {
            ResponseState::Building => self.framing(None),
            ResponseState::Sending(framing) => framing,
            ResponseState::Complete | ResponseState::Cut { .. } => return true,
        };
        match framing {
            Framing::Length(left) => length <= left,
            Framing::Chunked | Framing::CloseDelimited | Framing::NoBody => true,
        }
    }

    /// Decides the head. `body` is the length of the whole body where it is known; with [`Self::write`] the pieces
    /// follow, with [`Self::finish`] the end. A second call does nothing.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end.
    pub fn begin(&mut self, body: Option<u64>, date: fn() -> Date) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::Building => {}
            ResponseState::Sending(_) => return Ok(()),
            ResponseState::Complete | ResponseState::Cut { .. } => return Err(ResponseError::Closed),
        }
        let framing = self.framing(body);
        if framing == Framing::CloseDelimited {
            self.keep_alive = false;
        }
        self.encode_head(framing, body, date);
        self.has_head = true;
        self.state = ResponseState::Sending(framing);
        Ok(())
    }

    /// Ends the response properly: the last chunk, or what else its framing needs. With fewer bytes than declared it
    /// is cut instead.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end.
    pub fn finish(&mut self, date: fn() -> Date) -> Result<(), ResponseError> {
        self.begin(Some(0), date)?;
        self.flush_held();
        self.state = match self.state {
            ResponseState::Sending(Framing::Length(left)) if left > 0 => ResponseState::Cut { close_delimited: false },
            ResponseState::Sending(Framing::Chunked) => {
                self.output.extend_from_slice(encode::LAST_CHUNK);
                ResponseState::Complete
            }
            ResponseState::Sending(Framing::Length(_) | Framing::CloseDelimited | Framing::NoBody)
            | ResponseState::Building
            | ResponseState::Complete => ResponseState::Complete,
            cut @ ResponseState::Cut { .. } => cut,
        };
        if self.is_cut() {
            self.keep_alive = false;
        }
        Ok(())
    }

    /// Ends the response without completing it. What was encoded can still be sent; what is held back is not.
    pub fn cut(&mut self) {
        if self.is_over() {
            return;
        }
        let close_delimited = self.state == ResponseState::Sending(Framing::CloseDelimited);
        self.held.clear();
        self.keep_alive = false;
        self.state = ResponseState::Cut { close_delimited };
    }

    /// Encodes what is held back, so that a response left open shows all that was written.
    pub fn flush_held(&mut self) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.encode(&held);
            self.held = held;
            self.held.clear();
        }
    }

    /// Whether the handler declared a length that a body of `length` bytes contradicts.
    #[must_use]
    pub fn contradicts(&self, length: u64) -> bool {
        let declared = self.fields.content_length();
        let has_body = self.framing(None) != Framing::NoBody;
        self.is_building() && has_body && declared.is_some_and(|declared| declared != length)
    }

    #[inline]
    fn check_building(&self) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::Building => Ok(()),
            ResponseState::Sending(_) => Err(ResponseError::HeadSent),
            ResponseState::Complete | ResponseState::Cut { .. } => Err(ResponseError::Closed),
        }
    }
}
