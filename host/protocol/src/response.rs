//! One response, from the handler's calls to the bytes to send. It does no IO and reads no clock.
//!
//! Owns the state of the response (building, sending, complete, truncated), the declared length, and the small writes
//! that are collected into one piece. Nothing here depends on the version of HTTP: an [`Encoder`] makes the bytes.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::http::date::Date;
use crate::http::fields::{FieldError, Fields};
use crate::http::response_head::{BodyInfo, BodyLength, CloseCause, ResponseHead};
use crate::http2::encoder::Http2Encoder;

mod direct;
mod encoder;
mod host_response;
mod last_bytes;
mod range;
mod shared;
#[cfg(test)]
mod tests;
mod upgrade;

pub use direct::DirectPieces;
pub use encoder::Encoder;
pub use range::SelectedRange;

use last_bytes::LastBytes;

/// What the request and the route fix about the response before a handler runs.
#[derive(Debug, Clone)]
pub struct ResponseOptions {
    /// Whether the request's method is HEAD.
    pub head_only: bool,
    /// The status, if the handler sets none.
    pub status: u16,
    /// Small writes are collected until they make a piece of at least this many bytes. If it is 0, each write makes its
    /// own piece.
    pub coalesce: usize,
    /// The most bytes in one piece.
    pub buffer_size: usize,
}

/// Why a call on the response is refused. The call has not changed the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// The response is complete or truncated.
    #[error("the response is complete")]
    Closed,
    /// The head is encoded, so that status and fields cannot change any more.
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
    /// The head can still change.
    Building,
    /// The head is encoded.
    Sending(Remaining),
    Complete,
    /// The response has ended before it was complete. A client must not take it for a complete one.
    Truncated,
}

/// How much of the body may still follow, once the head is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// No body follows the head: HEAD, 204, 205 and 304.
    Nothing,
    /// Exactly this many bytes follow, because the head has declared the length of the body.
    Bytes(u64),
    /// Any number of bytes follows, and then an end.
    Unbounded,
}

/// What happens to a connection after its response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterResponse {
    /// It can carry another request.
    KeepAlive,
    /// It closes, for this cause.
    Close(CloseCause),
    /// It is reset. Only a reset tells the client that the response is truncated.
    Reset,
}

/// One response.
#[derive(Debug)]
pub struct Response {
    options: ResponseOptions,
    head: ResponseHead,
    state: ResponseState,
    /// Whether the host has the whole body. Its length is then always declared.
    is_whole: bool,
    /// Small writes that are collected and not yet encoded.
    coalesced: BytesMut,
    encoder: Encoder,
    body_bytes: u64,
    sent_bytes: u64,
    head_sent: bool,
    last_bytes: LastBytes,
}

impl Response {
    /// A new response. `content_type` has to be a valid field value.
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

    /// The fields, to change them.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    #[inline]
    pub fn fields_mut(&mut self) -> Result<&mut Fields, ResponseError> {
        self.check_building()?;
        Ok(self.head.fields_mut())
    }

    /// Sends no content type unless the fields have one.
    pub fn no_default_content_type(&mut self) {
        self.head.set_content_type(b"");
    }

