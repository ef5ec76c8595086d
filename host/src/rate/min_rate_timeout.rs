//! A timeout for a client that sends a body or takes a response: waits add up, and bytes give time back at a minimum rate.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// The timeout of one body, or of one response.
///
/// Each wait uses up some of the timeout. Bytes give back the time that they take at the minimum rate. So a client above that
/// rate has the whole timeout for each wait, and a client below it little more than one timeout in sum.
#[derive(Debug, Clone)]
pub struct MinRateTimeout {
    /// In nanoseconds, as `spent` is: every exchange has two of these, and its future is to stay small.
    timeout: u64,
    /// Bytes a second.
    min_rate: Option<NonZeroU64>,
    since: Option<Instant>,
    /// The time of past waits that no bytes have given back.
    spent: u64,
}

impl MinRateTimeout {
    /// Waits may take `timeout` in sum. Bytes give back the time that they take at `min_rate`, in bytes a second, or all of it
    /// if there is no such rate.
    #[must_use]
    pub fn new(timeout: Duration, min_rate: Option<NonZeroU64>) -> Self {
        Self { timeout: nanoseconds(timeout), min_rate, since: None, spent: 0 }
    }

    /// Begins a wait for the client, unless one has begun.
    pub fn wait(&mut self, now: impl FnOnce() -> Instant) {
        self.since.get_or_insert_with(now);
    }

    /// Ends the wait, if there is one, with `bytes`.
    pub fn end(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.since.take() {
            self.spent = self.spent.saturating_add(nanoseconds(now().saturating_duration_since(since)));
        }
        self.spent = match self.min_rate {
            Some(rate) if self.spent > 0 => self.spent.saturating_sub(time_for(bytes, rate)),
            Some(_) | None => 0,
        };
    }

    /// Whether a wait for the client has begun.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// The deadline of the current wait.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        Some(self.since? + Duration::from_nanos(self.timeout.saturating_sub(self.spent)))
    }
}

/// The nanoseconds that `bytes` take at a rate.
fn time_for(bytes: usize, rate: NonZeroU64) -> u64 {
    (bytes as u64).saturating_mul(1_000_000_000) / rate
}

/// A duration in nanoseconds; more than 584 years count as that.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn timeout(min_rate: u64) -> MinRateTimeout {
        MinRateTimeout::new(TIMEOUT, NonZeroU64::new(min_rate))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_silent_client_is_waited_for_as_long_as_the_timeout() {
        let start = Instant::now();
        let mut waits = timeout(100);
        assert_eq!(waits.until(), None);
        waits.wait(|| start);
        waits.wait(|| start + seconds(9));
        assert_eq!(waits.until(), Some(start + TIMEOUT));
    }

    #[test]
    fn a_client_that_trickles_is_given_up_after_the_timeout_in_all() {
        let start = Instant::now();
        let mut waits = timeout(100);
        for wait in 0..5 {
            waits.wait(|| start + seconds(5 * wait));
            waits.end(1, || start + seconds(5 * (wait + 1)));
        }
        waits.wait(|| start + seconds(25));
        // Five bytes at 100 a second have given back 50 ms.
        assert_eq!(waits.until(), Some(start + TIMEOUT + Duration::from_millis(50)));
    }

    #[test]
    fn a_client_that_keeps_to_the_minimum_rate_has_the_whole_timeout_each_time() {
        let start = Instant::now();
        let mut waits = timeout(100);
        for wait in 0..100 {
            waits.wait(|| start + seconds(20 * wait));
            waits.end(2000, || start + seconds(20 * (wait + 1)));
        }
        waits.wait(|| start + seconds(2000));
        assert_eq!(waits.until(), Some(start + seconds(2000) + TIMEOUT));
    }

    #[test]
    fn what_comes_at_once_cannot_be_saved_for_later_silence() {
        let start = Instant::now();
        let mut waits = timeout(1);
        waits.end(1 << 20, || start);
        waits.wait(|| start);
        assert_eq!(waits.until(), Some(start + TIMEOUT));
    }

    #[test]
    fn without_a_minimum_rate_each_wait_has_the_whole_timeout() {
        let start = Instant::now();
        let mut waits = timeout(0);
        waits.wait(|| start);
        waits.end(1, || start + seconds(29));
        waits.wait(|| start + seconds(29));
        assert_eq!(waits.until(), Some(start + seconds(29) + TIMEOUT));
    }

    proptest! {
        #[test]
        fn no_client_is_waited_for_longer_than_the_timeout_and_what_its_bytes_take(
            pieces in prop::collection::vec((0..40_000_u64, 0..5000_usize), 0..50),
        ) {
            let rate = NonZeroU64::new(100).expect("it is above 0");
            let mut now = Instant::now();
            let mut waits = MinRateTimeout::new(TIMEOUT, Some(rate));
            let (mut waited, mut earned) = (Duration::ZERO, Duration::ZERO);
            for (millis, bytes) in pieces {
                waits.wait(|| now);
                let until = waits.until().expect("it waits");
                let came = now + Duration::from_millis(millis);
                waited += came.min(until) - now;
                prop_assert!(waited <= TIMEOUT + earned);
                if came > until {
                    break;
                }
                now = came;
                earned += Duration::from_nanos(time_for(bytes, rate));
                waits.end(bytes, || now);
            }
        }
    }
}
