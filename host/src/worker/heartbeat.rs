//! When a worker was last seen to take turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time at which a worker last took a turn, as it has noted itself. Any thread may read it.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    origin: Instant,
    /// In milliseconds since `origin`.
    last: AtomicU64,
}

impl Heartbeat {
    /// A worker that is alive now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, last: AtomicU64::new(0) }
    }

    /// The worker takes a turn.
    pub(crate) fn beat(&self, now: Instant) {
        self.last.store(self.since_origin(now), Ordering::Relaxed);
    }

    /// Whether the worker took a turn within the last `time`.
    pub(crate) fn is_within(&self, time: Duration, now: Instant) -> bool {
        let silent = self.since_origin(now).saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(silent) <= time
    }

    fn since_origin(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_alive_until_it_has_taken_no_turn_for_too_long() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let heartbeat = Heartbeat::new(start);
        assert!(heartbeat.is_within(second, start) && heartbeat.is_within(second, start + second));
        assert!(!heartbeat.is_within(second, start + 2 * second), "it never took a turn");
        heartbeat.beat(start + 2 * second);
        assert!(heartbeat.is_within(second, start + 3 * second));
        assert!(!heartbeat.is_within(second, start + 4 * second));
    }
}
