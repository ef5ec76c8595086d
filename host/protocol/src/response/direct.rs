//! Direct writes: large pieces of a body that are sent from the caller's memory, without a copy into the output.
//!
//! This module sends nothing itself. [`Response::direct_pieces`] and [`DirectPieces::slices`] give the bytes to send,
//! and the caller tells [`Response::sent_direct`] how many of them it has sent.

use std::io::IoSlice;

use smallvec::SmallVec;

use super::{Remaining, Response, ResponseError, ResponseState};
use crate::http::date::Date;
use crate::http1::encode::Frame;

/// The smallest chunk that is written directly. A smaller one is not worth a system call of its own and goes into the
/// output.
const MIN_BYTES: usize = 32 * 1024;

/// The most pieces in one direct write, and the smallest piece size for which a direct write is worth its cost.
const MAX_PIECES: usize = 8;
const MIN_PIECE_BYTES: usize = 4 * 1024;

/// The first pieces of a large chunk, each with its frame.
#[derive(Debug)]
pub struct DirectPieces<'c>(SmallVec<[(Frame, &'c [u8]); MAX_PIECES]>);

impl<'c> DirectPieces<'c> {
    /// The slices to send: the `output` of the response, and then the pieces. No slice is empty.
    pub fn slices<'s>(&'s self, output: &'s [u8]) -> SmallVec<[IoSlice<'s>; 3 * MAX_PIECES + 1]> {
        let pieces = self.0.iter().flat_map(|(frame, piece)| parts(frame, piece));
        std::iter::once(output).chain(pieces).filter(|part| !part.is_empty()).map(IoSlice::new).collect()
    }
}

/// The parts of a piece as it is sent, frame included.
fn parts<'s>(frame: &'s Frame, piece: &'s [u8]) -> [&'s [u8]; 3] {
    [&frame.before, piece, frame.after]
}

impl Response {
    /// Whether a direct write is worth its cost for a chunk of `length` bytes. It is if the chunk is large, the output
    /// is empty, and writes are not collected.
    #[must_use]
    #[inline]
    pub fn is_worth_direct_write(&self, length: usize) -> bool {
        length >= MIN_BYTES
            && self.options.buffer_size >= MIN_PIECE_BYTES
            && self.options.coalesce == 0
            && self.output().is_empty()
            && !self.is_over()
    }

    /// Encodes the head if it is not encoded yet, and returns the pieces of a chunk to send after the output. There are
    /// no pieces if the response has no body.
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

    /// Records that the client took `sent` bytes of the output and the pieces after it. Accepts the pieces that were
    /// sent at least in part, and returns how many bytes of the chunk they have. The rest of the last one goes into the
    /// output. If no byte of the pieces was sent, nothing of the chunk is accepted; the next write of the output shows
    /// why.
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
