//! One response on an HTTP/1 connection: how it is framed (RFC 9112 section 6.3), whether the connection can persist
//! after it (section 9.3), and its bytes until they are sent.
//!
//! No other module frames a response. Which response is valid is decided by the caller.

use bytes::{Buf, Bytes, BytesMut};

use super::chunk::Chunk;
use super::encode::{self, Frame, Framing, Upgrade};
use crate::http::date::Date;
use crate::http::fields::Fields;
use crate::http::response_head::{BodyInfo, BodyLength, CloseCause, ResponseHead};
use crate::http::version::Version;

/// When a body is sent in the chunked coding to a client whose version allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkedCoding {
    /// Never. A body whose length is not known ends with the connection.
    Never,
    /// If its length is not known when the head is encoded.
    IfNeeded,
    /// Unless the handler has declared its length.
    Preferred,
}

impl From<bool> for ChunkedCoding {
    fn from(is_allowed: bool) -> Self {
        if is_allowed { Self::Preferred } else { Self::Never }
    }
}

/// What the request and the route fix about the framing of the response.
#[derive(Debug, Clone, Copy)]
pub struct Http1Options {
    /// The client's version.
    pub version: Version,
    /// Whether the client allows the connection to persist.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. If the final response is sent while the
    /// client waits, the server cannot know whether the body follows, so the connection closes after the response (RFC
    /// 9110 section 10.1.1).
    pub awaits_continue: bool,
    /// When to use the chunked coding. It is never used for HTTP/1.0.
    pub chunked: ChunkedCoding,
    /// The most bytes in one chunk.
    pub buffer_size: usize,
}

/// The encoder of one HTTP/1 response.
#[derive(Debug)]
pub struct Http1Encoder {
    options: Http1Options,
    /// Whether the connection persists after the response, as far as is known.
    keep_alive: bool,
    /// Whether the server does not let the connection persist.
    is_keep_alive_forbidden: bool,
    /// How the body is framed, once the head is encoded.
    framing: Framing,
    /// Encoded and not yet sent.
    output: BytesMut,
}

impl Http1Encoder {
    /// An encoder that has encoded nothing. `output` is an empty buffer.
    #[must_use]
    pub fn new(options: Http1Options, output: BytesMut) -> Self {
        let keep_alive = options.keep_alive && !options.awaits_continue;
        Self { options, keep_alive, is_keep_alive_forbidden: false, framing: Framing::NoBody, output }
    }

