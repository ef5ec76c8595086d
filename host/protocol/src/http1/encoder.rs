//! One response on an HTTP/1 connection: how it is framed (RFC 9112 section 6.3), whether the connection can persist
//! after it (section 9.3), and its bytes until they are sent.
//!
//! This is the one place that frames a response. What a response may be is decided by its caller.

use bytes::{Buf, Bytes, BytesMut};

use super::chunk::Chunk;
use super::encode::{self, Frame, Framing, Upgrade};
use crate::http::date::Date;
use crate::http::response_head::{BodyInfo, BodyLength, ResponseHead};
use crate::http::version::Version;

/// What the request and the route say about the framing of the response.
#[derive(Debug, Clone, Copy)]
pub struct Http1Options {
    /// The client's version.
    pub version: Version,
    /// Whether the client allows the connection to persist.
    pub keep_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends the body. Until it gets one, or sends the body all the
    /// same, a final response leaves open whether the body follows, so the connection ends with it (RFC 9110 section
    /// 10.1.1).
    pub awaits_continue: bool,
    /// Use the chunked coding (never to HTTP/1.0).
    pub chunked: bool,
    /// The most bytes in one chunk.
    pub buffer_size: usize,
}

/// The bytes of one response.
#[derive(Debug)]
pub struct Http1Encoder {
    options: Http1Options,
    /// Whether the connection persists, as far as is known.
    keep_alive: bool,
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
        Self { options, keep_alive, framing: Framing::NoBody, output }
    }

    /// Encodes the head, and gives the length that the body has to have by it, if it says one.
    pub(crate) fn begin(&mut self, head: &ResponseHead, body: BodyInfo, date: Date) -> Option<u64> {
        let framing = self.framing(body.length);
        // The response to HEAD has the fields of that to GET, by what is known (RFC 9110 section 9.3.2).
        let (told, framing) = match (body.is_sent, framing) {
            (true, framing) => (framing, framing),
            (false, Framing::CloseDelimited) => (Framing::NoBody, Framing::NoBody),
            (false, told) => (told, Framing::NoBody),
        };
        if framing == Framing::CloseDelimited {
            self.keep_alive = false;
        }
        // Which protocol is meant is for a 426 to say (RFC 9110 section 15.5.22).
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
                (true, Version::Http11, false) => None,
                (true, Version::Http11, true) => Some("Upgrade"),
                (false, Version::Http10 | Version::Http11, false) => Some("close"),
                (false, Version::Http10 | Version::Http11, true) => Some("close, Upgrade"),
            },
        };
        encode::head(&encoded, &mut self.output);
        self.framing = framing;
        match framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::CloseDelimited | Framing::NoBody => None,
        }
    }

    /// The framing of a body of that length.
    fn framing(&self, length: BodyLength) -> Framing {
        match (length, self.options.version, self.options.chunked) {
            (BodyLength::None, _, _) => Framing::NoBody,
            (BodyLength::Declared(length), _, _) => Framing::Length(length),
            (BodyLength::Known(_) | BodyLength::Unknown, Version::Http11, true) => Framing::Chunked,
            (BodyLength::Known(length), Version::Http10 | Version::Http11, _) => Framing::Length(length),
            (BodyLength::Unknown, Version::Http10 | Version::Http11, _) => Framing::CloseDelimited,
        }
    }

    /// Encodes a piece of the body behind what is not sent yet. Left to itself, a buffer that a slow client empties in
    /// part again and again would grow without need, and leave its smaller selves to the allocator.
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

    /// What goes around a piece of the body that is sent from where it lies.
    #[inline]
    pub(crate) fn frame(&self, length: usize) -> Frame {
        if self.framing == Framing::Chunked { Frame::of_chunk(length) } else { Frame::default() }
    }

    /// Puts what the client did not take of a piece and its [frame](Self::frame) behind what is not sent yet.
    pub(crate) fn queue(&mut self, rest: &[u8]) {
        self.output.extend_from_slice(rest);
    }

    /// The bytes of a chunk that other responses share.
    pub(crate) fn shared(&self, chunk: &Chunk) -> Bytes {
        if self.framing == Framing::Chunked { chunk.coded() } else { chunk.piece() }
    }

    /// Encodes the end of the body.
    pub(crate) fn finish(&mut self) {
        if self.framing == Framing::Chunked {
            self.output.extend_from_slice(encode::LAST_CHUNK);
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

    /// The body has begun to come, or is asked for by a `100 Continue` that is `encoded`.
    #[inline]
    pub(crate) fn body_comes(&mut self) {
        self.keep_alive = self.options.keep_alive;
    }

    /// Encodes `100 Continue`.
    pub(crate) fn interim_continue(&mut self) {
        self.body_comes();
        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Ends the connection after this response; before the head it also says so there.
    #[inline]
    pub(crate) fn forbid_keep_alive(&mut self) {
        self.keep_alive = false;
        self.options.keep_alive = false;
    }

    /// Whether the connection can carry another response after this one, if this one is complete.
    #[inline]
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the body ends with the connection: a client could take a truncated one for a whole one, unless the
    /// connection is reset.
    #[inline]
    pub(crate) fn is_close_delimited(&self) -> bool {
        self.framing == Framing::CloseDelimited
    }

    /// The bytes that wait to be sent.
    #[inline]
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Forgets the first `sent` bytes of [`Self::output`].
    #[inline]
    pub(crate) fn advance(&mut self, sent: usize) {
        self.output.advance(sent);
    }

    /// Whether another piece can be encoded: the output is below its bound, which it passes by one piece at most.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < self.high_water()
    }

    /// Four pieces, so that a writer and a socket overlap, within 64 KiB unless one piece is larger.
    #[inline]
    fn high_water(&self) -> usize {
        let piece = self.options.buffer_size;
        piece.saturating_mul(4).min(64 * 1024).max(piece)
    }

    /// Takes the buffer, whatever is in it.
    pub(crate) fn take_buffer(&mut self) -> BytesMut {
        std::mem::take(&mut self.output)
    }

    /// Whether it holds memory for its output.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.output.capacity() > 0
    }
}
