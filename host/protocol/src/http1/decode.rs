//! The decoder of a body (RFC 9112 sections 6.2 and 7.1).
//!
//! Owns the grammar of the chunked coding and the bounds of a body. A body that is not [done](BodyDecoder::is_done) when the
//! connection ends is incomplete.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::framing::BodyFraming;
use super::line::{LineError, LineScan};
use crate::http::fields::{FieldError, Fields};
use crate::http::grammar::{parse_field_line, skip_ows, skip_quoted_string, split_token};
use crate::http::trailers::is_allowed_in_trailers;

#[cfg(test)]
mod tests;

/// The most bytes of one line of the chunked coding, with its CRLF. [`BodyDecoder::decode`] never needs more input at
/// once.
pub const MAX_LINE: usize = 8 * 1024;
/// The most bytes of all chunk extensions of one body. They have no meaning here, and a client could otherwise send any
/// number of them (RFC 9112 section 7.1.1).
const MAX_EXTENSIONS: usize = 16 * 1024;
/// The most bytes of a body's trailers, with the empty line after them.
const MAX_TRAILERS: usize = 16 * 1024;
/// The most hexadecimal digits of a chunk's size, which is a number of 64 bits.
const MAX_SIZE_DIGITS: usize = 16;

/// Takes one body from an input buffer, piece by piece. The body does not depend on how the bytes are split. The
/// decoder itself has a fixed size, apart from the trailers that it keeps.
#[derive(Debug)]
pub struct BodyDecoder {
    state: DecoderState,
    lines: LineScan,
    /// How many bytes further chunks may have within `max_body`.
    allowance: u64,
    extensions: usize,
    trailer_bytes: usize,
    /// Boxed, since few bodies have any.
    trailers: Option<Box<Fields>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderState {
    /// A body of known length, of which this many bytes are left.
    Length(u64),
    ChunkHeader,
    /// A chunk, of which this many bytes are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// A body that ends with its stream.
    ByStream,
    Done,
    Failed(DecodeError),
}

/// The result of [`BodyDecoder::decode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The next piece of the body, never empty.
    Piece(Bytes),
    /// The input has to grow first.
    NeedMore,
    /// The body is complete. The rest of the input belongs to the next request.
    End,
}

/// Why the rest of a body cannot be read. The connection can then carry no further request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The chunked coding is malformed.
    #[error("the chunked body is malformed: {0}")]
    Malformed(Malformation),
    /// The body is larger than `max_body`.
    #[error("the body is too large")]
    TooLarge,
}

impl DecodeError {
    /// The status of the response to such a request.
    pub fn status(&self) -> u16 {
        match self {
            DecodeError::Malformed(_) => 400,
            DecodeError::TooLarge => 413,
        }
    }
}

/// What is malformed in a chunked body (RFC 9112 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformation {
    /// A chunk does not start with 1 to 16 hexadecimal digits.
    #[error("invalid chunk size")]
    ChunkSize,
    /// A chunk's size is followed by something that is no extension.
    #[error("invalid chunk extension")]
    ChunkExtension,
    /// A chunk's line is longer than [`MAX_LINE`], or all extensions of the body together are too large.
    #[error("chunk extensions too large")]
    ExtensionsTooLarge,
    /// A chunk is not followed by CRLF.
    #[error("chunk not followed by CRLF")]
    ChunkEnd,
    /// A trailer is no field line.
    #[error("invalid trailer")]
    Trailer,
    /// The trailers have more than 16 KiB, one has more than [`MAX_LINE`] bytes, or those that are kept exceed a bound of
    /// [`Fields`].
    #[error("trailers too large")]
    TrailersTooLarge,
    /// A line ends in LF without CR.
    #[error("line without CR")]
    BareLf,
}

impl From<Malformation> for DecodeError {
    fn from(malformation: Malformation) -> DecodeError {
        DecodeError::Malformed(malformation)
    }
}

/// Checks the part of a body that has arrived, without taking it from `input`. A request whose body is already
/// malformed can then be refused before it is handled.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn check_begun(framing: BodyFraming, input: &[u8]) -> Result<(), DecodeError> {
    match framing {
        BodyFraming::None | BodyFraming::Length(_) | BodyFraming::ByStream(_) => Ok(()),
        BodyFraming::Chunked => {
            let mut decoder = BodyDecoder::new(framing, u64::MAX);
            let mut input = BytesMut::from(input);
            while let Decoded::Piece(_) = decoder.decode(&mut input, usize::MAX)? {}
            Ok(())
        }
    }
}

