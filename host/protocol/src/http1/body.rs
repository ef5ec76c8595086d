//! The body of one request on its connection: its pieces, the `100 Continue` that it may wait for, and whether the
//! connection can be used again if nobody reads it.

use bytes::BytesMut;

use super::decode::{BodyDecoder, DecodeError, Decoded};
use super::framing::BodyFraming;

/// The most of an unread body that is read and dropped to keep a connection.
pub const MAX_DRAIN: u64 = 256 * 1024;

/// The body of a request.
#[derive(Debug)]
pub struct RequestBody {
    decoder: BodyDecoder,
    awaits_continue: bool,
    /// Nothing more is decoded: the body is whole, or its rest is not to be had.
    is_over: bool,
}

impl RequestBody {
    pub(super) fn new(framing: BodyFraming, max_body: u64, awaits_continue: bool) -> Self {
        let decoder = BodyDecoder::new(framing, max_body);
        let is_over = decoder.is_done();
        Self { decoder, awaits_continue, is_over }
    }

    /// Takes the next piece off the start of `input`, as [`BodyDecoder::decode`].
    ///
    /// # Errors
    /// As [`BodyDecoder::decode`].
    #[inline]
    pub fn decode(&mut self, input: &mut BytesMut, max: usize) -> Result<Decoded, DecodeError> {
        self.decoder.decode(input, max)
    }

    /// Whether the client waits for a `100 Continue`, which it has from now on, or needs no more because some of the body
    /// has come (RFC 9110 section 10.1.1).
    #[inline]
    pub fn take_awaits_continue(&mut self) -> bool {
        std::mem::take(&mut self.awaits_continue)
    }

    /// The rest of the body is not to be had, or is not there.
    #[inline]
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// The error that decoding ended with, if it did: a body whose length is known to be too large has failed at once.
    #[must_use]
    #[inline]
    pub fn failure(&self) -> Option<DecodeError> {
        self.decoder.failure()
    }

    /// Whether the whole body was decoded, well-formed.
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Nobody asks for the body any more: drops what has come of it, and says whether the connection can be used again
    /// after the rest, as far as is known. It cannot if the client was never told to send the body, if more than
    /// [`MAX_DRAIN`] of it is left, or if it is malformed.
    #[must_use]
    pub fn abandon(&mut self, input: &mut BytesMut) -> bool {
        if self.is_over || self.awaits_continue {
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
