//! The parser of a request head: bytes to [`RequestHead`] (RFC 9112 sections 2 to 5).
//!
//! Owns the limits of a head and which heads are well-formed. httparse parses the field lines. Where it is too lenient,
//! this module refuses the head.

use bytes::{Buf, BytesMut};
use httparse::Status;
use smallvec::{SmallVec, smallvec};
use thiserror::Error;

use super::line::{LineError, LineScan};
use crate::http::grammar::TCHAR;
use crate::http::head::{ControlData, Field, RequestHead};
use crate::http::span::Span;
use crate::http::target::{Target, TargetError};
use crate::http::version::Version;

#[cfg(test)]
mod tests;

/// RFC 9110 section 9.1 sets no bound. The longest registered method has 17 bytes.
const MAX_METHOD: usize = 32;
/// The most empty lines before a request line that are skipped. RFC 9112 section 2.2 asks for at least one.
const MAX_EMPTY_LINES: usize = 4;
/// The number of bytes in a request line after its target.
const AFTER_TARGET: usize = b" HTTP/1.1\r\n".len();
/// The number of field lines that httparse can return without an allocation. The heads of browsers fit.
const INLINE_FIELDS: usize = 16;

/// The limits of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadLimits {
    /// The most bytes of the whole head, from the method to the empty line. A larger head gets 431.
    pub max_bytes: usize,
    /// The most field lines. A head with more gets 431.
    pub max_fields: usize,
    /// The most bytes of the request target. A longer one gets 414. RFC 9112 section 3 recommends to support at least
    /// 8,000 octets for the request line.
    pub max_target: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits { max_bytes: 32 * 1024, max_fields: 100, max_target: 16 * 1024 }
    }
}

/// Why a head is refused. Nothing that follows it on the connection can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadError {
    /// The request does not start with a token and a space.
    #[error("the method is malformed")]
    Method,
    /// The method is longer than any known method.
    #[error("the method is too long")]
    MethodTooLong,
    /// The request line is not a method, a target and a version with one space between them.
    #[error("the request line is malformed")]
    RequestLine,
    /// The target is longer than [`HeadLimits::max_target`].
    #[error("the target is too long")]
    TargetTooLong,
    /// The target or the Host is invalid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The major version is not 1.
    #[error("the version of HTTP is not supported")]
    VersionUnsupported,
    /// There are too many empty lines before the request line.
    #[error("too many empty lines before the request")]
    EmptyLines,
    /// A line ends in LF without CR.
    #[error("a line ends without CR")]
    BareLf,
    /// A field line is malformed: its name, its colon or its value, or it continues the line before (obs-fold).
    #[error("a field line is malformed")]
    Field,
    /// There are more than [`HeadLimits::max_fields`].
    #[error("too many fields")]
    TooManyFields,
    /// The head is larger than [`HeadLimits::max_bytes`].
    #[error("the head is too large")]
    TooLarge,
}

impl HeadError {
    /// The status of the response to such a request.
    pub fn status(&self) -> u16 {
        match self {
            HeadError::Method
            | HeadError::RequestLine
            | HeadError::EmptyLines
            | HeadError::BareLf
            | HeadError::Field => 400,
            HeadError::TargetTooLong => 414,
            HeadError::TooManyFields | HeadError::TooLarge => 431,
            HeadError::MethodTooLong => 501,
            HeadError::VersionUnsupported => 505,
            HeadError::Target(error) => error.status(),
        }
    }
}

/// Parses a head from a buffer that grows. It keeps its position, so that a client that sends slowly costs no more than
/// one that sends everything at once. The result does not depend on how the bytes are split.
#[derive(Debug, Default)]
pub struct HeadParser {
    lines: LineScan,
    empty_lines: usize,
    /// Whether the method has arrived and is HEAD.
    is_head: bool,
    request_line: Option<ControlData>,
    field_lines: usize,
}

impl HeadParser {
    /// Takes the head from the start of `input`, without a copy. Returns `None` until the whole head has arrived. After
    /// a head, the parser is ready for the next request. Between calls, `input` may only grow at its end.
    ///
    /// # Errors
    /// See [`HeadError`]. A malformed request line and a passed limit are reported as soon as they are seen, and
    /// malformed fields and an invalid Host once the head is complete. After an error, the connection can carry no
    /// further request.
    pub fn parse(&mut self, input: &mut BytesMut, limits: &HeadLimits) -> Result<Option<RequestHead>, HeadError> {
        let request_line = match self.request_line {
            Some(request_line) => request_line,
            None => match self.find_request_line(input, limits)? {
                Some(request_line) => *self.request_line.insert(request_line),
                None => return Ok(None),
            },
        };
        let Some(end) = self.find_end(input, limits)? else { return Ok(None) };
        let fields = parse_fields(&input[..end], end_of_line(&request_line), self.field_lines)?;
        let head = RequestHead::new(take(input, end).freeze(), request_line, fields)?;
        *self = HeadParser::default();
        Ok(Some(head))
    }

