//! The writes of a handler. They go into the output buffer. Large ones go directly to the client instead.
//!
//! Owns when a handler that keeps writing has to yield.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exchange, Inner};
use crate::clock;
use crate::response::{Response, ResponseError};

/// How long a handler that keeps writing runs before it yields. This is less than one tick of the epoch.
pub(crate) const MAX_RUN: Duration = Duration::from_millis(2);

/// A client that has no rate limit, so that a write may go to it directly.
pub trait DirectWriter: Debug + Send + Sync {
    /// Sends as much of the slices as the client accepts now, and returns how many bytes that is.
    ///
    /// # Errors
    /// The error of the system. It is `WouldBlock` if the client accepts nothing now.
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// How long a handler has been writing since it last yielded.
#[derive(Debug, Default)]
pub(super) struct YieldBudget {
    /// The number of writes, up to [`Self::UNTIMED`].
    writes: u32,
    /// When the handler last yielded, or when it was first timed if it never has.
    last_yield: Option<Instant>,
}

impl YieldBudget {
    /// How many writes come before the first that reads the clock. A short response then reads no clock.
    pub(super) const UNTIMED: u32 = 2;

    fn should_yield(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.writes < Self::UNTIMED {
            self.writes += 1;
            return false;
        }
        let now = now();
        let since = *self.last_yield.get_or_insert(now);
        let should_yield = now.saturating_duration_since(since) >= MAX_RUN;
        if should_yield {
            self.last_yield = Some(now);
        }
        should_yield
    }
}

impl Exchange {
    /// Lets large chunks go directly to `sink` when they are written and the output is empty.
    pub fn send_through(&mut self, sink: Arc<dyn DirectWriter>) {
        self.sink = Some(sink);
    }

    /// Writes as much of `chunk`, from `offset` on, as there is room for, and advances `offset`. Returns true once the
    /// whole chunk is written. If it returns false, [`Self::writable`] waits for room. An empty chunk completes the
    /// response.
    ///
    /// # Errors
    /// As [`Response::write`].
    pub fn write(&self, chunk: &[u8], offset: &mut usize) -> Result<bool, ResponseError> {
        self.change(|inner| self.write_to(inner, chunk, offset))
    }

    fn write_to(&self, inner: &mut Inner, chunk: &[u8], offset: &mut usize) -> Result<bool, ResponseError> {
        let response = inner.of_handler()?;
        // A chunk is refused as a whole, so the length is checked before the first byte is written.
        if *offset == 0 && !response.fits_content_length(chunk.len() as u64) {
            return Err(ResponseError::Invalid);
        }
        if !self.begin_write(inner)? {
            return Ok(false);
        }
        let response = &mut inner.response;
        if chunk.is_empty() {
            response.finish(clock::date())?;
            return Ok(true);
        }
        *offset += self.write_available(response, &chunk[*offset..])?;
        Ok(*offset == chunk.len())
    }

    /// Whether the head may be sent. If so, adds `Server-Timing` to it, if the client is to be told.
    #[inline]
    pub(super) fn begin_write(&self, inner: &mut Inner) -> Result<bool, ResponseError> {
        let may_send = inner.may_send_head()?;
        if may_send && self.measured.is_some() {
            self.tell_timing(&mut inner.response);
        }
        Ok(may_send)
    }

    /// Writes as much of `bytes` as there is room for, and returns how many bytes that is. It writes directly first,
    /// without a copy, and then copies the rest into the output in pieces.
    ///
    /// # Errors
    /// As [`Response::write`].
    pub(crate) fn write_available(&self, response: &mut Response, bytes: &[u8]) -> Result<usize, ResponseError> {
        let mut written = self.write_direct(response, bytes)?;
        // If all that was accepted is sent, the client may accept another direct write.
        if written > 0 && response.output().is_empty() {
            return Ok(written);
        }
        while written < bytes.len() && (response.has_room() || response.is_over()) {
            let piece = (bytes.len() - written).min(response.max_piece());
            response.write(&bytes[written..written + piece], clock::date())?;
            written += piece;
            if response.is_over() {
                // The response has no body, so the first piece has completed it. The rest is dropped.
                return Ok(bytes.len());
            }
        }
        Ok(written)
    }

    /// Writes as much of a large chunk as the client accepts in one direct write, and returns how many bytes that is.
    fn write_direct(&self, response: &mut Response, chunk: &[u8]) -> Result<usize, ResponseError> {
        match &self.sink {
            Some(sink) if response.is_worth_direct_write(chunk.len()) => {
                let pieces = response.direct_pieces(chunk, clock::date())?;
                // An error is ignored here. The next write of the output meets it again, and reports it.
                let sent = sink.send(&pieces.slices(response.output())).unwrap_or(0);
                Ok(response.sent_direct(&pieces, sent))
            }
            Some(_) | None => Ok(0),
        }
    }

    /// Whether a handler that has just written should yield, so that its output is sent. It should if it has run for
    /// [`MAX_RUN`] since it last yielded. A tick of the epoch also makes it yield, but the system may let the thread
    /// that ticks run late.
    #[must_use]
    pub fn should_yield(&self, now: impl FnOnce() -> Instant) -> bool {
        self.lock().pace.should_yield(now)
    }
}
