//! Finds lines in a buffer that grows.
//!
//! Only CRLF ends a line. RFC 9112 section 2.2 lets a recipient accept a bare LF, but that enables request smuggling.

use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

#[cfg(test)]
pub(crate) mod tests;

/// Finds one line after another in a buffer that grows at its end. It examines each byte once, however the bytes are
/// split.
#[derive(Debug, Default)]
pub(crate) struct LineScan {
    start: usize,
    scanned: usize,
}

/// Why no further line can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum LineError {
    #[error("a line ends without CR")]
    BareLf,
    #[error("a line is too long")]
    TooLong,
}

impl LineScan {
    /// The range of the next line in `input`, without its CRLF. It is `None` until the whole line has arrived.
    ///
    /// No byte after the first `limit` bytes of `input` is examined, so that the result does not depend on how the
    /// bytes are split. Between calls, `input` may only grow at its end, and `limit` may only rise.
    pub(crate) fn next(&mut self, input: &[u8], limit: usize) -> Result<Option<Range<usize>>, LineError> {
        let window = &input[..input.len().min(limit)];
        let fresh = window.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr(b'\n', fresh) else {
            self.scanned = window.len();
            return if input.len() < limit { Ok(None) } else { Err(LineError::TooLong) };
        };
        let lf = self.scanned + found;
        if !window[self.start..lf].ends_with(b"\r") {
            return Err(LineError::BareLf);
        }
        let line = self.start..lf - 1;
        self.start = lf + 1;
        self.scanned = self.start;
        Ok(Some(line))
    }

    /// The start of the next line, which is the position after the CRLF of the last line that was found.
    pub(crate) fn position(&self) -> usize {
        self.start
    }
}
