//! The syntax of a response (RFC 9112): its head, the pieces of its body, the last chunk.

use bytes::BytesMut;
use smallvec::SmallVec;

use crate::http::date::Date;
use crate::http::fields::Fields;
use crate::http::status;

/// The last chunk, and no trailers (RFC 9112 section 7.1).
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What follows the piece of a chunk.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// The most bytes that a chunk has besides its piece: the digits of its size and two CRLF.
pub(crate) const CHUNK_BYTES: usize = 20;

/// How the end of the body is told (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The chunked transfer coding.
    Chunked,
    /// `Content-Length`, and how many bytes are still to come.
    Length(u64),
    /// The end of the connection.
    CloseDelimited,
    /// HEAD, 204, 205 and 304: the head alone.
    NoBody,
}

/// What a head says.
pub(crate) struct Head<'h> {
    pub(crate) status: u16,
    /// None where it is among the fields.
    pub(crate) date: Option<Date>,
    /// None where it is among the fields, or there is nothing to describe.
    pub(crate) content_type: Option<&'h [u8]>,
    pub(crate) fields: &'h Fields,
    pub(crate) framing: Framing,
    pub(crate) upgrade: Option<Upgrade<'h>>,
    pub(crate) connection: Option<&'static str>,
}

/// What a head says of another protocol (RFC 9110 section 7.8): there is WebSocket.
pub(crate) enum Upgrade<'h> {
    /// The request has to ask for it.
    Needed,
    /// It follows.
    Done {
        /// The value of `Sec-WebSocket-Accept`.
        accept: &'h str,
    },
}

/// Writes a head, with the version of this server whatever the client's (RFC 9110 section 2.5).
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

/// One piece as it goes on the wire: a chunk (RFC 9112 section 7.1), or the bytes alone.
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

fn push_field(name: &[u8], value: &[u8], output: &mut BytesMut) {
    output.extend_from_slice(name);
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

fn push_number(number: u64, output: &mut BytesMut) {
    output.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What goes around a piece of the body on the wire.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// The line before the piece of a chunk: the digits of its size, and CRLF.
    pub(crate) before: SmallVec<[u8; 18]>,
    pub(crate) after: &'static [u8],
}

impl Frame {
    /// That of a chunk of this size (RFC 9112 section 7.1).
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
