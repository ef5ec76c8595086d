//! The body of one request on its connection: its pieces, the `100 Continue` that the client may wait for, and whether
//! the connection can be kept if the handler does not read the body.

use bytes::BytesMut;

use super::decode::{BodyDecoder, DecodeError, Decoded};
use super::framing::BodyFraming;
use crate::http::fields::Fields;

/// The most bytes of an unread body that are read and dropped to keep a connection.
pub const MAX_DRAIN: u64 = 256 * 1024;

/// The body of a request.
#[derive(Debug)]
pub struct RequestBody {
    decoder: BodyDecoder,
    awaits_continue: bool,
    /// Whether decoding has ended: the body is complete, or its rest cannot be read.
    is_over: bool,
}

impl RequestBody {
    pub(super) fn new(framing: BodyFraming, max_body: u64, awaits_continue: bool) -> Self {
        let decoder = BodyDecoder::new(framing, max_body);
        let is_over = decoder.is_done();
        Self { decoder, awaits_continue, is_over }
    }

    /// Takes the next piece from the start of `input`, as [`BodyDecoder::decode`] does.
    ///
    /// # Errors
    /// As [`BodyDecoder::decode`].
    #[inline]
    pub fn decode(&mut self, input: &mut BytesMut, max: usize) -> Result<Decoded, DecodeError> {
        self.decoder.decode(input, max)
    }

    /// Takes the trailers, as [`BodyDecoder::take_trailers`].
    #[must_use]
    #[inline]
    pub fn take_trailers(&mut self) -> Option<Box<Fields>> {
        self.decoder.take_trailers()
    }

    /// Whether the client waits for `100 Continue`. If so, the caller has to send it now, unless a part of the body has
    /// already arrived (RFC 9110 section 10.1.1). Later calls return false.
    #[inline]
    pub fn take_awaits_continue(&mut self) -> bool {
        std::mem::take(&mut self.awaits_continue)
    }

    /// Whether the body ends with its stream, and has not ended yet.
    #[must_use]
    #[inline]
    pub fn ends_with_stream(&self) -> bool {
        self.decoder.ends_with_stream()
    }

    /// Completes a body that [ends with its stream](Self::ends_with_stream), which has ended with these trailers.
    pub fn end_with_stream(&mut self, trailers: Option<Box<Fields>>) {
        self.decoder.end_with_stream(trailers);
    }

    /// Ends the decoding: the rest of the body cannot be read, or does not exist.
    #[inline]
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// The error that decoding has ended with, if any. A body whose declared length is too large fails at once.
    #[must_use]
    #[inline]
    pub fn failure(&self) -> Option<DecodeError> {
        self.decoder.failure()
    }

    /// Whether the whole body was decoded without an error.
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Drops the part of the body that has arrived, because nobody will read it. Returns whether the connection can be
    /// kept once the rest is dropped too, as far as is known. It cannot if the client still waits for `100 Continue`,
    /// if more than [`MAX_DRAIN`] bytes are left, or if the body is malformed. The rest of a body that
    /// [ends with its stream](Self::ends_with_stream) is never waited for.
    #[must_use]
    pub fn abandon(&mut self, input: &mut BytesMut) -> bool {
        if self.is_over || self.awaits_continue || self.decoder.ends_with_stream() {
            return self.decoder.is_done();
        }
        loop {
            match self.decoder.decode(input, usize::MAX) {
                Ok(Decoded::Piece(_)) => {}
                Ok(Decoded::End) => return true,
                Ok(Decoded::NeedMore) => return self.decoder.remaining() <= MAX_DRAIN,
                Err(DecodeError::Malformed(_) | DecodeError::TooLarge) => return false,
            }
        }
    }
}
