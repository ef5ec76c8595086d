//! How much of the log a route may take.
//!
//! Owns the bound over time on what its handlers print and on what the host says of them, and that what is dropped past
//! it is counted and told: at most once in ten seconds for each route. A failure that comes again and again is told in
//! full a few times, and then counted too.

use std::fmt::Display;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::TokenBucket;

#[cfg(test)]
mod tests;

/// How often it is told what was dropped.
const PERIOD: Duration = Duration::from_secs(10);

/// The failures of a route in a period that are told in full, with their backtraces.
const FULL_FAILURES: u32 = 5;

/// What may come at once: so many seconds of the rate, and in any case what one invocation may print.
const BURST_SECONDS: u64 = 8;
const MIN_BURST: u64 = 128 * 1024;

/// The most bytes of a failure that is only counted.
const MAX_LAST: usize = 256;

/// What a route may still log, and what was dropped of it.
#[derive(Debug)]
pub struct LogQuota {
    rate: Option<NonZeroU64>,
    usage: Mutex<QuotaState>,
}

#[derive(Debug)]
struct QuotaState {
    bucket: Option<TokenBucket>,
    dropped: Dropped,
    /// Somebody will tell what was dropped.
    is_to_be_told: bool,
    /// When the failures were counted from, and how many were told in full since.
    failing_since: Option<Instant>,
    told_in_full: u32,
}

/// What was not logged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
    failures: u64,
    /// The request of the last failure, and what it was.
    last: Option<(u64, String)>,
}

impl LogQuota {
    /// For a route that may log so many bytes a second; 0 is unlimited.
    #[must_use]
    pub fn new(rate: u64, now: Instant) -> Self {
        let rate = NonZeroU64::new(rate);
        let burst = |rate: NonZeroU64| rate.get().saturating_mul(BURST_SECONDS).max(MIN_BURST);
        let usage = QuotaState {
            bucket: rate.map(|rate| TokenBucket::new(rate, burst(rate), now)),
            dropped: Dropped::default(),
            is_to_be_told: false,
            failing_since: None,
            told_in_full: 0,
        };
        Self { rate, usage: Mutex::new(usage) }
    }

    /// Whether another allows as much.
    #[must_use]
    pub fn allows_like(&self, other: &Self) -> bool {
        self.rate == other.rate
    }

    /// Whether a line of so many bytes may be logged. Else it is counted, and that is told later.
    pub fn admit(self: &Arc<Self>, route: &str, bytes: usize) -> bool {
        let mut usage = self.lock();
        let admitted = usage.take(bytes, Instant::now());
        if !admitted {
            usage.dropped.lines += 1;
            usage.dropped.bytes += bytes as u64;
            self.tell_later(&mut usage, route);
        }
        admitted
    }

    /// Whether the failure of a request may be logged in full, in about so many bytes. Else it is counted, and that is
    /// told later.
    pub fn admit_failure(self: &Arc<Self>, route: &str, request: u64, failure: &impl Display) -> bool {
        let (mut usage, now) = (self.lock(), Instant::now());
        if usage.is_news(now) {
            let text = failure.to_string();
            if usage.take(text.len(), now) {
                return true;
            }
        }
        usage.dropped.failures += 1;
        usage.dropped.last = Some((request, first_line(failure)));
        self.tell_later(&mut usage, route);
        false
    }

    fn lock(&self) -> MutexGuard<'_, QuotaState> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what was dropped told after the period, or when the thread ends that serves.
    fn tell_later(self: &Arc<Self>, usage: &mut QuotaState, route: &str) {
        if usage.is_to_be_told {
            return;
        }
        // Without a runtime it is told with the next that is dropped within one.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        usage.is_to_be_told = true;
        let report = DropReport { quota: self.clone(), route: route.into() };
        runtime.spawn(async move {
            tokio::time::sleep(PERIOD).await;
            drop(report);
        });
    }

    fn take_dropped(&self) -> Dropped {
        let mut usage = self.lock();
        usage.is_to_be_told = false;
        std::mem::take(&mut usage.dropped)
    }
}

impl QuotaState {
    /// Takes so many bytes of what may be logged, where they are there.
    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        let bytes = bytes as u64;
        let fits = bucket.reserve(bytes, now) <= now;
        if !fits {
            bucket.refund(bytes);
        }
        fits
    }

    /// Whether a failure now is one of the first in a period.
    fn is_news(&mut self, now: Instant) -> bool {
        if self.failing_since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            (self.failing_since, self.told_in_full) = (Some(now), 0);
        }
        self.told_in_full = self.told_in_full.saturating_add(1);
        self.told_in_full <= FULL_FAILURES
    }
}

/// Tells what was dropped when it is dropped itself, which it is at the end of the server too.
struct DropReport {
    quota: Arc<LogQuota>,
    route: Box<str>,
}

impl Drop for DropReport {
    fn drop(&mut self) {
        let route = &*self.route;
        let Dropped { lines, bytes, failures, last } = self.quota.take_dropped();
        if lines > 0 {
            tracing::warn!(
                target: "log",
                route,
                lines,
                bytes,
                "handler {route} logs more than its `log_rate` allows: lines were dropped"
            );
        }
        if let Some((request, last)) = last {
            tracing::error!(
                target: "handler",
                route,
                failures,
                request,
                "handler {route} failed again and again; the last time it {last}"
            );
        }
    }
}

/// The beginning of what a failure says.
fn first_line(failure: &impl Display) -> String {
    let text = failure.to_string();
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(MAX_LAST)].to_owned()
}
