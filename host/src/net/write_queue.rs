//! Bytes that wait to be sent after each other, many of which other connections send too.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::Stream;

/// The most pieces that go out in one write.
const BATCH: usize = 17;

/// Pieces in order.
#[derive(Debug, Default)]
pub struct WriteQueue {
    pieces: VecDeque<Bytes>,
    /// Whether a part of the first piece was sent.
    begun: bool,
    /// A piece that goes before all that is not begun.
    urgent: Option<Bytes>,
}

impl WriteQueue {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Has a piece sent before all that is not begun. It takes the place of another such piece that is not begun either.
    pub fn push_urgent(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.urgent = Some(piece);
        }
    }

    /// Drops all that is not begun.
    pub fn drop_unbegun(&mut self) {
        self.pieces.truncate(self.begun.into());
        self.urgent = None;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.urgent.is_none()
    }

    /// How many pieces wait.
    pub fn pieces(&self) -> usize {
        self.pieces.len() + usize::from(self.urgent.is_some())
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.in_order().map(Bytes::len).sum()
    }

    /// Gives back its memory after all was sent. True where it had some: there was something to send.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.pieces).capacity() > 0
    }

    /// What waits, as it is sent.
    fn in_order(&self) -> impl Iterator<Item = &Bytes> {
        let begun = usize::from(self.begun);
        self.pieces.iter().take(begun).chain(&self.urgent).chain(self.pieces.iter().skip(begun))
    }

    /// Sends `first`, and then what waits here, `most` bytes at most, as far as the socket takes them at once. What it
    /// took of the queue is forgotten; of all it took, it says how much.
    pub fn send_behind(&mut self, first: &[u8], socket: &Stream, most: usize) -> io::Result<usize> {
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
        let sent = socket.try_write_vectored(&slices[..used])?;
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
