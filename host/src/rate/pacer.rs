//! Paces one transfer by a budget.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Budget;
use crate::metrics::RateWaits;

#[cfg(test)]
mod tests;

/// How late the host may wake for a piece without losing that time: the bytes were waiting all along.
const MAX_LATENESS: Duration = Duration::from_millis(100);

/// Paces the bytes of one user of a [`Budget`].
#[derive(Debug)]
pub struct Pacer {
    budget: Budget,
    piece: usize,
    /// The bytes that are reserved. They may pass from `from` on.
    reserved: usize,
    from: Option<Instant>,
    /// When the last piece was due. None once no bytes wait.
    due: Option<Instant>,
    /// Counts how long bytes are held back, if that is counted.
    waits: Option<Arc<RateWaits>>,
}

impl Pacer {
    /// Paces by `budget`, at most `piece` bytes at a time.
    #[must_use]
    pub fn new(budget: Budget, piece: usize) -> Self {
        Self { budget, piece, reserved: 0, from: None, due: None, waits: None }
    }

    /// The same pacer, which counts how long it holds bytes back.
    #[must_use]
    pub(crate) fn counted(mut self, waits: Option<Arc<RateWaits>>) -> Self {
        self.waits = waits;
        self
    }

    /// The budget that it uses.
    #[cfg(test)]
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The most bytes it takes at a time.
    #[must_use]
    pub fn piece(&self) -> usize {
        self.piece
    }

    /// How many of `waiting` bytes may pass now, at least one. To be polled again at [`Self::waiting_until`].
    pub fn poll(&mut self, waiting: usize, now: Instant) -> Poll<usize> {
        if self.reserved == 0 {
            let asked = waiting.min(self.piece);
            let from = self.budget.reserve(asked as u64, self.due.unwrap_or(now));
            self.reserved = asked;
            self.from = Some(from);
            if let Some(waits) = self.waits.as_ref().filter(|_| now < from) {
                waits.count(from - now);
            }
        }
        if let Some(from) = self.from {
            if now < from {
                return Poll::Pending;
            }
            self.due = now.checked_sub(MAX_LATENESS).map_or(Some(from), |late| Some(from.max(late)));
            self.from = None;
        }
        Poll::Ready(self.reserved.min(waiting))
    }

    /// Notes that `bytes` of what was allowed have passed.
    pub fn spend(&mut self, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// When the next piece may pass. None if no piece waits.
    #[must_use]
    pub fn waiting_until(&self) -> Option<Instant> {
        self.from
    }

    /// Notes that no bytes wait for the rate: time that passes from now on earns no catch-up.
    pub fn rest(&mut self) {
        self.due = None;
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        if self.reserved > 0 {
            self.budget.refund(self.reserved as u64);
        }
    }
}
