//! A response as the client of an HTTP/1 connection sees it, without IO: bytes come in, the head and the body come out.
//!
//! How the body is framed is decided here for a client (RFC 9112 section 6.3), as [`encoder`](super::encoder) decides it
//! for the server. The chunked coding has one decoder for both, [`BodyDecoder`].

use bytes::{Bytes, BytesMut};

use super::decode::{BodyDecoder, Decoded};
use super::framing::BodyFraming;

#[cfg(test)]
mod tests;

/// The fields of a head that are looked at. A head that has more is not read.
const MAX_FIELDS: usize = 256;

/// Takes one response, and the interim ones before it, off an input that grows. Any split of the same bytes gives the
/// same heads and the same body.
#[derive(Debug)]
pub struct ResponseParser {
    state: ParserState,
    to_head_request: bool,
}

/// Where in the response the next byte is.
#[derive(Debug)]
enum ParserState {
    /// In a head, of an interim response or the last one.
    Head,
    /// In a body whose framing says where it ends.
    Body(BodyDecoder),
    /// In a body that the end of the connection ends, or behind a response.
    Rest,
}

/// What comes of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponsePart {
    /// A whole head, of an interim response or the last one.
    Head {
        /// The status.
        status: u16,
        /// The head as it was sent.
        bytes: Bytes,
    },
    /// A piece of the body without its framing, never empty.
    Body(Bytes),
    /// What belongs to a body that the end of the connection ends, or follows a response, or what is malformed in its
    /// body. It is as it was sent, and never empty.
    Rest(Bytes),
}

impl ResponseParser {
    /// A parser of the response to a request, whose method is HEAD or not.
    #[must_use]
    pub fn new(to_head_request: bool) -> Self {
        Self { state: ParserState::Head, to_head_request }
    }

    /// Takes the next part off the start of `input`; none until the input has grown. A body comes in pieces of at most
    /// `max` bytes.
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

/// A head that is whole: its length, the status, how it frames a body.
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
