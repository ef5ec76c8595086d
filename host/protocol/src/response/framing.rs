//! How a response is framed, the head that says so, and the pieces that follow it into the output.

use bytes::BytesMut;

use super::{Response, ResponseState};
use crate::http::date::Date;
use crate::http::version::Version;
use crate::http1::encode::{self, Framing, Upgrade};

impl Response {
    /// The framing of a body of that length (RFC 9112 section 6.3).
    pub(super) fn framing(&self, body: Option<u64>) -> Framing {
        if self.options.head_only || matches!(self.status, 204 | 205 | 304) {
            return Framing::NoBody;
        }
        if let Some(declared) = self.fields.content_length() {
            return Framing::Length(declared);
        }
        self.undeclared_framing(body)
    }

    fn undeclared_framing(&self, body: Option<u64>) -> Framing {
        match (self.options.version, self.options.chunked, body) {
            (Version::Http11, true, _) => Framing::Chunked,
            (Version::Http10 | Version::Http11, _, Some(length)) => Framing::Length(length),
            (Version::Http10 | Version::Http11, _, None) => Framing::CloseDelimited,
        }
    }

    pub(super) fn encode_head(&mut self, framing: Framing, body: Option<u64>, date: fn() -> Date) {
        // A HEAD request gets the fields that a GET would, by what is known (RFC 9110 section 9.3.2).
        let told = match (framing, self.fields.content_length()) {
            (Framing::NoBody, _) if matches!(self.status, 204 | 304) => Framing::NoBody,
            (Framing::NoBody, _) if self.status == 205 => Framing::Length(0),
            (Framing::NoBody, Some(declared)) => Framing::Length(declared),
            (Framing::NoBody, None) => match self.undeclared_framing(body) {
                Framing::CloseDelimited => Framing::NoBody,
                told => told,
            },
            (told, _) => told,
        };
        let described = self.is_described();
        // Which protocol is meant is for a 426 to say (RFC 9110 section 15.5.22).
        let needs_upgrade = self.status == 426;
        let head = encode::Head {
            status: self.status,
            date: (!self.fields.contains("date")).then(date),
            content_type: (described && !self.fields.contains("content-type")).then_some(&*self.content_type),
            fields: &self.fields,
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
        encode::head(&head, &mut self.output);
    }

    /// Encodes a piece behind what is not sent yet. Left to itself, a buffer that a slow client empties in part again
    /// and again would grow without need, and leave its smaller selves to the allocator.
    pub(super) fn encode(&mut self, piece: &[u8]) {
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
        encode::piece(self.state == ResponseState::Sending(Framing::Chunked), piece, &mut self.output);
    }

    /// Four pieces, so that a writer and a socket overlap, within 64 KiB unless one piece is larger.
    #[inline]
    pub(super) fn high_water(&self) -> usize {
        let piece = self.options.buffer_size;
        piece.saturating_mul(4).min(64 * 1024).max(piece)
    }
}
