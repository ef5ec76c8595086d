//! How long rates have held bytes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::nanoseconds;

/// The waits for one rate of a route. Its clients count together: few of them wait at any moment, and each for long.
#[derive(Debug, Default)]
pub(crate) struct RateWaits {
    waits: AtomicU64,
    nanoseconds: AtomicU64,
}

/// The waits for `rate` and those for `upload_rate`.
#[derive(Debug, Default)]
pub(crate) struct DirectionWaits([Arc<RateWaits>; 2]);

/// The waits for a rate so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitStats {
    /// How many pieces had to wait.
    pub waits: u64,
    /// For how long, all together.
    pub nanoseconds: u64,
}

impl RateWaits {
    /// Counts a piece that has to wait for as long.
    pub(crate) fn count(&self, wait: Duration) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds(wait), Ordering::Relaxed);
    }
}

impl DirectionWaits {
    /// Those of `rate`, which are 0, or of `upload_rate`.
    pub(crate) fn of(&self, direction: usize) -> Arc<RateWaits> {
        self.0[direction.min(1)].clone()
    }

    pub(super) fn add_to(&self, stats: &mut [WaitStats; 2]) {
        for (sum, own) in stats.iter_mut().zip(&self.0) {
            let (waits, nanoseconds) = (own.waits.load(Ordering::Relaxed), own.nanoseconds.load(Ordering::Relaxed));
            sum.merge(&WaitStats { waits, nanoseconds });
        }
    }
}

impl WaitStats {
    pub(super) fn merge(&mut self, other: &Self) {
        self.waits += other.waits;
        self.nanoseconds = self.nanoseconds.wrapping_add(other.nanoseconds);
    }
}
