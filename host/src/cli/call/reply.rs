//! Reads and prints the response of `host call`.
//!
//! Finds the end of the head and decodes the body's framing as a client does (RFC 9112 section 6.3).

use std::io::{self, ErrorKind, Read, Write};

use bytes::BytesMut;
use host::http1::decode::{BodyDecoder, Decoded};
use host::http1::framing::BodyFraming;

/// Maximum number of bytes in one read.
const READ_SIZE: usize = 64 * 1024;

/// Maximum number of fields in a head. The host sends fewer.
const MAX_FIELDS: usize = 256;

/// What was received of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallResponse {
    /// The status. `None` if nothing was received.
    pub(super) status: Option<u16>,
    /// The number of bytes received, including the framing.
    pub(super) received: u64,
    /// Whether the connection was reset.
    pub(super) reset: bool,
}

/// How the body of a response is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// Without its framing.
    Decoded,
    /// As it was received.
    Raw,
}

/// What the next bytes belong to.
enum ReadState {
    /// A head: of an interim response or of the final one.
    Head,
    /// A body whose framing says where it ends.
    Framed(BodyDecoder),
    /// A body that ends with the connection, or bytes after the response.
    Remainder,
}

impl CallResponse {
    /// Reads until the connection ends, and prints what it reads.
    pub(super) fn read(
        mut socket: impl Read,
        to_head_request: bool,
        format: BodyFormat,
        out: &mut impl Write,
    ) -> io::Result<Self> {
        let mut response = Self::default();
        let mut state = ReadState::Head;
        let mut input = BytesMut::new();
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let piece = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    response.reset = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            response.received += piece.len() as u64;
            input.extend_from_slice(piece);
            if format == BodyFormat::Raw {
                out.write_all(piece)?;
            }
            let mut decoded = match format {
                BodyFormat::Raw => BodySink::Nowhere,
                BodyFormat::Decoded => BodySink::To(&mut *out),
            };
            state = response.advance(state, &mut input, to_head_request, &mut decoded)?;
            out.flush()?;
        }
        Ok(response)
    }

    /// Parses as much of the input as possible.
    fn advance(
        &mut self,
        mut state: ReadState,
        input: &mut BytesMut,
        to_head_request: bool,
        out: &mut BodySink<'_>,
    ) -> io::Result<ReadState> {
        loop {
            state = match state {
                ReadState::Head => {
                    let Some((length, status, framing)) = parse(input) else { return Ok(ReadState::Head) };
                    out.write(&input.split_to(length))?;
                    self.status = Some(status);
                    match framing {
                        _ if status < 200 => ReadState::Head,
                        _ if to_head_request || status == 204 || status == 304 => ReadState::Remainder,
                        Some(framing) => ReadState::Framed(BodyDecoder::new(framing, u64::MAX)),
                        None => ReadState::Remainder,
                    }
                }
                ReadState::Framed(mut decoder) => match decoder.decode(input, READ_SIZE) {
                    Ok(Decoded::Piece(piece)) => {
                        out.write(&piece)?;
                        ReadState::Framed(decoder)
                    }
                    Ok(Decoded::NeedMore) => return Ok(ReadState::Framed(decoder)),
                    Ok(Decoded::End) | Err(_) => ReadState::Remainder,
                },
                ReadState::Remainder => {
                    out.write(&input.split())?;
                    return Ok(ReadState::Remainder);
                }
            };
        }
    }
}

/// Where decoded bytes are written.
enum BodySink<'w> {
    Nowhere,
    To(&'w mut dyn Write),
}

impl BodySink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::To(out) => out.write_all(bytes),
        }
    }
}

/// Parses a complete head: its length, its status, and the framing of its body. `None` if it is not complete.
fn parse(input: &[u8]) -> Option<(usize, u16, Option<BodyFraming>)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) | Err(_) => return None,
    };
    let value = |name: &str| response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let content_length = || std::str::from_utf8(value("content-length")?.value).ok()?.parse().ok();
    let framing = match value("transfer-encoding") {
        Some(_) => Some(BodyFraming::Chunked),
        None => content_length().map(BodyFraming::Length),
    };
    Some((length, response.code?, framing))
}
