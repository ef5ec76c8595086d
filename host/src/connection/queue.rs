//! Bytes that wait to be sent after each other, many of which other connections send too.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

use crate::pump::Output;

/// The most pieces that go out in one write.
const BATCH: usize = 17;

/// Pieces in order.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Bytes>);

impl Queue {
    /// Adds a piece at the end.
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push_back(piece);
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pieces wait.
    pub(super) fn pieces(&self) -> usize {
        self.0.len()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Gives back its memory after all was sent. True where it had some: there was something to send.
    pub(super) fn release(&mut self) -> bool {
        std::mem::take(&mut self.0).capacity() > 0
    }

    /// Sends `first`, and then what waits here, `most` bytes at most, as far as the socket takes them at once. What it
    /// took of the queue is forgotten; of all it took, it says how much.
    pub(super) fn send_behind(&mut self, first: &[u8], socket: &TcpStream, most: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); BATCH];
        let pieces = std::iter::once(first).chain(self.0.iter().map(|piece| &piece[..]));
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
        while let Some(first) = self.0.front_mut() {
            if sent < first.len() {
                return first.advance(sent);
            }
            sent -= first.len();
            self.0.pop_front();
        }
    }
}

impl Output for &mut Queue {
    fn waiting(&self) -> usize {
        self.bytes()
    }

    fn send(&mut self, socket: &TcpStream, most: usize) -> io::Result<usize> {
        self.send_behind(&[], socket, most)
    }
}
