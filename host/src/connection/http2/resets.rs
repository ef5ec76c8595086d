//! How often a client resets its streams before they are answered.

use std::time::{Duration, Instant};

/// How long streams are counted before the count begins again.
const WINDOW: Duration = Duration::from_secs(30);

/// How many resets a client always has in that time: a page that is left cancels what it has asked for.
const ALLOWED: u32 = 100;

/// The streams of one connection and how many of them were reset, within a window of time.
#[derive(Debug)]
pub(super) struct ResetRate {
    since: Instant,
    started: u32,
    reset: u32,
}

impl ResetRate {
    /// Counts from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, started: 0, reset: 0 }
    }

    /// Counts a stream that has come.
    pub(super) fn note_started(&mut self, now: Instant) {
        self.begin_window(now);
        self.started = self.started.saturating_add(1);
    }

    /// Counts a stream that was reset. Returns whether these are too many: more than [`ALLOWED`], and more than half of all.
    pub(super) fn note_reset(&mut self, now: Instant) -> bool {
        self.begin_window(now);
        self.reset = self.reset.saturating_add(1);
        self.reset > ALLOWED && self.reset > self.started / 2
    }

    fn begin_window(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Self::new(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many streams, each of which is reset if `is_reset`, the client is told off.
    fn told_off_after(streams: u32, every: Duration, is_reset: impl Fn(u32) -> bool) -> Option<u32> {
        let start = Instant::now();
        let mut rate = ResetRate::new(start);
        (1..=streams).find(|number| {
            let now = start + every * *number;
            rate.note_started(now);
            is_reset(*number) && rate.note_reset(now)
        })
    }

    #[test]
    fn a_client_that_resets_all_of_its_streams_is_told_off_past_the_bound() {
        assert_eq!(told_off_after(1000, Duration::ZERO, |_| true), Some(ALLOWED + 1));
    }

    #[test]
    fn a_client_that_resets_at_most_half_of_its_streams_is_not() {
        assert_eq!(told_off_after(10_000, Duration::ZERO, |number| number % 2 == 0), None);
        assert!(told_off_after(10_000, Duration::ZERO, |number| number % 5 != 0).is_some());
    }

    #[test]
    fn resets_count_within_their_window() {
        assert_eq!(told_off_after(10_000, Duration::from_secs(1), |_| true), None);
        assert!(told_off_after(10_000, Duration::from_millis(100), |_| true).is_some());
    }
}
