//! A timeout for a client that sends a body or takes a response: waits add up, and bytes give time back at a minimum rate.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// The patience with one body, or with one who takes what is sent.
///
/// Each wait takes from the time-out, and what comes gives back the time that it takes at the least rate: so a client
/// that keeps above that rate is waited for at most the time-out at once, and one that trickles below it for little
/// more than the time-out in all.
#[derive(Debug, Clone)]
pub struct MinRateTimeout {
    timeout: Duration,
    /// Bytes a second.
    least_rate: Option<NonZeroU64>,
    since: Option<Instant>,
    /// What past waits have taken and nothing has given back.
    spent: Duration,
}

impl MinRateTimeout {
    /// A wait may take the `timeout`; what comes gives back the time that it takes at `least_rate`, in bytes a second, or
    /// all of it where there is none.
    #[must_use]
    pub fn new(timeout: Duration, least_rate: Option<NonZeroU64>) -> Self {
        Self { timeout, least_rate, since: None, spent: Duration::ZERO }
    }

    /// The client is waited for from now on, if it is not already.
    pub fn wait(&mut self, now: impl FnOnce() -> Instant) {
        self.since.get_or_insert_with(now);
    }

    /// The wait, if there is one, has ended with so many bytes.
    pub fn end(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.since.take() {
            self.spent += now().saturating_duration_since(since);
        }
        self.spent = match self.least_rate {
            Some(rate) if !self.spent.is_zero() => self.spent.saturating_sub(time_for(bytes, rate)),
            Some(_) | None => Duration::ZERO,
        };
    }

    /// Whether the client is waited for.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// When the wait that goes on becomes too long.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        Some(self.since? + self.timeout.saturating_sub(self.spent))
    }
}

fn time_for(bytes: usize, rate: NonZeroU64) -> Duration {
    let nanoseconds = (bytes as u64).saturating_mul(1_000_000_000) / rate;
    Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn patience(least_rate: u64) -> MinRateTimeout {
        MinRateTimeout::new(TIMEOUT, NonZeroU64::new(least_rate))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_silent_client_is_waited_for_as_long_as_the_time_out() {
        let start = Instant::now();
        let mut patience = patience(100);
        assert_eq!(patience.until(), None);
        patience.wait(|| start);
        patience.wait(|| start + seconds(9));
        assert_eq!(patience.until(), Some(start + TIMEOUT));
    }

    #[test]
    fn a_client_that_trickles_is_given_up_after_the_time_out_in_all() {
        let start = Instant::now();
        let mut patience = patience(100);
        for wait in 0..5 {
            patience.wait(|| start + seconds(5 * wait));
            patience.end(1, || start + seconds(5 * (wait + 1)));
        }
        patience.wait(|| start + seconds(25));
        // Five bytes at 100 a second have given back 50 ms.
        assert_eq!(patience.until(), Some(start + TIMEOUT + Duration::from_millis(50)));
    }

    #[test]
    fn a_client_that_keeps_to_the_least_rate_has_the_whole_time_out_each_time() {
        let start = Instant::now();
        let mut patience = patience(100);
        for wait in 0..100 {
            patience.wait(|| start + seconds(20 * wait));
            patience.end(2000, || start + seconds(20 * (wait + 1)));
        }
        patience.wait(|| start + seconds(2000));
        assert_eq!(patience.until(), Some(start + seconds(2000) + TIMEOUT));
    }

    #[test]
    fn what_comes_at_once_cannot_be_saved_for_later_silence() {
        let start = Instant::now();
        let mut patience = patience(1);
        patience.end(1 << 20, || start);
        patience.wait(|| start);
        assert_eq!(patience.until(), Some(start + TIMEOUT));
    }

    #[test]
    fn without_a_least_rate_each_wait_has_the_whole_time_out() {
        let start = Instant::now();
        let mut patience = patience(0);
        patience.wait(|| start);
        patience.end(1, || start + seconds(29));
        patience.wait(|| start + seconds(29));
        assert_eq!(patience.until(), Some(start + seconds(29) + TIMEOUT));
    }

    proptest! {
        #[test]
        fn no_client_is_waited_for_longer_than_the_time_out_and_what_its_bytes_take(
            pieces in prop::collection::vec((0..40_000_u64, 0..5000_usize), 0..50),
        ) {
            let rate = NonZeroU64::new(100).expect("it is above 0");
            let mut now = Instant::now();
            let mut patience = MinRateTimeout::new(TIMEOUT, Some(rate));
            let (mut waited, mut earned) = (Duration::ZERO, Duration::ZERO);
            for (millis, bytes) in pieces {
                patience.wait(|| now);
                let until = patience.until().expect("it waits");
                let came = now + Duration::from_millis(millis);
                waited += came.min(until) - now;
                prop_assert!(waited <= TIMEOUT + earned);
                if came > until {
                    break;
                }
                now = came;
                earned += time_for(bytes, rate);
                patience.end(bytes, || now);
            }
        }
    }
}
