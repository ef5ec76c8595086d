//! The encoder of a response: one variant for each version of HTTP, behind one interface.

use bytes::{Bytes, BytesMut};

use crate::http::date::Date;
use crate::http::fields::Fields;
use crate::http::response_head::{BodyInfo, BodyLength, CloseCause, ResponseHead};
use crate::http::version::Version;
use crate::http1::chunk::Chunk;
use crate::http1::encode::Frame;
use crate::http1::encoder::{ChunkedCoding, Http1Encoder};
use crate::http1::server::RequestFraming;
use crate::http2::encoder::Http2Encoder;

/// The encoder of one response.
#[derive(Debug)]
pub enum Encoder {
    /// A response on an HTTP/1 connection.
    Http1(Http1Encoder),
    /// A response on a stream of HTTP/2.
    Http2(Http2Encoder),
}

impl From<Http1Encoder> for Encoder {
    fn from(encoder: Http1Encoder) -> Self {
        Self::Http1(encoder)
    }
}

/// The whole interface between a response and its encoder. The response encodes the head once, then pieces, then the
/// end.
impl Encoder {
    /// The encoder for the response to a request with this framing, with pieces of at most `buffer_size` bytes. `chunked`
    /// says when HTTP/1.1 uses the chunked coding. `output` gives an empty buffer for HTTP/1.
    #[must_use]
    pub fn for_request(
        framing: &RequestFraming,
        chunked: impl Into<ChunkedCoding>,
        buffer_size: usize,
        output: impl FnOnce() -> BytesMut,
    ) -> Self {
        match framing.version {
            Version::Http10 | Version::Http11 => Self::Http1(framing.encoder(chunked, buffer_size, output())),
            Version::Http2 => Self::Http2(Http2Encoder::new(buffer_size)),
        }
    }

    /// An encoder without a buffer, for a response that encodes nothing.
    pub(super) fn none() -> Self {
        Self::Http1(RequestFraming::CLOSING.encoder(false, 1, BytesMut::new()))
    }

    /// Encodes the head, and returns the length of the body that the head declares, if it declares one.
    pub(super) fn begin(&mut self, head: &ResponseHead, body: BodyInfo, date: Date) -> Option<u64> {
        match self {
            Self::Http1(encoder) => encoder.begin(head, body, date),
            Self::Http2(encoder) => encoder.begin(head, body, date),
        }
    }

    /// Whether the head declares the length of a body of that length.
    #[inline]
    pub(super) fn declares(&self, length: BodyLength) -> bool {
        match self {
            Self::Http1(encoder) => encoder.declares(length),
            Self::Http2(encoder) => encoder.declares(length),
        }
    }

    /// Whether a body whose length is not declared has a place for trailers.
    pub(super) fn can_send_trailers(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.can_send_trailers(),
            Self::Http2(_) => true,
        }
    }

    /// Encodes a piece of the body.
    #[inline]
    pub(super) fn encode(&mut self, piece: &[u8]) {
        match self {
            Self::Http1(encoder) => encoder.encode(piece),
            Self::Http2(encoder) => encoder.encode(piece),
        }
    }

    /// The frame around a piece of the body that is written directly.
    #[inline]
    pub(super) fn frame(&self, length: usize) -> Frame {
        match self {
            Self::Http1(encoder) => encoder.frame(length),
            Self::Http2(_) => Frame::default(),
        }
    }

    /// Appends the unsent rest of a piece and its frame to the output.
    #[inline]
    pub(super) fn queue(&mut self, rest: &[u8]) {
        match self {
            Self::Http1(encoder) => encoder.queue(rest),
            Self::Http2(encoder) => encoder.encode(rest),
        }
    }

    /// The encoded bytes of a chunk that several responses share.
    pub(super) fn shared(&self, chunk: &Chunk) -> Bytes {
        match self {
            Self::Http1(encoder) => encoder.shared(chunk),
            Self::Http2(_) => chunk.piece(),
        }
    }

    /// Encodes the end of the body.
    #[inline]
    pub(super) fn finish(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.finish(),
            Self::Http2(encoder) => encoder.finish(),
        }
    }

    /// Encodes the end of the body, with those trailers that are allowed, if the framing has a place for trailers.
    pub(super) fn finish_with_trailers(&mut self, trailers: &Fields) {
        match self {
            Self::Http1(encoder) => encoder.finish_with_trailers(trailers),
            Self::Http2(encoder) => encoder.finish_with_trailers(trailers),
        }
    }

    /// Encodes the head of a response that turns its connection into a WebSocket. A stream of HTTP/2 is never one.
    pub(super) fn switch_to_websocket(&mut self, head: &ResponseHead, accept: &str, date: Date) {
        match self {
            Self::Http1(encoder) => encoder.switch_protocols(head, accept, date),
            Self::Http2(_) => (),
        }
    }

    /// Records that the client has begun to send the body without waiting for `100 Continue`.
    pub(super) fn body_comes(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.body_comes(),
            Self::Http2(_) => (),
        }
    }

    /// Encodes `100 Continue`.
    pub(super) fn interim_continue(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.interim_continue(),
            Self::Http2(encoder) => encoder.interim_continue(),
        }
    }

    /// Makes the connection close after the response. A stream of HTTP/2 ends with its response, and its connection is not
    /// the response's affair.
    #[inline]
    pub(super) fn forbid_keep_alive(&mut self) {
        match self {
            Self::Http1(encoder) => encoder.forbid_keep_alive(),
            Self::Http2(_) => (),
        }
    }

    /// Whether the connection can carry another response after this one, if this one is complete.
    #[inline]
    pub(super) fn keeps_alive(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.keeps_alive(),
            Self::Http2(_) => true,
        }
    }

    /// Why the connection closes after the response, if it does.
    #[inline]
    pub(super) fn close_cause(&self) -> CloseCause {
        match self {
            Self::Http1(encoder) => encoder.close_cause(),
            Self::Http2(_) => CloseCause::Server,
        }
    }

    /// Whether only a reset can tell a client that the body is truncated.
    #[inline]
    pub(super) fn needs_reset(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.is_close_delimited(),
            Self::Http2(_) => false,
        }
    }

    /// The encoded bytes that are not sent yet.
    #[inline]
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Self::Http1(encoder) => encoder.output(),
            Self::Http2(encoder) => encoder.output(),
        }
    }

    /// Removes the first `sent` bytes of [`Self::output`], which were sent.
    #[inline]
    pub(super) fn advance(&mut self, sent: usize) {
        match self {
            Self::Http1(encoder) => encoder.advance(sent),
            Self::Http2(encoder) => encoder.advance(sent),
        }
    }

    /// Whether another piece can be encoded.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.has_room(),
            Self::Http2(encoder) => encoder.has_room(),
        }
    }

    /// Takes the output buffer with its content.
    pub(super) fn take_buffer(&mut self) -> BytesMut {
        match self {
            Self::Http1(encoder) => encoder.take_buffer(),
            Self::Http2(encoder) => encoder.take_buffer(),
        }
    }

    /// Whether the encoder holds memory for its output.
    #[inline]
    pub(super) fn has_buffer(&self) -> bool {
        match self {
            Self::Http1(encoder) => encoder.has_buffer(),
            Self::Http2(encoder) => encoder.has_buffer(),
        }
    }
}
