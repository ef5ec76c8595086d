//! Rates in bytes a second: token buckets, which clients and connections share one, and how it paces a transfer.
//!
//! Nothing here waits, and the time is an argument, so that tests are exact. Only [`RouteRates::pacers`] reads the
//! clock.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

mod budget;
mod clients;
pub mod min_rate_timeout;
mod pacer;
mod route;
#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use clients::Clients;
pub use pacer::Pacer;
pub use route::{ConnectionBudgets, Direction, Pacers, RateLimit, RateScope, RouteRates};

/// A token bucket: by any time `t` since it was made, at most `burst + rate * t` bytes are allowed.
///
/// Bytes are reserved before they are sent, so that users of one bucket are served in the order of their reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    rate: NonZeroU64,
    /// The most that `level` reaches.
    burst: i128,
    /// The level at `filled`, in billionths of a byte. It is negative while bytes are reserved ahead of their time. One
    /// nanosecond adds `rate` of these: integers, so that nothing is lost to rounding.
    level: i128,
    filled: Instant,
}

/// Billionths in a byte, and nanoseconds in a second.
const NANO: i128 = 1_000_000_000;

/// Practically forever, and safe to add to any instant.
const MAX_WAIT: Duration = Duration::from_secs(30 * 365 * 86_400);

impl TokenBucket {
    /// A full bucket for `rate` bytes a second, of which `burst` bytes may pass at once.
    #[must_use]
    pub fn new(rate: NonZeroU64, burst: u64, now: Instant) -> Self {
        let burst = i128::from(burst) * NANO;
        Self { rate, burst, level: burst, filled: now }
    }

    /// Takes `bytes` out of the bucket and returns the moment from which they may be sent; it is not after `now` if they
    /// may be sent at once.
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

    /// Whether the bucket is as full as a new one: a user gains nothing by a new bucket.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.level_at(now) == self.burst
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.level_at(now);
        // Threads read the clock before they lock the bucket, so `now` may be before `filled`: then no time has passed.
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
