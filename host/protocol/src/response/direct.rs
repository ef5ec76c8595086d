//! Large pieces of a body that are sent from where they lie, and not by way of the output.
//!
//! Owns what was accepted of them where the socket took a part. It must not know the socket.

use std::io::{self, IoSlice};

use smallvec::SmallVec;

use super::{Response, ResponseError, ResponseState};
use crate::http::date::Date;
use crate::http1::encode::{self, CHUNK_END, Framing};

/// The fewest bytes that are worth a system call of their own: fewer go out with others, by way of the output.
const LEAST: usize = 32 * 1024;

/// The most pieces that are sent at once, and the smallest that many of them are worth it.
const MAX_SLICES: usize = 8;
const MIN_PIECE_BYTES: usize = 4 * 1024;

/// A piece as it goes on the wire: the line before it, itself, the end of its line. The lines are empty where it is no
/// chunk.
type ChunkSlices<'c> = [&'c [u8]; 3];

impl Response {
    /// Whether [`Self::write_through`] does something with a chunk of `length` bytes: it is large, nothing waits to be
    /// sent before it, and nothing is held back until it is worth a chunk.
    #[inline]
    #[must_use]
    pub fn writes_through(&self, length: usize) -> bool {
        length >= LEAST
            && self.options.buffer_size >= MIN_PIECE_BYTES
            && self.options.coalesce == 0
            && self.output.is_empty()
            && !self.is_over()
    }

    /// Writes as much of a chunk as `send` takes at once, with the head before it where that is to be sent, and says how
    /// much that is. The rest of a piece of which a part was sent is accepted too, and output; so is the head where
    /// `send` fails, with nothing of the chunk: who sends the output finds out why.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_through(
        &mut self,
        chunk: &[u8],
        date: fn() -> Date,
        send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<usize, ResponseError> {
        if !self.admits(chunk.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        let ResponseState::Sending(framing @ (Framing::Chunked | Framing::Length(_) | Framing::CloseDelimited)) =
            self.state
        else {
            return Ok(0);
        };
        let pieces = || chunk.chunks(self.options.buffer_size).take(MAX_SLICES);
        let lines: SmallVec<[encode::SizeLine; MAX_SLICES]> = match framing {
            Framing::Chunked => pieces().map(|piece| encode::size_line(piece.len())).collect(),
            Framing::Length(_) | Framing::CloseDelimited | Framing::NoBody => SmallVec::new(),
        };
        let end = if framing == Framing::Chunked { CHUNK_END } else { b"" };
        let line = |at: usize| lines.get(at).map_or(&b""[..], |line| line);
        let frames: SmallVec<[ChunkSlices<'_>; MAX_SLICES]> =
            pieces().enumerate().map(|(at, piece)| [line(at), piece, end]).collect();
        let sent = {
            let parts = std::iter::once(&*self.output).chain(frames.iter().flatten().copied());
            let slices: SmallVec<[IoSlice<'_>; 3 * MAX_SLICES + 1]> =
                parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
            send(&slices)
        };
        Ok(sent.map_or(0, |sent| self.account_through(&frames, sent)))
    }

    /// Accepts the pieces of which something was sent, and gives their bytes.
    fn account_through(&mut self, frames: &[ChunkSlices<'_>], sent: usize) -> usize {
        let of_output = sent.min(self.output.len());
        self.advance(of_output);
        let mut left = sent - of_output;
        self.sent_bytes += left as u64;
        let mut accepted = 0;
        for frame in frames {
            if left == 0 {
                break;
            }
            accepted += frame[1].len();
            self.last_bytes.follow(frame[1]);
            for part in frame {
                let of_part = left.min(part.len());
                left -= of_part;
                self.output.extend_from_slice(&part[of_part..]);
            }
        }
        self.body_bytes += accepted as u64;
        if let ResponseState::Sending(Framing::Length(left)) = &mut self.state {
            *left -= accepted as u64;
        }
        accepted
    }
}
