//! The rate of what a WebSocket's client sends: what has come too fast is looked at later, and nothing is read meanwhile.

use std::task::Poll;
use std::time::Instant;

use crate::rate::Pacer;

/// How much is read at once.
const READ: usize = 16 * 1024;

/// The rate of what comes, if the route has one.
pub(super) struct Upload {
    pacer: Option<Pacer>,
    /// Bytes that have come and were not charged yet.
    uncharged: usize,
}

impl Upload {
    /// No faster than the pacer, if there is one.
    pub(super) fn new(pacer: Option<Pacer>) -> Self {
        Self { pacer, uncharged: 0 }
    }

    /// So many bytes were read.
    pub(super) fn has_come(&mut self, bytes: usize) {
        self.uncharged = bytes;
    }

    /// Charges what has come to the rate, and says whether its time has come.
    pub(super) fn may_go_on(&mut self) -> bool {
        let Some(pacer) = &mut self.pacer else { return true };
        while self.uncharged > 0 {
            match pacer.poll(self.uncharged, Instant::now()) {
                Poll::Ready(allowed) => {
                    pacer.spend(allowed);
                    self.uncharged -= allowed;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    /// How much to read at once.
    pub(super) fn piece(&self) -> usize {
        self.pacer.as_ref().map_or(READ, |pacer| pacer.piece().min(READ))
    }

    /// When the rate allows more.
    pub(super) fn paced_until(&self) -> Option<Instant> {
        self.pacer.as_ref()?.waiting_until()
    }

    /// Nothing has come: time that passes now is not made up for.
    pub(super) fn rest(&mut self) {
        if let Some(pacer) = &mut self.pacer {
            pacer.rest();
        }
    }
}