    /// Whether a body follows the head: not after HEAD, and not with 204, 205 and 304.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body_info(None).is_sent
    }

    /// The fields so far, with the default `content-type`. `date` and the fields that the encoder adds for the framing
    /// and the connection are not among them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let content_type = self.head.default_content_type().map(|content_type| ("content-type", content_type));
        content_type.into_iter().chain(self.head.fields().all())
    }

    /// The head so far.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Whether the head is not encoded yet, so that the host can still send another response instead.
    #[must_use]
    #[inline]
    pub fn is_building(&self) -> bool {
        self.state == ResponseState::Building
    }

    /// Whether the response has ended, complete or truncated.
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        matches!(self.state, ResponseState::Complete | ResponseState::Truncated)
    }

    /// Whether the response has ended before it was complete.
    #[must_use]
    #[inline]
    pub fn is_truncated(&self) -> bool {
        self.state == ResponseState::Truncated
    }

    /// What happens to the connection after this response is sent.
    #[must_use]
    #[inline]
    pub fn connection(&self) -> AfterResponse {
        match self.state {
            ResponseState::Complete if self.encoder.keeps_alive() => AfterResponse::KeepAlive,
            ResponseState::Truncated if self.encoder.needs_reset() => AfterResponse::Reset,
            ResponseState::Building
            | ResponseState::Sending(_)
            | ResponseState::Complete
            | ResponseState::Truncated => AfterResponse::Close(self.encoder.close_cause()),
        }
    }

    /// Makes the connection close after this response. If the head is not encoded yet, the head will also say so.
    #[inline]
    pub fn forbid_keep_alive(&mut self) {
        self.encoder.forbid_keep_alive();
    }

    /// As [`Self::forbid_keep_alive`], but only if the head is not encoded yet. Does nothing otherwise.
    #[inline]
    pub fn forbid_keep_alive_in_head(&mut self) {
        if self.is_building() {
            self.forbid_keep_alive();
        }
    }

    /// Records that the client has begun to send the body without waiting for `100 Continue`.
    pub fn body_has_come(&mut self) {
        if self.is_building() {
            self.encoder.body_comes();
        }
    }

    /// Encodes `100 Continue`, unless the head is already encoded.
    pub fn interim_continue(&mut self) {
        if self.is_building() {
            self.encoder.interim_continue();
        }
    }

    /// The encoder of a response on a stream of HTTP/2, for the code that sends its frames. `None` for HTTP/1.
    #[inline]
    pub fn http2(&mut self) -> Option<&mut Http2Encoder> {
        match &mut self.encoder {
            Encoder::Http1(_) => None,
            Encoder::Http2(encoder) => Some(encoder),
        }
    }

    /// Takes the next `most` bytes of the payload of a response on a stream of HTTP/2, which are sent then. The second value
    /// says whether the response ends with them, if `shared` bytes of shared chunks wait behind the output. `None` for HTTP/1.
    pub fn take_payload(&mut self, most: usize, shared: usize) -> Option<(Bytes, bool)> {
        let (payload, ends) = self.http2()?.take_payload(most, shared);
        self.sent_bytes += payload.len() as u64;
        Some((payload, ends))
    }

    /// The encoded bytes that are not sent yet.
    #[must_use]
    #[inline]
    pub fn output(&self) -> &[u8] {
        self.encoder.output()
    }

    /// Removes the first `sent` bytes of [`Self::output`], which were sent.
    #[inline]
    pub fn advance(&mut self, sent: usize) {
        self.encoder.advance(sent);
        self.sent_bytes += sent as u64;
    }

    /// Whether another piece can be written: the output is below its bound. One piece may then exceed the bound.
    #[must_use]
    #[inline]
    pub fn has_room(&self) -> bool {
        self.encoder.has_room()
    }

    /// The most bytes of the body in one [`Self::write`].
    #[must_use]
    #[inline]
    pub fn max_piece(&self) -> usize {
        self.options.buffer_size
    }

    /// Takes the output buffer and clears it, for use by another response.
    #[must_use]
    pub fn take_buffer(&mut self) -> BytesMut {
        let mut buffer = self.encoder.take_buffer();
        buffer.clear();
        buffer
    }

    /// The number of bytes of the body that were accepted, without framing.
    #[must_use]
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The number of bytes that were sent, with the framing of HTTP/1; of HTTP/2 the payload of DATA frames.
    #[must_use]
    #[inline]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// The number of bytes of the body that were sent, without framing. It is an estimate if a piece was sent in part:
    /// unsent framing is then subtracted as if it belonged to the body.
    #[must_use]
    #[inline]
    pub fn sent_body_bytes(&self) -> u64 {
        self.body_bytes.saturating_sub((self.coalesced.len() + self.output().len()) as u64)
    }

    /// The status in the head, once the head is encoded.
    #[must_use]
    #[inline]
    pub fn encoded_status(&self) -> Option<u16> {
        self.head_sent.then_some(self.head.status())
    }

    /// Writes one piece of the body, of at most [`Self::max_piece`] bytes. An empty piece completes the response.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] if the response is over, and [`ResponseError::Invalid`] if the body would be longer
    /// than declared.
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

    /// Whether `length` more bytes fit the length that the handler has declared. They always fit if it has declared
    /// none.
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

    /// Whether the handler has declared another length than `length` for the body.
    #[must_use]
    pub fn contradicts(&self, length: u64) -> bool {
        match self.body_info(None) {
            BodyInfo { is_sent: true, length: BodyLength::Declared(declared) } => {
                self.is_building() && declared != length
            }
            BodyInfo { .. } => false,
        }
    }

    /// Encodes the head. `length` is the length of the whole body, if it is known. Then [`Self::write`] adds pieces of
    /// the body, and [`Self::finish`] ends it. A second call does nothing.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] if the response is over.
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

    /// Completes the response. If the body is shorter than declared, the response is truncated instead.
    ///
    /// # Errors
    /// [`ResponseError::Closed`] if the response is over.
    pub fn finish(&mut self, date: Date) -> Result<(), ResponseError> {
        self.finish_by(Encoder::finish, date)
    }

    /// Ends the response as [`Self::finish`] does. Sends the trailers if the framing is chunked, and drops them otherwise.
    /// Fields that [are not allowed](crate::http::trailers::is_allowed_in_trailers) in trailers are always dropped.
    ///
    /// The caller has to know that the client accepts trailers. They may exceed the bound of [`Self::output`].
    ///
    /// # Errors
    /// [`ResponseError::Closed`] at the end.
    pub fn finish_with_trailers(&mut self, trailers: &Fields, date: Date) -> Result<(), ResponseError> {
        if self.is_building() && trailers.all().next().is_some() && self.encoder.can_send_trailers() {
            // An empty body would have a length, which leaves no place for trailers.
            self.begin(None, date)?;
        }
        self.finish_by(|encoder| encoder.finish_with_trailers(trailers), date)
    }

    #[inline]
    fn finish_by(&mut self, encode_end: impl FnOnce(&mut Encoder), date: Date) -> Result<(), ResponseError> {
        self.begin(Some(0), date)?;
        self.flush_coalesced();
        self.state = match self.state {
            ResponseState::Sending(Remaining::Bytes(1..)) => ResponseState::Truncated,
            ResponseState::Sending(remaining) => {
                if remaining != Remaining::Nothing {
                    encode_end(&mut self.encoder);
                }
                ResponseState::Complete
            }
            over @ (ResponseState::Building | ResponseState::Complete | ResponseState::Truncated) => over,
        };
        Ok(())
    }

    /// Ends the response before it is complete. Bytes that are encoded can still be sent. Collected writes are dropped.
    pub fn truncate(&mut self) {
        if !self.is_over() {
            self.coalesced.clear();
            self.state = ResponseState::Truncated;
        }
    }

    /// Encodes the collected writes, so that the output has everything that was written.
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
