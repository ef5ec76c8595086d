//! The decoder of a request body, by its framing (RFC 9112 sections 6.2 and 7.1).
//!
//! Owns the grammar of the chunked coding and the bounds of a body. A body that is not [done](BodyDecoder::is_done) when the
//! connection ends is incomplete.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::framing::BodyFraming;
use super::line::{LineError, LineScan};
use crate::http::grammar::{is_field_line, skip_ows, skip_quoted_string, split_token};

#[cfg(test)]
mod tests;

/// Bytes of one line of the chunked coding, its end included: the most that [`BodyDecoder::decode`] has to see at once.
pub const MAX_LINE: usize = 8 * 1024;
/// Bytes of all chunk extensions of one body: they say nothing, and a body could be made of them (RFC 9112 section
/// 7.1.1).
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Bytes of a body's trailers, the empty line behind them included.
const MAX_TRAILERS: usize = 16 * 1024;
/// Digits of a chunk's size: as many as 64 bits have.
const MAX_SIZE_DIGITS: usize = 16;

/// Takes the body of one request off an input buffer, piece by piece. Any split of the same bytes gives the same
/// body, and what it keeps itself has a fixed size.
#[derive(Debug)]
pub struct BodyDecoder {
    state: DecoderState,
    lines: LineScan,
    /// What `max_body` leaves for chunks to come.
    allowance: u64,
    extensions: usize,
    trailers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderState {
    /// So many bytes of a body of known length are to come.
    Length(u64),
    ChunkHeader,
    /// So many bytes of the chunk are to come.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
    Failed(DecodeError),
}

/// What a call of [`BodyDecoder::decode`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The next piece of the body, never empty.
    Piece(Bytes),
    /// Nothing more until the input has grown.
    NeedMore,
    /// The body is whole. What is left of the input belongs to the next request.
    End,
}

/// Why the rest of a body cannot be had: the connection has no next request.
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
    /// The status that answers it.
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
    /// A chunk's size is followed by what is no extension.
    #[error("invalid chunk extension")]
    ChunkExtension,
    /// A chunk's line is longer than [`MAX_LINE`], or all extensions together are too large.
    #[error("chunk extensions too large")]
    ExtensionsTooLarge,
    /// A chunk is not followed by CRLF.
    #[error("chunk not followed by CRLF")]
    ChunkEnd,
    /// A trailer is no field line.
    #[error("invalid trailer")]
    Trailer,
    /// The trailers are too large.
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

/// Checks what has come of a body so far and takes nothing of it, so that a request that is malformed already can be
/// refused before anything is done about it.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn check_begun(framing: BodyFraming, input: &[u8]) -> Result<(), DecodeError> {
    match framing {
        BodyFraming::None | BodyFraming::Length(_) => Ok(()),
        BodyFraming::Chunked => {
            let mut decoder = BodyDecoder::new(framing, u64::MAX);
            let mut input = BytesMut::from(input);
            while let Decoded::Piece(_) = decoder.decode(&mut input, usize::MAX)? {}
            Ok(())
        }
    }
}

impl BodyDecoder {
    /// A decoder for a body of at most `max_body` bytes. Where the framing announces more, it has
    /// [failed](BodyDecoder::failure) already.
    #[inline]
    pub fn new(framing: BodyFraming, max_body: u64) -> BodyDecoder {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => DecoderState::Done,
            BodyFraming::Length(length) if length > max_body => DecoderState::Failed(DecodeError::TooLarge),
            BodyFraming::Length(length) => DecoderState::Length(length),
            BodyFraming::Chunked => DecoderState::ChunkHeader,
        };
        BodyDecoder { state, lines: LineScan::default(), allowance: max_body, extensions: 0, trailers: 0 }
    }

    /// Takes the next piece of the body off the start of `input`, without a copy: at most `max` bytes, a `max` of 0
    /// counting as 1. Between calls `input` may only grow at its end. Every call after the end says so again.
    ///
    /// Chunk framing and trailers are dropped: trailers never become fields (RFC 9110 section 6.5.1).
    ///
    /// # Errors
    /// See [`DecodeError`]; every later call says the same. A chunked body that grows past `max_body` fails at the
    /// line of the chunk that does it, before any of its bytes.
    pub fn decode(&mut self, input: &mut BytesMut, max: usize) -> Result<Decoded, DecodeError> {
        let decoded = self.step(input, max.max(1));
        if let Err(error) = decoded {
            self.state = DecoderState::Failed(error);
        }
        decoded
    }

    /// Whether the whole body was decoded.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state == DecoderState::Done
    }

    /// The error that decoding ended with, if it did.
    #[inline]
    pub fn failure(&self) -> Option<DecodeError> {
        match self.state {
            DecoderState::Failed(error) => Some(error),
            DecoderState::Length(_)
            | DecoderState::ChunkHeader
            | DecoderState::Chunk(_)
            | DecoderState::ChunkEnd
            | DecoderState::Trailers
            | DecoderState::Done => None,
        }
    }

    /// The bytes of the body that are certain to come, if the client keeps its word: all of a body of known length,
    /// the rest of a chunk.
    #[inline]
    pub fn remaining(&self) -> u64 {
        match self.state {
            DecoderState::Length(left) | DecoderState::Chunk(left) => left,
            DecoderState::ChunkHeader
            | DecoderState::ChunkEnd
            | DecoderState::Trailers
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
        let line = match self.take_line(input, MAX_LINE.min(MAX_TRAILERS - self.trailers)) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(LineError::BareLf) => return Err(Malformation::BareLf.into()),
            Err(LineError::TooLong) => return Err(Malformation::TrailersTooLarge.into()),
        };
        self.trailers += line.len();
        match &line[..] {
            b"\r\n" => Ok(Some(DecoderState::Done)),
            field if is_field_line(field) => Ok(Some(DecoderState::Trailers)),
            _ => Err(Malformation::Trailer.into()),
        }
    }

    /// Takes a line with its CRLF off the start of `input`.
    fn take_line(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, LineError> {
        if self.lines.next(input, limit)?.is_none() {
            return Ok(None);
        }
        let line = input.split_to(self.lines.position());
        self.lines = LineScan::default();
        Ok(Some(line))
    }
}

/// Takes at most `max` of the `left` bytes to come off the start of `input`, and says how many are to come then; none
/// where `input` is empty.
fn split_piece(input: &mut BytesMut, left: u64, max: usize) -> Option<(Bytes, u64)> {
    let at_most = usize::try_from(left).map_or(max, |left| left.min(max));
    let piece = input.split_to(input.len().min(at_most)).freeze();
    let left = left - piece.len() as u64;
    (!piece.is_empty()).then_some((piece, left))
}

/// Takes the CRLF behind a chunk's bytes.
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

/// The size of a chunk and the bytes that its extensions take.
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