impl BodyDecoder {
    /// A decoder for a body of at most `max_body` bytes. If the framing announces more, the decoder has already
    /// [failed](BodyDecoder::failure).
    #[inline]
    pub fn new(framing: BodyFraming, max_body: u64) -> BodyDecoder {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => DecoderState::Done,
            BodyFraming::Length(length) if length > max_body => DecoderState::Failed(DecodeError::TooLarge),
            BodyFraming::Length(length) => DecoderState::Length(length),
            BodyFraming::Chunked => DecoderState::ChunkHeader,
            BodyFraming::ByStream(Some(length)) if length > max_body => DecoderState::Failed(DecodeError::TooLarge),
            BodyFraming::ByStream(_) => DecoderState::ByStream,
        };
        BodyDecoder {
            state,
            lines: LineScan::default(),
            allowance: max_body,
            extensions: 0,
            trailer_bytes: 0,
            trailers: None,
        }
    }

    /// Takes the next piece of the body from the start of `input`, without a copy. The piece has at most `max` bytes; 0
    /// counts as 1. Between calls, `input` may only grow at its end. After the end, each call returns [`Decoded::End`].
    ///
    /// Chunk framing is dropped. Trailers are kept for [`Self::take_trailers`].
    ///
    /// # Errors
    /// See [`DecodeError`]. Each later call returns the same error. A chunked body that exceeds `max_body` fails at the
    /// line of the chunk that exceeds it, before any byte of that chunk.
    pub fn decode(&mut self, input: &mut BytesMut, max: usize) -> Result<Decoded, DecodeError> {
        let decoded = self.step(input, max.max(1));
        if let Err(error) = decoded {
            self.state = DecoderState::Failed(error);
            self.trailers = None;
        }
        decoded
    }

    /// Whether the whole body was decoded.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state == DecoderState::Done
    }

    /// Takes the trailers. `None` until the body [is done](Self::is_done), and if it has no trailer that [is
    /// allowed](is_allowed_in_trailers). Trailers never become fields of the head (RFC 9110 section 6.5.1).
    ///
    /// A body has at most 16 KiB of trailers, dropped ones included, and those that are kept are within the bounds of
    /// [`Fields`]. A body with more is malformed.
    #[inline]
    pub fn take_trailers(&mut self) -> Option<Box<Fields>> {
        if self.is_done() { self.trailers.take() } else { None }
    }

    /// Whether the body ends with its stream, and has not ended yet.
    #[inline]
    pub fn ends_with_stream(&self) -> bool {
        self.state == DecoderState::ByStream
    }

    /// Completes a body that [ends with its stream](Self::ends_with_stream), which has ended with these trailers.
    pub fn end_with_stream(&mut self, trailers: Option<Box<Fields>>) {
        if self.ends_with_stream() {
            (self.state, self.trailers) = (DecoderState::Done, trailers);
        }
    }

    /// The error that decoding has ended with, if any.
    #[inline]
    pub fn failure(&self) -> Option<DecodeError> {
        match self.state {
            DecoderState::Failed(error) => Some(error),
            DecoderState::Length(_)
            | DecoderState::ChunkHeader
            | DecoderState::Chunk(_)
            | DecoderState::ChunkEnd
            | DecoderState::Trailers
            | DecoderState::ByStream
            | DecoderState::Done => None,
        }
    }

    /// The number of bytes of the body that the client has announced and not yet sent: the rest of a body of known
    /// length, or the rest of a chunk.
    #[inline]
    pub fn remaining(&self) -> u64 {
        match self.state {
            DecoderState::Length(left) | DecoderState::Chunk(left) => left,
            DecoderState::ChunkHeader
            | DecoderState::ChunkEnd
            | DecoderState::Trailers
            | DecoderState::ByStream
            | DecoderState::Done
            | DecoderState::Failed(_) => 0,
        }
    }

    fn step(&mut self, input: &mut BytesMut, max: usize) -> Result<Decoded, DecodeError> {
        loop {
            let next = match self.state {
                DecoderState::Length(left) => {
                    let Some((piece, left)) = split_piece(input, left, max) else { return Ok(Decoded::NeedMore) };
                    self.state = if left == 0 { DecoderState::Done } else { DecoderState::Length(left) };
                    return Ok(Decoded::Piece(piece));
                }
                DecoderState::Chunk(left) => {
                    let Some((piece, left)) = split_piece(input, left, max) else { return Ok(Decoded::NeedMore) };
                    self.state = if left == 0 { DecoderState::ChunkEnd } else { DecoderState::Chunk(left) };
                    return Ok(Decoded::Piece(piece));
                }
                DecoderState::ByStream => {
                    let left = self.allowance;
                    if input.len() as u64 > left {
                        return Err(DecodeError::TooLarge);
                    }
                    let Some((piece, left)) = split_piece(input, left, max) else { return Ok(Decoded::NeedMore) };
                    self.allowance = left;
                    return Ok(Decoded::Piece(piece));
                }
                DecoderState::ChunkHeader => self.chunk_header(input)?,
                DecoderState::ChunkEnd => chunk_end(input)?,
                DecoderState::Trailers => self.trailer(input)?,
                DecoderState::Done => return Ok(Decoded::End),
                DecoderState::Failed(error) => return Err(error),
            };
            match next {
                Some(state) => self.state = state,
                None => return Ok(Decoded::NeedMore),
            }
        }
    }

    fn chunk_header(&mut self, input: &mut BytesMut) -> Result<Option<DecoderState>, DecodeError> {
        let line = match self.take_line(input, MAX_LINE) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(LineError::BareLf) => return Err(Malformation::BareLf.into()),
            Err(LineError::TooLong) => return Err(Malformation::ExtensionsTooLarge.into()),
        };
        let (size, extensions) = parse_chunk_header(line.strip_suffix(b"\r\n").unwrap_or_default())?;
        self.extensions += extensions;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Malformation::ExtensionsTooLarge.into());
        }
        self.allowance = self.allowance.checked_sub(size).ok_or(DecodeError::TooLarge)?;
        Ok(Some(if size == 0 { DecoderState::Trailers } else { DecoderState::Chunk(size) }))
    }

    fn trailer(&mut self, input: &mut BytesMut) -> Result<Option<DecoderState>, DecodeError> {
        let line = match self.take_line(input, MAX_LINE.min(MAX_TRAILERS - self.trailer_bytes)) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(LineError::BareLf) => return Err(Malformation::BareLf.into()),
            Err(LineError::TooLong) => return Err(Malformation::TrailersTooLarge.into()),
        };
        self.trailer_bytes += line.len();
        if line == b"\r\n"[..] {
            return Ok(Some(DecoderState::Done));
        }
        let (name, value) = parse_field_line(&line).ok_or(Malformation::Trailer)?;
        if is_allowed_in_trailers(name) {
            self.trailers.get_or_insert_default().append(name, value).map_err(|error| match error {
                FieldError::TooLarge => Malformation::TrailersTooLarge,
                FieldError::Invalid | FieldError::Forbidden => Malformation::Trailer,
            })?;
        }
        Ok(Some(DecoderState::Trailers))
    }

    /// Takes a line with its CRLF from the start of `input`.
    fn take_line(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, LineError> {
        if self.lines.next(input, limit)?.is_none() {
            return Ok(None);
        }
        let line = input.split_to(self.lines.position());
        self.lines = LineScan::default();
        Ok(Some(line))
    }
}

