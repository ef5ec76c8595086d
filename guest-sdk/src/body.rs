//! The body of the request, and why it cannot be read.

use std::fmt;
use std::io;

use crate::bindings::vibrato::handler::types::BodyError as Refusal;
use crate::host::request;

/// The body of the request, read as it arrives.
///
/// An iterator of pieces. No piece is empty or larger than the route's `buffer_size`; after an error, the iterator
/// ends. It is an [`io::Read`] too. A handler that returns it sends it back.
///
/// ```no_run
/// use guest_sdk::{BodyError, Request};
///
/// /// The bytes of an upload of any size, in no more memory than one piece takes.
/// fn length(request: Request) -> Result<String, BodyError> {
///     let mut length = 0;
///     for piece in request.body() {
///         length += piece?.len();
///     }
///     Ok(format!("{length} bytes\n"))
/// }
/// ```
#[derive(Debug)]
pub struct Body {
    /// Whether the error was returned already: an iterator that repeats it would never end.
    failed: bool,
}

impl Body {
    /// An invocation has one body, and the host keeps its position.
    pub(crate) const fn of_invocation() -> Self {
        Self { failed: false }
    }

    /// Waits for the next piece: at least one byte and at most `max`, and never more than the route's `buffer_size`.
    /// `None` at the end of the body. A `max` of 0 counts as 1.
    ///
    /// # Errors
    ///
    /// Why the remainder cannot be read. Further calls return the same error.
    pub fn next_piece(&mut self, max: u32) -> Result<Option<Vec<u8>>, BodyError> {
        request::read(max).map_err(BodyError::from)
    }

    /// Reads the remainder of the body into memory, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] past the limit, or the reason why the body cannot be read.
    pub fn read_all(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece(u32::MAX)? {
            if piece.len() > limit - all.len() {
                return Err(BodyError::TooLarge);
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

impl Iterator for Body {
    type Item = Result<Vec<u8>, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let piece = self.next_piece(u32::MAX).transpose();
        self.failed = matches!(piece, Some(Err(_)));
        piece
    }
}

impl io::Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let max = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let piece = self.next_piece(max)?.unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Why the remainder of the request's body cannot be read.
///
/// If a handler returns it as its error, the response has its [`status`](Self::status), because the client is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The client ended the connection before the end of the body.
    Incomplete,
    /// The chunked coding of the body is malformed (RFC 9112 section 7.1).
    Malformed,
    /// The body is larger than the route's `max_body`, or than the limit it was read with.
    TooLarge,
    /// The client sent nothing, or less than the minimum rate, for longer than the host waits.
    TimedOut,
}

impl BodyError {
    /// The status of the response: 400, 408 or 413.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Incomplete | Self::Malformed => 400,
            Self::TimedOut => 408,
            Self::TooLarge => 413,
        }
    }

    /// The error message.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Incomplete => "the client ended the connection before the end of the body",
            Self::Malformed => "the chunked coding of the body is malformed",
            Self::TooLarge => "the body is larger than allowed",
            Self::TimedOut => "the client did not send its body in time",
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for BodyError {}

impl From<Refusal> for BodyError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Incomplete => Self::Incomplete,
            Refusal::Malformed => Self::Malformed,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::TimedOut => Self::TimedOut,
        }
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Incomplete => io::ErrorKind::UnexpectedEof,
            BodyError::Malformed => io::ErrorKind::InvalidData,
            BodyError::TooLarge => io::ErrorKind::FileTooLarge,
            BodyError::TimedOut => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}
