//! A queue of bytes to write, which other connections may share.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::Stream;

/// The most pieces of one write.
const BATCH: usize = 17;

/// Pieces to write, in order.
#[derive(Debug, Default)]
pub struct WriteQueue {
    pieces: VecDeque<Bytes>,
    /// Whether a part of the first piece was written.
    begun: bool,
    /// A piece that is written before all pieces that are not begun.
    urgent: Option<Bytes>,
}

impl WriteQueue {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Adds a piece before all pieces that are not begun. It replaces an earlier urgent piece that is not begun.
    pub fn push_urgent(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.urgent = Some(piece);
        }
    }

    /// Drops all pieces that are not begun.
    pub fn drop_unbegun(&mut self) {
        self.pieces.truncate(self.begun.into());
        self.urgent = None;
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.urgent.is_none()
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.pieces.len() + usize::from(self.urgent.is_some())
    }

    /// The number of bytes.
    pub fn bytes(&self) -> usize {
        self.in_order().map(Bytes::len).sum()
    }

    /// Frees its memory if all pieces are written. Returns true if it had memory, which means that there was something
    /// to write.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.pieces).capacity() > 0
    }

    /// The pieces in the order in which they are written.
    fn in_order(&self) -> impl Iterator<Item = &Bytes> {
        let begun = usize::from(self.begun);
        self.pieces.iter().take(begun).chain(&self.urgent).chain(self.pieces.iter().skip(begun))
    }

    /// Writes `first` and then the queue, at most `most` bytes in all, as many as the stream accepts without waiting. Removes
    /// from the queue what was accepted, and returns the number of bytes of both.
    ///
    /// # Errors
    /// As [`Stream::try_write_vectored`].
    pub fn send_behind(&mut self, first: &[u8], stream: &Stream, most: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); BATCH];
        let pieces = std::iter::once(first).chain(self.in_order().map(|piece| &piece[..]));
        let (mut used, mut left) = (0, most);
        for (slice, piece) in slices.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            if left == 0 {
                break;
            }
            *slice = IoSlice::new(&piece[..piece.len().min(left)]);
            left -= slice.len();
            used += 1;
        }
        let sent = stream.try_write_vectored(&slices[..used])?;
        self.advance(sent.saturating_sub(first.len()));
        Ok(sent)
    }

    fn advance(&mut self, mut sent: usize) {
        while sent > 0 {
            if !self.begun
                && let Some(urgent) = self.urgent.take()
            {
                self.pieces.push_front(urgent);
            }
            let Some(first) = self.pieces.front_mut() else { return };
            self.begun = sent < first.len();
            if self.begun {
                return first.advance(sent);
            }
            sent -= first.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(queue: &WriteQueue) -> String {
        queue.in_order().map(|piece| String::from_utf8_lossy(piece)).collect::<Vec<_>>().join(" ")
    }

    fn queue() -> WriteQueue {
        let mut queue = WriteQueue::default();
        for piece in ["one", "two"] {
            queue.push(piece.into());
        }
        queue
    }

    #[test]
    fn an_urgent_piece_goes_before_all_that_is_not_begun() {
        for (sent, then) in [(0, "now one two"), (2, "e now two"), (3, "now two"), (6, "now")] {
            let mut queue = queue();
            queue.advance(sent);
            queue.push_urgent("now".into());
            assert_eq!(waiting(&queue), then, "after {sent}");
            assert_eq!(queue.bytes(), 9 - sent, "after {sent}");
            assert!(!queue.is_empty());
        }
    }

    #[test]
    fn an_urgent_piece_that_is_begun_is_finished_and_one_that_is_not_is_replaced() {
        let mut queue = queue();
        queue.push_urgent("first".into());
        queue.push_urgent("now".into());
        assert_eq!(waiting(&queue), "now one two");
        queue.advance(1);
        queue.push_urgent("next".into());
        assert_eq!((waiting(&queue), queue.pieces()), ("ow next one two".to_owned(), 4));
        queue.advance(2 + 4 + 3 + 3);
        assert!(queue.is_empty() && queue.release() && !queue.release());
    }

    #[test]
    fn what_is_begun_is_finished_where_the_rest_is_dropped() {
        for (sent, then) in [(0, ""), (2, "e"), (3, ""), (4, "wo")] {
            let mut queue = queue();
            queue.advance(sent);
            queue.push_urgent("now".into());
            queue.drop_unbegun();
            assert_eq!(waiting(&queue), then, "after {sent}");
        }
    }
}
