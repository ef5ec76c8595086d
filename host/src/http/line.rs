//! Places in a buffer, and the search for lines in a buffer that grows.
//!
//! It owns what ends a line: CRLF and nothing else. RFC 9112 section 2.2 lets a recipient take a bare LF too, but
//! one that does is half of a smuggling pair. It must not know what a line means.

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

/// A place in a buffer of less than 4 GiB: half the size of a `Range<usize>`, and `Copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The most bytes of a buffer that spans can point into.
    pub(crate) const MAX_BUFFER: usize = u32::MAX as usize;

    pub(crate) fn new(range: Range<usize>) -> Span {
        let narrow = |at| u32::try_from(at).expect("buffers with spans are bounded by MAX_BUFFER");
        Span { start: narrow(range.start), end: narrow(range.end) }
    }

    /// The place of `part` in `whole`, of which it is a piece. All empty pieces are the same.
    pub(crate) fn locate(part: &[u8], whole: &[u8]) -> Span {
        if part.is_empty() {
            return Span { start: 0, end: 0 };
        }
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        Span::new(start..start + part.len())
    }

    /// The place in the buffer of what is at this place of a part of it, `outer`.
    pub(crate) fn within(self, outer: Span) -> Span {
        Span { start: outer.start + self.start, end: outer.start + self.end }
    }

    /// Where it ends: the place behind its last byte.
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    /// What is at this place of `whole`.
    pub(crate) fn of(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..self.end as usize]
    }
}
