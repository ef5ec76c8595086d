//! Rates in bytes a second, as a token bucket.
//!
//! Owns the arithmetic of what may be sent when, and who shares a bucket. It reads no clock and never waits: the time
//! is an argument, and so is exact in a test. It must not know what the bytes are.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

mod clients;
pub mod min_rate_timeout;
#[cfg(test)]
mod tests;

pub use clients::Clients;

/// A token bucket: by any time `t` since it was made, at most `burst + rate * t` bytes are allowed.
///
/// Bytes are reserved before they are sent, so that those who share a bucket are served in the order they asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    rate: NonZeroU64,
    /// The most that `level` reaches.
    burst: i128,
    /// What is in the bucket at `filled`, in billionths of a byte; below zero are bytes reserved ahead of their time.
    /// One nanosecond adds `rate` of these: whole numbers, so that nothing is ever rounded away.
    level: i128,
    filled: Instant,
}

/// Billionths in a byte, and nanoseconds in a second.
const NANO: i128 = 1_000_000_000;

/// As good as forever, and safe to add to any instant that a clock can show.
const MAX_WAIT: Duration = Duration::from_secs(30 * 365 * 86_400);

impl TokenBucket {
    /// A full bucket for `rate` bytes a second, of which `burst` bytes may pass at once.
    #[must_use]
    pub fn new(rate: NonZeroU64, burst: u64, now: Instant) -> Self {
        let burst = i128::from(burst) * NANO;
        Self { rate, burst, level: burst, filled: now }
    }

    /// Takes `bytes` out of the bucket and returns the moment from which they may be sent, which is `now` or before
    /// where they may be sent at once.
    pub fn reserve(&mut self, bytes: u64, now: Instant) -> Instant {
        self.fill(now);
        self.level = self.level.saturating_sub(i128::from(bytes) * NANO);
        if self.level >= 0 {
            return now;
        }
        self.filled + self.time_to_gain(self.level.unsigned_abs())
    }

    /// Puts back `bytes` that were reserved and will not be sent.
    pub fn refund(&mut self, bytes: u64) {
        self.level = self.level.saturating_add(i128::from(bytes) * NANO).min(self.burst);
    }

    /// Whether the bucket is as full as a new one: nobody gains by having another.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.level_at(now) == self.burst
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.level_at(now);
        // Threads that share a bucket read the clock before they lock it: time may seem to go back, and then stands.
        self.filled = self.filled.max(now);
    }

    fn level_at(&self, now: Instant) -> i128 {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos();
        let gained = i128::try_from(elapsed).unwrap_or(i128::MAX).saturating_mul(i128::from(self.rate.get()));
        self.level.saturating_add(gained).min(self.burst)
    }

    /// How long it takes to gain `amount` billionths of a byte, rounded up to a nanosecond.
    fn time_to_gain(&self, amount: u128) -> Duration {
        let nanos = amount.div_ceil(u128::from(self.rate.get()));
        u64::try_from(nanos).map_or(MAX_WAIT, |nanos| Duration::from_nanos(nanos).min(MAX_WAIT))
    }
}

/// How many bytes to reserve at a time, at least 1: half the burst, so that a piece can wait while another is on its
/// way, but no more than 10 ms of the rate where that is above one TCP segment.
#[must_use]
pub fn piece(rate: NonZeroU64, burst: u64) -> usize {
    /// What fits into one TCP segment on Ethernet.
    const SEGMENT_BYTES: u64 = 1460;
    let piece = (burst / 2).min((rate.get() / 100).max(SEGMENT_BYTES)).max(1);
    usize::try_from(piece).unwrap_or(usize::MAX)
}
