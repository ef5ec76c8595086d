//! Ranges of a buffer.

use std::ops::Range;

/// A range in a buffer of less than 4 GiB. It has half the size of a `Range<usize>`, and is `Copy`.
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

    /// The range of `part` in `whole`. `part` has to be a subslice of `whole`. All empty parts have the same range.
    pub(crate) fn locate(part: &[u8], whole: &[u8]) -> Span {
        if part.is_empty() {
            return Span { start: 0, end: 0 };
        }
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        Span::new(start..start + part.len())
    }

    /// Converts a range that is relative to `outer` into one that is relative to the whole buffer.
    pub(crate) fn within(self, outer: Span) -> Span {
        Span { start: outer.start + self.start, end: outer.start + self.end }
    }

    /// The end of the range: the position after its last byte.
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    /// The bytes of `whole` in this range.
    #[inline]
    pub(crate) fn of(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..self.end as usize]
    }
}
