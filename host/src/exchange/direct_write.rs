//! What a handler writes: into the output, or past it to the client if it is large.
//!
//! Owns when a handler that goes on writing is to rest.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exchange, Inner};
use crate::clock;
use crate::response::{Response, ResponseError};

/// How long a handler that writes runs before it rests: less than a tick of the epoch.
pub(crate) const MAX_RUN: Duration = Duration::from_millis(2);

/// A client to whom what is written may go at once: it has no rate.
pub trait DirectWriter: Debug + Send + Sync {
    /// Sends as much of the slices as the client takes now, and says how many bytes that is.
    ///
    /// # Errors
    /// What the system says: `WouldBlock` where the client takes nothing now.
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// For how long a handler has been writing.
#[derive(Debug, Default)]
pub(super) struct YieldBudget {
    /// Its writes, as long as they are among the first.
    writes: u32,
    /// When it was last seen to rest, or was timed first.
    rested: Option<Instant>,
}

impl YieldBudget {
    /// The first writes, of which the clock is not read: a response that is short needs none.
    pub(super) const UNTIMED: u32 = 2;

    fn is_to_rest(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.writes < Self::UNTIMED {
            self.writes += 1;
            return false;
        }
        let now = now();
        let since = *self.rested.get_or_insert(now);
        let is_to_rest = now.saturating_duration_since(since) >= MAX_RUN;
        if is_to_rest {
            self.rested = Some(now);
        }
        is_to_rest
    }
}

impl Exchange {
    /// Sends large chunks through `sink` as they are written, while nothing else waits to be sent.
    pub fn send_through(&mut self, sink: Arc<dyn DirectWriter>) {
        self.sink = Some(sink);
    }

    /// Writes as much of `chunk` from `offset` on as there is room for, and moves `offset`. True once all is
    /// written; otherwise [`Self::writable`] waits for more. An empty chunk completes the response.
    ///
    /// # Errors
    /// As [`Response::write`].
    pub fn write(&self, chunk: &[u8], offset: &mut usize) -> Result<bool, ResponseError> {
        self.change(|inner| self.write_to(inner, chunk, offset))
    }

    fn write_to(&self, inner: &mut Inner, chunk: &[u8], offset: &mut usize) -> Result<bool, ResponseError> {
        let response = inner.of_handler()?;
        // All of a chunk is refused or none of it.
        if *offset == 0 && !response.fits_content_length(chunk.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        if !inner.may_send_head()? {
            return Ok(false);
        }
        let response = &mut inner.response;
        if self.measured.is_some() {
            self.tell_timing(response);
        }
        let sent = self.write_direct(response, &chunk[*offset..])?;
        *offset += sent;
        // Where all that was accepted is sent, the client may take more at once.
        if sent > 0 && (*offset == chunk.len() || response.output().is_empty()) {
            return Ok(*offset == chunk.len());
        }
        loop {
            let rest = &chunk[*offset..];
            if !rest.is_empty() && !response.is_over() && !response.has_room() {
                return Ok(false);
            }
            let piece = &rest[..rest.len().min(response.max_piece())];
            response.write(piece, clock::date())?;
            *offset += piece.len();
            // A response without a body is over with its first piece: the rest of the chunk is dropped with it.
            if *offset == chunk.len() || response.is_over() {
                return Ok(true);
            }
        }
    }

    /// Writes as much of a large chunk as its client takes at once, and says how much that is.
    ///
    /// # Errors
    /// As [`Response::write`].
    pub(crate) fn write_direct(&self, response: &mut Response, chunk: &[u8]) -> Result<usize, ResponseError> {
        match &self.sink {
            Some(sink) if response.is_worth_direct_write(chunk.len()) => {
                let pieces = response.direct_pieces(chunk, clock::date())?;
                // What fails here fails again for who sends the output, and finds out why.
                let sent = sink.send(&pieces.slices(response.output())).unwrap_or(0);
                Ok(response.sent_direct(&pieces, sent))
            }
            Some(_) | None => Ok(0),
        }
    }

    /// Whether a handler that has just written is to rest, so that it goes out: it has run for a while since it last did.
    /// It comes to rest by itself at the epoch too, where the system lets the thread that ticks run in time.
    #[must_use]
    pub fn is_to_rest(&self, now: impl FnOnce() -> Instant) -> bool {
        self.lock().pace.is_to_rest(now)
    }
}
