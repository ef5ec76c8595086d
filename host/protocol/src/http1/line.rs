//! Finds lines in a buffer that grows.
//!
//! Only CRLF ends a line. RFC 9112 section 2.2 lets a recipient accept a bare LF, but that enables request smuggling.

use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

#[cfg(test)]
pub(crate) mod tests;

/// Finds line after line in a buffer that grows at its end, and looks at each byte once however the bytes come.
#[derive(Debug, Default)]
pub(crate) struct LineScan {
    start: usize,
    scanned: usize,
}

/// Why no line can be found any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum LineError {
    #[error("a line ends without CR")]
    BareLf,
    #[error("a line is too long")]
    TooLong,
}

impl LineScan {
    /// The place of the next line in `input`, without its CRLF; none until all of it is there.
    ///
    /// No byte past the first `limit` of `input` is looked at, so that the answer does not depend on how much came
    /// at once. From call to call `input` may only grow at its end, and `limit` may only rise.
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

    /// Where the next line starts: behind the CRLF of the last one found.
    pub(crate) fn position(&self) -> usize {
        self.start
    }
}
