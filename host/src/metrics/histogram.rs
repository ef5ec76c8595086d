//! Histograms of durations with fixed buckets, about two and a half times apart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in microseconds. The last bucket has no bound.
const BOUNDS: [u64; 19] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The upper bounds of the buckets of latencies, in seconds, as labels have them. The last bucket, `+Inf`, is not among them.
pub const LATENCY_BOUNDS: [&str; 19] = [
    "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
    "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0",
];

/// A histogram that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// A histogram at one moment, or a sum of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramStats {
    /// How many durations were in each bucket alone. The last one has no upper bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations, in nanoseconds.
    pub nanoseconds: u64,
}

/// Adds to a number that only this thread writes.
pub(super) fn add(number: &AtomicU64, amount: u64) {
    // No other thread writes, so this needs no locked instruction.
    number.store(number.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Histogram {
    /// Counts a duration.
    pub(super) fn count(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        add(&self.buckets[bucket], 1);
        add(&self.nanoseconds, nanoseconds(duration));
    }

    /// Adds what it has counted to `stats`.
    pub(super) fn add_to(&self, stats: &mut HistogramStats) {
        for (sum, own) in stats.buckets.iter_mut().zip(&self.buckets) {
            *sum += own.load(Ordering::Relaxed);
        }
        stats.nanoseconds = stats.nanoseconds.wrapping_add(self.nanoseconds.load(Ordering::Relaxed));
    }
}

impl HistogramStats {
    /// How many durations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds).as_secs_f64()
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        for (sum, own) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += own;
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(other.nanoseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_the_buckets_are_their_bounds_in_seconds() {
        for (bound, label) in BOUNDS.iter().zip(LATENCY_BOUNDS) {
            let seconds: f64 = label.parse().expect("it is a number");
            assert_eq!((seconds * 1e6).round(), *bound as f64);
        }
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        let histogram = Histogram::default();
        let rows = [
            (0, 0),
            (50_000, 0),
            (50_001, 1),
            (100_000, 1),
            (1_000_000, 4),
            (60_000_000_000, 18),
            (60_000_000_001, 19),
        ];
        let mut stats = HistogramStats::default();
        for (nanoseconds, bucket) in rows {
            let before = {
                let mut before = HistogramStats::default();
                histogram.add_to(&mut before);
                before
            };
            histogram.count(Duration::from_nanos(nanoseconds));
            stats = HistogramStats::default();
            histogram.add_to(&mut stats);
            assert_eq!(stats.buckets[bucket], before.buckets[bucket] + 1, "{nanoseconds}");
        }
        assert_eq!(stats.count(), rows.len() as u64);
        assert_eq!(stats.nanoseconds, rows.iter().map(|(nanoseconds, _)| nanoseconds).sum::<u64>());
    }
}
