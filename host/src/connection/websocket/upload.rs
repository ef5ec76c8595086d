//! The rate limit for the messages of a WebSocket's client. Input that arrives too fast is parsed later, and nothing
//! more is read until then.

use std::task::Poll;
use std::time::Instant;

use crate::rate::Pacer;

/// How many bytes are read at once.
const READ: usize = 16 * 1024;

/// The rate limit of the input, if the route has one.
pub(super) struct Upload {
    pacer: Option<Pacer>,
    /// Bytes that have arrived and are not charged yet.
    uncharged: usize,
}

impl Upload {
    /// A limit by `pacer`. If it is `None`, there is no limit.
    pub(super) fn new(pacer: Option<Pacer>) -> Self {
        Self { pacer, uncharged: 0 }
    }

    /// Records that `bytes` bytes were read.
    pub(super) fn has_come(&mut self, bytes: usize) {
        self.uncharged = bytes;
    }

    /// Charges the bytes that have arrived, and returns whether the rate limit allows to parse them now.
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

    /// The most bytes to read at once.
    pub(super) fn piece(&self) -> usize {
        self.pacer.as_ref().map_or(READ, |pacer| pacer.piece().min(READ))
    }

    /// When the rate limit allows more, if it does not yet.
    pub(super) fn paced_until(&self) -> Option<Instant> {
        self.pacer.as_ref()?.waiting_until()
    }

    /// Records that nothing has arrived. The pacer does not make up for time that passes now.
    pub(super) fn rest(&mut self) {
        if let Some(pacer) = &mut self.pacer {
            pacer.rest();
        }
    }
}
