//! Places in a buffer.

use std::ops::Range;

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
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    /// What is at this place of `whole`.
    #[inline]
    pub(crate) fn of(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..self.end as usize]
    }
}
