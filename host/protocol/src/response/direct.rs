//! Large pieces of a body that are sent from where they lie, and not by way of the output.
//!
//! Nothing is sent here: [`Response::direct_pieces`] and [`DirectPieces::slices`] say what to send, and
//! [`Response::sent_direct`] is told how much of it was.

use std::io::IoSlice;

use smallvec::SmallVec;

use super::{Remaining, Response, ResponseError, ResponseState};
use crate::http::date::Date;
use crate::http1::encode::Frame;

/// The fewest bytes that are worth a system call of their own: fewer go out with others, by way of the output.
const MIN_BYTES: usize = 32 * 1024;

/// The most pieces that are sent at once, and the smallest that many of them are worth it.
const MAX_PIECES: usize = 8;
const MIN_PIECE_BYTES: usize = 4 * 1024;

/// The first pieces of a large chunk, each with what goes around it.
#[derive(Debug)]
pub struct DirectPieces<'c>(SmallVec<[(Frame, &'c [u8]); MAX_PIECES]>);

impl<'c> DirectPieces<'c> {
    /// The bytes to send, behind the `output` of the response. None is empty.
    pub fn slices<'s>(&'s self, output: &'s [u8]) -> SmallVec<[IoSlice<'s>; 3 * MAX_PIECES + 1]> {
        let pieces = self.0.iter().flat_map(|(frame, piece)| parts(frame, piece));
        std::iter::once(output).chain(pieces).filter(|part| !part.is_empty()).map(IoSlice::new).collect()
    }
}

/// A piece as it goes on the wire.
fn parts<'s>(frame: &'s Frame, piece: &'s [u8]) -> [&'s [u8]; 3] {
    [&frame.before, piece, frame.after]
}

impl Response {
    /// Whether it is worth to send a chunk of `length` bytes from where it lies: it is large, nothing waits to be sent
    /// before it, and nothing is held back until it is worth a piece.
    #[must_use]
    #[inline]
    pub fn is_worth_direct_write(&self, length: usize) -> bool {
        length >= MIN_BYTES
            && self.options.buffer_size >= MIN_PIECE_BYTES
            && self.options.coalesce == 0
            && self.output().is_empty()
            && !self.is_over()
    }

    /// Encodes the head, if it is not encoded, and gives the pieces of a chunk that are to be sent behind the output; none
    /// if the response has no body.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn direct_pieces<'c>(&mut self, chunk: &'c [u8], date: Date) -> Result<DirectPieces<'c>, ResponseError> {
        if !self.fits_content_length(chunk.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        self.begin(None, date)?;
        if self.state == ResponseState::Sending(Remaining::Nothing) {
            return Ok(DirectPieces(SmallVec::new()));
        }
        let pieces = chunk.chunks(self.options.buffer_size).take(MAX_PIECES);
        Ok(DirectPieces(pieces.map(|piece| (self.encoder.frame(piece.len()), piece)).collect()))
    }

    /// The client took `sent` bytes of the output and the pieces behind it. Accepts the pieces of which something was sent,
    /// and gives their bytes; what is left of the last of them is output. If nothing was sent of the pieces, nothing of the
    /// chunk is accepted: who sends the output finds out why.
    pub fn sent_direct(&mut self, pieces: &DirectPieces<'_>, sent: usize) -> usize {
        let of_output = sent.min(self.output().len());
        self.advance(of_output);
        let mut left = sent - of_output;
        self.sent_bytes += left as u64;
        let mut accepted = 0;
        for (frame, piece) in &pieces.0 {
            if left == 0 {
                break;
            }
            accepted += piece.len();
            self.last_bytes.follow(piece);
            for part in parts(frame, piece) {
                let of_part = left.min(part.len());
                left -= of_part;
                self.encoder.queue(&part[of_part..]);
            }
        }
        self.body_bytes += accepted as u64;
        if let ResponseState::Sending(Remaining::Bytes(left)) = &mut self.state {
            *left -= accepted as u64;
        }
        accepted
    }
}