    /// After an error, or if the rest of the head did not arrive in time: whether the method of the refused request is
    /// HEAD, so that the response has no body (RFC 9110 section 9.3.2).
    #[must_use]
    pub fn refused_head_request(&self) -> bool {
        self.is_head
    }

    fn find_request_line(
        &mut self,
        input: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<ControlData>, HeadError> {
        while input.starts_with(b"\r\n") {
            self.empty_lines += 1;
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(HeadError::EmptyLines);
            }
            input.advance(2);
        }
        if matches!(input[..], [] | [b'\r']) {
            return Ok(None);
        }
        // The method is checked before the line is complete, so that input that is not HTTP, such as a TLS handshake,
        // is refused by its first bytes.
        let Some(method) = method_length(input)? else { return Ok(None) };
        self.is_head = &input[..method] == b"HEAD";
        let longest = limits.max_target.saturating_add(method + 1 + AFTER_TARGET);
        match self.lines.next(input, longest.min(max_bytes(limits))) {
            Ok(None) => Ok(None),
            Ok(Some(line)) => parse_request_line(&input[line], method, limits).map(Some),
            Err(LineError::TooLong) => Err(HeadError::TargetTooLong),
            Err(LineError::BareLf) => Err(HeadError::BareLf),
        }
    }

    /// The end of the head, which is the position after its empty line.
    fn find_end(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        loop {
            let line = match self.lines.next(input, max_bytes(limits)) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(LineError::TooLong) => return Err(HeadError::TooLarge),
                Err(LineError::BareLf) => return Err(HeadError::BareLf),
            };
            if line.is_empty() {
                return Ok(Some(self.lines.position()));
            }
            self.field_lines += 1;
            if self.field_lines > limits.max_fields {
                return Err(HeadError::TooManyFields);
            }
        }
    }
}

/// Takes the first `count` bytes from `input`. If that is all of it, the whole buffer is taken, which is cheaper than
/// sharing it.
fn take(input: &mut BytesMut, count: usize) -> BytesMut {
    if count == input.len() { std::mem::take(input) } else { input.split_to(count) }
}

fn max_bytes(limits: &HeadLimits) -> usize {
    limits.max_bytes.min(Span::MAX_BUFFER)
}

/// The length of the method at the start of `input`. It is `None` until the space after the method has arrived.
fn method_length(input: &[u8]) -> Result<Option<usize>, HeadError> {
    match input.iter().take(MAX_METHOD + 1).position(|byte| !TCHAR.has(*byte)) {
        Some(end) if end > 0 && input[end] == b' ' => Ok(Some(end)),
        Some(_) => Err(HeadError::Method),
        None if input.len() > MAX_METHOD => Err(HeadError::MethodTooLong),
        None => Ok(None),
    }
}

/// `line` is at the start of the buffer, without its CRLF, and `method` is the length of its method.
fn parse_request_line(line: &[u8], method: usize, limits: &HeadLimits) -> Result<ControlData, HeadError> {
    let rest = &line[method + 1..];
    let length = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    if length > limits.max_target {
        return Err(HeadError::TargetTooLong);
    }
    let target = method + 1..method + 1 + length;
    let version = match line[target.end..].strip_prefix(b" HTTP/") {
        Some(b"1.0") => Version::Http10,
        Some([b'1', b'.', b'1'..=b'9']) => Version::Http11,
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => return Err(HeadError::VersionUnsupported),
        Some(_) | None => return Err(HeadError::RequestLine),
    };
    let parts = Target::parse(&line[..method], &line[target.clone()])?;
    Ok(ControlData { method: Span::new(0..method), target: Span::new(target), version, parts })
}

/// The position after the request line.
fn end_of_line(request_line: &ControlData) -> usize {
    request_line.target.end() + AFTER_TARGET
}

/// Parses the `count` field lines of `head` from `start` on.
fn parse_fields(head: &[u8], start: usize, count: usize) -> Result<Box<[Field]>, HeadError> {
    let mut lines: SmallVec<[httparse::Header<'_>; INLINE_FIELDS]> = smallvec![httparse::EMPTY_HEADER; count];
    let Ok(Status::Complete((_, lines))) = httparse::parse_headers(&head[start..], &mut lines) else {
        return Err(HeadError::Field);
    };
    let field = |line: &httparse::Header<'_>| Field {
        name: Span::locate(line.name.as_bytes(), head),
        value: Span::locate(line.value, head),
    };
    Ok(lines.iter().map(field).collect())
}
