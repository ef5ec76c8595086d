//! The response of `host call`, printed as it comes.
//!
//! Owns where its head ends and how its body is framed, as a client sees it (RFC 9112 section 6.3).

use std::io::{self, ErrorKind, Read, Write};

use bytes::BytesMut;
use host::http1::decode::{BodyDecoder, Decoded};
use host::http1::framing::BodyFraming;

/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// The fields of a head that are looked at; the host sends fewer.
const MAX_FIELDS: usize = 256;

/// What came of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallResponse {
    /// Its status; none where not one byte came.
    pub(super) status: Option<u16>,
    /// The bytes that came, framing included.
    pub(super) received: u64,
    /// The connection was reset.
    pub(super) reset: bool,
}

/// How a response is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// The body without its framing.
    Decoded,
    /// As it was sent.
    Raw,
}

/// Where in the response the next byte is.
enum ReadState {
    /// In a head, an interim response's or the last one's.
    Head,
    /// In a body whose framing says where it ends.
    Framed(BodyDecoder),
    /// In a body that the end of the connection ends, or behind one.
    Rest,
}

impl CallResponse {
    /// Reads until the connection ends, and prints.
    pub(super) fn read(
        mut socket: impl Read,
        to_head_request: bool,
        form: BodyFormat,
        out: &mut impl Write,
    ) -> io::Result<Self> {
        let mut reply = Self::default();
        let mut state = ReadState::Head;
        let mut input = BytesMut::new();
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    reply.reset = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            reply.received += piece.len() as u64;
            input.extend_from_slice(piece);
            if form == BodyFormat::Raw {
                out.write_all(piece)?;
            }
            let mut decoded = match form {
                BodyFormat::Raw => BodySink::Nowhere,
                BodyFormat::Decoded => BodySink::To(&mut *out),
            };
            state = reply.advance(state, &mut input, to_head_request, &mut decoded)?;
            out.flush()?;
        }
        Ok(reply)
    }

    /// Goes on as far as the input does.
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
                        _ if to_head_request || status == 204 || status == 304 => ReadState::Rest,
                        Some(framing) => ReadState::Framed(BodyDecoder::new(framing, u64::MAX)),
                        None => ReadState::Rest,
                    }
                }
                ReadState::Framed(mut decoder) => match decoder.decode(input, PIECE) {
                    Ok(Decoded::Piece(piece)) => {
                        out.write(&piece)?;
                        ReadState::Framed(decoder)
                    }
                    Ok(Decoded::NeedMore) => return Ok(ReadState::Framed(decoder)),
                    Ok(Decoded::End) | Err(_) => ReadState::Rest,
                },
                ReadState::Rest => {
                    out.write(&input.split())?;
                    return Ok(ReadState::Rest);
                }
            };
        }
    }
}

/// Where what is decoded goes.
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

/// A head that is whole: its length, the status, how it frames a body.
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
