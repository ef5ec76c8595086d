//! The syntax of a response (RFC 9112): its head, the pieces of its body, and the last chunk.

use bytes::BytesMut;
use smallvec::SmallVec;

use crate::http::date::Date;
use crate::http::fields::Fields;
use crate::http::status;
use crate::http::trailers::is_allowed_in_trailers;

/// The last chunk, without trailers (RFC 9112 section 7.1).
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The end of a chunk, which follows its piece.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// The most bytes that the chunked coding adds to a piece: the digits of its size and two CRLF.
pub(crate) const CHUNK_BYTES: usize = 20;

/// How a client finds the end of the body (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The chunked transfer coding.
    Chunked,
    /// `Content-Length`, with this value.
    Length(u64),
    /// The end of the connection.
    CloseDelimited,
    /// There is no body: HEAD, 204, 205 and 304.
    NoBody,
}

/// The content of a head.
pub(crate) struct Head<'h> {
    pub(crate) status: u16,
    /// `None` if the fields have a date.
    pub(crate) date: Option<Date>,
    /// `None` if the fields have a content type, or if there is no body to describe.
    pub(crate) content_type: Option<&'h [u8]>,
    pub(crate) fields: &'h Fields,
    pub(crate) framing: Framing,
    pub(crate) upgrade: Option<Upgrade<'h>>,
    pub(crate) connection: Option<&'static str>,
}

/// What a head says about a protocol upgrade (RFC 9110 section 7.8). The only other protocol is WebSocket.
pub(crate) enum Upgrade<'h> {
    /// The client has to request the upgrade.
    Needed,
    /// The connection is upgraded after this head.
    Done {
        /// The value of `Sec-WebSocket-Accept`.
        accept: &'h str,
    },
}

/// Encodes a head. It has the server's version, not the client's (RFC 9110 section 2.5).
pub(crate) fn head(head: &Head<'_>, output: &mut BytesMut) {
    output.reserve(256);
    output.extend_from_slice(b"HTTP/1.1 ");
    push_number(head.status.into(), output);
    output.extend_from_slice(b" ");
    output.extend_from_slice(status::reason(head.status).as_bytes());
    output.extend_from_slice(b"\r\n");
    if let Some(date) = head.date {
        push_field(b"Date", &date, output);
    }
    if let Some(content_type) = head.content_type {
        push_field(b"Content-Type", content_type, output);
    }
    for (name, value) in head.fields.iter() {
        push_field(name.as_bytes(), value, output);
    }
    match head.framing {
        Framing::Chunked => output.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Length(length) => {
            output.extend_from_slice(b"Content-Length: ");
            push_number(length, output);
            output.extend_from_slice(b"\r\n");
        }
        Framing::CloseDelimited | Framing::NoBody => {}
    }
    if let Some(upgrade) = &head.upgrade {
        push_field(b"Upgrade", b"websocket", output);
        if let Upgrade::Done { accept } = upgrade {
            push_field(b"Sec-WebSocket-Accept", accept.as_bytes(), output);
        }
    }
    if let Some(connection) = head.connection {
        push_field(b"Connection", connection.as_bytes(), output);
    }
    output.extend_from_slice(b"\r\n");
}

/// Encodes one piece: as a chunk (RFC 9112 section 7.1), or without framing.
pub(crate) fn piece(chunked: bool, bytes: &[u8], output: &mut BytesMut) {
    if !chunked {
        output.extend_from_slice(bytes);
        return;
    }
    output.reserve(bytes.len() + CHUNK_BYTES);
    let Frame { before, after } = Frame::of_chunk(bytes.len());
    output.extend_from_slice(&before);
    output.extend_from_slice(bytes);
    output.extend_from_slice(after);
}

/// Writes the last chunk, and those trailers that are allowed (RFC 9112 section 7.1.2).
pub(crate) fn last_chunk(trailers: &Fields, output: &mut BytesMut) {
    output.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.all().filter(|(name, _)| is_allowed_in_trailers(name)) {
        push_field(name.as_bytes(), value, output);
    }
    output.extend_from_slice(b"\r\n");
}

fn push_field(name: &[u8], value: &[u8], output: &mut BytesMut) {
    output.extend_from_slice(name);
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

fn push_number(number: u64, output: &mut BytesMut) {
    output.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The frame around a piece of the body when it is sent.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// The line before the piece of a chunk: the digits of its size, and CRLF.
    pub(crate) before: SmallVec<[u8; 18]>,
    pub(crate) after: &'static [u8],
}

impl Frame {
    /// The frame of a chunk of this size (RFC 9112 section 7.1).
    pub(crate) fn of_chunk(mut size: usize) -> Self {
        let mut line = *b"0000000000000000\r\n";
        let mut at = line.len() - CHUNK_END.len();
        loop {
            at -= 1;
            line[at] = b"0123456789abcdef"[size & 15];
            size >>= 4;
            if size == 0 {
                return Self { before: SmallVec::from_slice(&line[at..]), after: CHUNK_END };
            }
        }
    }
}
