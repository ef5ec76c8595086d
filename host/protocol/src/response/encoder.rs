//! What makes bytes of a response: an encoder for each version of HTTP, and the seam between them and the response.

use bytes::{Bytes, BytesMut};

use crate::http::date::Date;
use crate::http::response_head::{BodyInfo, ResponseHead};
use crate::http1::chunk::Chunk;
use crate::http1::encode::Frame;
use crate::http1::encoder::Http1Encoder;
use crate::http1::server::RequestFraming;

/// What makes bytes of one response.
#[derive(Debug)]
pub enum Encoder {
    /// A response on an HTTP/1 connection.
    Http1(Http1Encoder),
}

impl From<Http1Encoder> for Encoder {
    fn from(encoder: Http1Encoder) -> Self {
        Self::Http1(encoder)
    }
}

/// All that a response asks of its encoder. It asks for the head once, then for pieces, then for the end.
impl Encoder {
    /// An encoder of nothing, without a buffer.
    pub(super) fn none() -> Self {
        Self::Http1(RequestFraming::CLOSING.encoder(false, 1, BytesMut::new()))
    }

    /// Encodes the head, and gives the length that the body has to have by it, if it says one.
    pub(super) fn begin(&mut self, head: &ResponseHead, body: BodyInfo, date: Date) -> Option<u64> {
        match self {
            Self::Http1(encoder) => encoder.begin(head, body, date),
        }
    }

    /// Encodes a piece of the body.
    #[inline]
    pub(super) fn encode(&mut self, piece: &[u8]) {
        match self {
            Self::Http1(encoder) => encoder.encode(piece),
        }
    }

    /// What goes around a piece of the body that is sent from where it lies.
    #[inline]
    pub(super) fn frame(&self, length: usize) -> Frame {
        match self {
            Self::Http1(encoder) => encoder.frame(length),
        }
    }

    /// Puts what was not sent of a piece and its frame behind the output.
    #[inline]
    pub(super) fn queue(&mut self, rest: &[u8]) {
        match self {
            Self::Http1(encoder) => encoder.queue(rest),
        }
    }

    /// The bytes of a chunk that other responses share.
    pub(super) fn shared(&self, chunk: &Chunk) -> Bytes {
        match self {
            Self::Http1(encoder) => encoder.shared(chunk),
        }
    }

    /// Encodes the end of the body.
    #[inline]
    pub(super) fn finish(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.finish(),
        }
    }

    /// Encodes the head of a response that makes a WebSocket of what carries it.
    pub(super) fn switch_to_websocket(&mut self, head: &ResponseHead, accept: &str, date: Date) {
        match self {
            Self::Http1(encoder) => encoder.switch_protocols(head, accept, date),
        }
    }

    /// The body has begun to come without one.
    pub(super) fn body_comes(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.body_comes(),
        }
    }

    /// Encodes `100 Continue`.
    pub(super) fn interim_continue(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.interim_continue(),
        }
    }

    /// Ends what carries the response after it.
    #[inline]
    pub(super) fn forbid_keep_alive(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.forbid_keep_alive(),
        }
    }

    /// Whether what carries the response can carry another one after it, if it is complete.
    #[inline]
    pub(super) fn keeps_alive(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.keeps_alive(),
        }
    }

    /// Whether only a reset tells a client that the body is truncated.
    #[inline]
    pub(super) fn needs_reset(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.is_close_delimited(),
        }
    }

    /// The bytes that wait to be sent.
    #[inline]
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Self::Http1(encoder) => encoder.output(),
        }
    }

    /// Forgets the first `sent` bytes of [`Self::output`].
    #[inline]
    pub(super) fn advance(&mut self, sent: usize) {
        match self {
            Self::Http1(encoder) => encoder.advance(sent),
        }
    }

    /// Whether another piece can be encoded.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.has_room(),
        }
    }

    /// Takes the buffer of the output, whatever is in it.
    pub(super) fn take_buffer(&mut self) -> BytesMut {
        match self {
            Self::Http1(encoder) => encoder.take_buffer(),
        }
    }

    /// Whether it holds memory for its output.
    #[inline]
    pub(super) fn has_buffer(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.has_buffer(),
        }
    }
}