/// Takes at most `max` bytes of the `left` ones from the start of `input`. Returns them, and how many are left then.
/// Returns `None` if `input` is empty.
fn split_piece(input: &mut BytesMut, left: u64, max: usize) -> Option<(Bytes, u64)> {
    let at_most = usize::try_from(left).map_or(max, |left| left.min(max));
    let piece = input.split_to(input.len().min(at_most)).freeze();
    let left = left - piece.len() as u64;
    (!piece.is_empty()).then_some((piece, left))
}

/// Takes the CRLF after a chunk's bytes.
fn chunk_end(input: &mut BytesMut) -> Result<Option<DecoderState>, DecodeError> {
    match input[..] {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => {
            input.advance(2);
            Ok(Some(DecoderState::ChunkHeader))
        }
        [..] => Err(Malformation::ChunkEnd.into()),
    }
}

/// The size of a chunk, and the length of its extensions.
fn parse_chunk_header(line: &[u8]) -> Result<(u64, usize), Malformation> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    if !(1..=MAX_SIZE_DIGITS).contains(&digits) {
        return Err(Malformation::ChunkSize);
    }
    let size = str::from_utf8(&line[..digits]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let extensions = &line[digits..];
    if !are_extensions(extensions) {
        return Err(Malformation::ChunkExtension);
    }
    Ok((size.ok_or(Malformation::ChunkSize)?, extensions.len()))
}

/// Whether `rest` is `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112 section 7.1.1).
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match skip_extension(rest) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

fn skip_extension(rest: &[u8]) -> Option<&[u8]> {
    let (name, behind_name) = split_token(skip_ows(skip_ows(rest).strip_prefix(b";")?));
    if name.is_empty() {
        return None;
    }
    let Some(value) = skip_ows(behind_name).strip_prefix(b"=") else { return Some(behind_name) };
    match split_token(skip_ows(value)) {
        ([], quoted) => skip_quoted_string(quoted),
        (_, behind_value) => Some(behind_value),
    }
}
