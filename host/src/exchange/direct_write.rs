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
        if chunk.is_empty() {
            response.finish(clock::date())?;
            return Ok(true);
        }
        *offset += self.write_available(response, &chunk[*offset..])?;
        Ok(*offset == chunk.len())
    }

    /// Writes as much of `bytes` as there is room for, and returns how much that is: what the client takes at once from
    /// where it lies, the rest piece by piece.
    ///
    /// # Errors
    /// As [`Response::write`].
    pub(crate) fn write_available(&self, response: &mut Response, bytes: &[u8]) -> Result<usize, ResponseError> {
        let mut written = self.write_direct(response, bytes)?;
        // If everything that was accepted is sent, the client may take more at once.
        if written > 0 && response.output().is_empty() {
            return Ok(written);
        }
        while written < bytes.len() && (response.has_room() || response.is_over()) {
            let piece = (bytes.len() - written).min(response.max_piece());
            response.write(&bytes[written..written + piece], clock::date())?;
            written += piece;
            if response.is_over() {
                // It has no body, so the first piece has ended it. The rest is dropped.
                return Ok(bytes.len());
            }
        }
        Ok(written)
    }

    /// Writes as much of a large chunk as its client takes at once, and returns how much that is.
    fn write_direct(&self, response: &mut Response, chunk: &[u8]) -> Result<usize, ResponseError> {
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