    /// Encodes the head, and returns the length of the body that the head declares, if it declares one.
    pub(crate) fn begin(&mut self, head: &ResponseHead, body: BodyInfo, date: Date) -> Option<u64> {
        let framing = self.framing(body.length);
        // The response to HEAD has the fields of the response to GET, as far as they are known (RFC 9110 section
        // 9.3.2).
        let (told, framing) = match (body.is_sent, framing) {
            (true, framing) => (framing, framing),
            (false, Framing::CloseDelimited) => (Framing::NoBody, Framing::NoBody),
            (false, told) => (told, Framing::NoBody),
        };
        if framing == Framing::CloseDelimited {
            self.keep_alive = false;
        }
        // A 426 has to name the protocol that it requires (RFC 9110 section 15.5.22).
        let needs_upgrade = head.status() == 426;
        let encoded = encode::Head {
            status: head.status(),
            date: (!head.fields().contains("date")).then_some(date),
            content_type: head.default_content_type(),
            fields: head.fields(),
            framing: told,
            upgrade: needs_upgrade.then_some(Upgrade::Needed),
            connection: match (self.keep_alive, self.options.version, needs_upgrade) {
                (true, Version::Http10, false) => Some("keep-alive"),
                (true, Version::Http10, true) => Some("keep-alive, Upgrade"),
                (true, Version::Http11 | Version::Http2, false) => None,
                (true, Version::Http11 | Version::Http2, true) => Some("Upgrade"),
                (false, _, false) => Some("close"),
                (false, _, true) => Some("close, Upgrade"),
            },
        };
        encode::head(&encoded, &mut self.output);
        self.framing = framing;
        match framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::CloseDelimited | Framing::NoBody => None,
        }
    }

    /// Whether the head declares the length of a body of that length.
    #[inline]
    pub(crate) fn declares(&self, length: BodyLength) -> bool {
        matches!(self.framing(length), Framing::Length(_))
    }

    /// Whether a body whose length is not declared has a place for trailers.
    #[inline]
    pub(crate) fn can_send_trailers(&self) -> bool {
        self.framing(BodyLength::Unknown) == Framing::Chunked
    }

    /// The framing of a body of that length.
    #[inline]
    fn framing(&self, length: BodyLength) -> Framing {
        match (length, self.options.version, self.options.chunked) {
            (BodyLength::None, _, _) => Framing::NoBody,
            (BodyLength::Declared(length), _, _) => Framing::Length(length),
            (BodyLength::Known(_), Version::Http11, ChunkedCoding::Preferred)
            | (BodyLength::Unknown, Version::Http11, ChunkedCoding::Preferred | ChunkedCoding::IfNeeded) => {
                Framing::Chunked
            }
            (BodyLength::Known(length), _, _) => Framing::Length(length),
            (BodyLength::Unknown, _, _) => Framing::CloseDelimited,
        }
    }

    /// Appends a piece of the body to the output. The buffer is grown here, and not by `BytesMut`: if a slow client
    /// empties it in part again and again, `BytesMut` would allocate larger and larger buffers without need.
    pub(crate) fn encode(&mut self, piece: &[u8]) {
        let room = piece.len() + encode::CHUNK_BYTES;
        if !self.output.try_reclaim(room) {
            let needed = self.output.len() + room;
            let capacity = match needed <= self.options.buffer_size {
                true => 2 * needed,
                false => needed.max(self.high_water() + self.options.buffer_size + encode::CHUNK_BYTES),
            };
            let mut larger = BytesMut::with_capacity(capacity);
            larger.extend_from_slice(&self.output);
            self.output = larger;
        }
        encode::piece(self.framing == Framing::Chunked, piece, &mut self.output);
    }

    /// The frame around a piece of the body that is written directly.
    #[inline]
    pub(crate) fn frame(&self, length: usize) -> Frame {
        if self.framing == Framing::Chunked { Frame::of_chunk(length) } else { Frame::default() }
    }

    /// Appends the unsent rest of a piece and its [frame](Self::frame) to the output.
    pub(crate) fn queue(&mut self, rest: &[u8]) {
        self.output.extend_from_slice(rest);
    }

    /// The encoded bytes of a chunk that several responses share.
    pub(crate) fn shared(&self, chunk: &Chunk) -> Bytes {
        if self.framing == Framing::Chunked { chunk.coded() } else { chunk.piece() }
    }

    /// Encodes the end of the body.
    pub(crate) fn finish(&mut self) {
        if self.framing == Framing::Chunked {
            self.output.extend_from_slice(encode::LAST_CHUNK);
        }
    }

    /// Encodes the end of the body, with those trailers that are allowed. Only the chunked coding has a place for trailers.
    pub(crate) fn finish_with_trailers(&mut self, trailers: &Fields) {
        if self.framing == Framing::Chunked {
            encode::last_chunk(trailers, &mut self.output);
        }
    }

    /// Encodes a 101 with `accept` as its `Sec-WebSocket-Accept`. The connection carries no other response.
    pub(crate) fn switch_protocols(&mut self, head: &ResponseHead, accept: &str, date: Date) {
        self.keep_alive = false;
        let head = encode::Head {
            status: head.status(),
            date: (!head.fields().contains("date")).then_some(date),
            content_type: None,
            fields: head.fields(),
            framing: Framing::NoBody,
            upgrade: Some(Upgrade::Done { accept }),
            connection: Some("Upgrade"),
        };
        encode::head(&head, &mut self.output);
    }

    /// Records that the body follows: the client has begun to send it, or `100 Continue` is encoded.
    #[inline]
    pub(crate) fn body_comes(&mut self) {
        self.keep_alive = self.options.keep_alive && !self.is_keep_alive_forbidden;
    }

    /// Encodes `100 Continue`.
    pub(crate) fn interim_continue(&mut self) {
        self.body_comes();
        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Makes the connection close after this response. If the head is not encoded yet, the head will also say so.
    #[inline]
    pub(crate) fn forbid_keep_alive(&mut self) {
        self.keep_alive = false;
        self.is_keep_alive_forbidden = true;
    }

    /// Whether the connection can carry another response after this one, if this one is complete.
    #[inline]
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Why the connection closes after this response, if it does.
    #[inline]
    pub(crate) fn close_cause(&self) -> CloseCause {
        match self.framing {
            _ if !self.options.keep_alive => CloseCause::Client,
            Framing::CloseDelimited => CloseCause::CloseDelimited,
            Framing::Chunked | Framing::Length(_) | Framing::NoBody => CloseCause::Server,
        }
    }

    /// Whether the body ends with the connection. A client would take a truncated one for a complete one, unless the
    /// connection is reset.
    #[inline]
    pub(crate) fn is_close_delimited(&self) -> bool {
        self.framing == Framing::CloseDelimited
    }

    /// The encoded bytes that are not sent yet.
    #[inline]
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Removes the first `sent` bytes of [`Self::output`], which were sent.
    #[inline]
    pub(crate) fn advance(&mut self, sent: usize) {
        self.output.advance(sent);
    }

    /// Whether another piece can be encoded: the output is below its bound. One piece may then exceed the bound.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < self.high_water()
    }

    /// The bound of the output: four pieces, so that the handler can write while the socket sends, but at most 64 KiB
    /// unless one piece is larger.
    #[inline]
    fn high_water(&self) -> usize {
        let piece = self.options.buffer_size;
        piece.saturating_mul(4).min(64 * 1024).max(piece)
    }

    /// Takes the output buffer with its content.
    pub(crate) fn take_buffer(&mut self) -> BytesMut {
        std::mem::take(&mut self.output)
    }

    /// Whether the encoder holds memory for its output.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.output.capacity() > 0
    }
}
