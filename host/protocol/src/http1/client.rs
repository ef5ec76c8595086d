//! A parser of responses for the client of an HTTP/1 connection, without IO. Bytes go in, and heads and pieces of the
//! body come out.
//!
//! The framing of the body is decided here for a client (RFC 9112 section 6.3), and by [`encoder`](super::encoder) for
//! the server. Both sides use [`BodyDecoder`] for the chunked coding.

use bytes::{Bytes, BytesMut};

use super::decode::{BodyDecoder, Decoded};
use super::framing::BodyFraming;

#[cfg(test)]
mod tests;

/// The most fields of a head. A head with more is not parsed.
const MAX_FIELDS: usize = 256;

/// Parses one response, and the interim responses before it, from an input that grows. The heads and the body do not
/// depend on how the bytes are split.
#[derive(Debug)]
pub struct ResponseParser {
    state: ParserState,
    to_head_request: bool,
}

/// Which part of the response the next byte belongs to.
#[derive(Debug)]
enum ParserState {
    /// The head of an interim response or of the final one.
    Head,
    /// A body whose framing shows where it ends.
    Body(BodyDecoder),
    /// A body that ends with the connection, or bytes after a response.
    Rest,
}

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponsePart {
    /// A complete head, of an interim response or of the final one.
    Head {
        /// The status.
        status: u16,
        /// The head as it was sent.
        bytes: Bytes,
    },
    /// A piece of the body without its framing, never empty.
    Body(Bytes),
    /// Bytes as they were sent, never empty. They belong to a body that ends with the connection, or follow a response,
    /// or start where its body is malformed.
    Rest(Bytes),
}

impl ResponseParser {
    /// A parser of the response to one request.
    #[must_use]
    pub fn new(to_head_request: bool) -> Self {
        Self { state: ParserState::Head, to_head_request }
    }

    /// Takes the next part from the start of `input`. Returns `None` if the input has to grow first. A piece of the
    /// body has at most `max` bytes.
    pub fn next(&mut self, input: &mut BytesMut, max: usize) -> Option<ResponsePart> {
        loop {
            match &mut self.state {
                ParserState::Head => {
                    let (length, status, framing) = parse_head(input)?;
                    self.state = match framing {
                        _ if status < 200 => ParserState::Head,
                        _ if self.to_head_request || matches!(status, 204 | 304) => ParserState::Rest,
                        Some(framing) => ParserState::Body(BodyDecoder::new(framing, u64::MAX)),
                        None => ParserState::Rest,
                    };
                    return Some(ResponsePart::Head { status, bytes: input.split_to(length).freeze() });
                }
                ParserState::Body(decoder) => match decoder.decode(input, max) {
                    Ok(Decoded::Piece(piece)) => return Some(ResponsePart::Body(piece)),
                    Ok(Decoded::NeedMore) => return None,
                    Ok(Decoded::End) | Err(_) => self.state = ParserState::Rest,
                },
                ParserState::Rest if input.is_empty() => return None,
                ParserState::Rest => return Some(ResponsePart::Rest(input.split().freeze())),
            }
        }
    }
}

/// Parses a complete head, and returns its length, the status, and the framing of the body.
fn parse_head(input: &[u8]) -> Option<(usize, u16, Option<BodyFraming>)> {
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
