//! Limits how much of the log a route may use.
//!
//! Bounds what the route's handlers print and what the host says about them, over time. What is dropped is counted and
//! reported at most once in ten seconds per route. A repeated failure is logged in full a few times and then only
//! counted.

use std::fmt::Display;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::TokenBucket;

#[cfg(test)]
mod tests;

/// How often dropped lines are reported.
const PERIOD: Duration = Duration::from_secs(10);

/// How many failures of a route are logged in full per period, with their backtraces.
const FULL_FAILURES: u32 = 5;

/// The burst: this many seconds of the rate, and at least what one invocation may print.
const BURST_SECONDS: u64 = 8;
const MIN_BURST: u64 = 128 * 1024;

/// Maximum bytes of a failure that is only counted.
const MAX_LAST_FAILURE_BYTES: usize = 256;

/// The remaining log quota of a route.
#[derive(Debug)]
pub struct LogQuota {
    rate: Option<NonZeroU64>,
    usage: Mutex<QuotaState>,
}

#[derive(Debug)]
struct QuotaState {
    bucket: Option<TokenBucket>,
    dropped: Dropped,
    /// Whether a report is scheduled.
    is_report_scheduled: bool,
    /// When the current period of failures began, and how many were logged in full in it.
    failing_since: Option<Instant>,
    full_failures: u32,
}

/// What was not logged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
    failures: u64,
    /// The request id and the message of the last failure.
    last: Option<(u64, String)>,
}

impl LogQuota {
    /// For a route that may log `rate` bytes per second; 0 is unlimited.
    #[must_use]
    pub fn new(rate: u64, now: Instant) -> Self {
        let rate = NonZeroU64::new(rate);
        let burst = |rate: NonZeroU64| rate.get().saturating_mul(BURST_SECONDS).max(MIN_BURST);
        let usage = QuotaState {
            bucket: rate.map(|rate| TokenBucket::new(rate, burst(rate), now)),
            dropped: Dropped::default(),
            is_report_scheduled: false,
            failing_since: None,
            full_failures: 0,
        };
        Self { rate, usage: Mutex::new(usage) }
    }

    /// Whether `other` has the same rate.
    #[must_use]
    pub fn has_same_rate(&self, other: &Self) -> bool {
        self.rate == other.rate
    }

    /// Whether a line of `bytes` may be logged. If not, it is counted and reported later.
    pub fn admit(self: &Arc<Self>, route: &str, bytes: usize) -> bool {
        let mut usage = self.lock();
        let admitted = usage.take(bytes, Instant::now());
        if !admitted {
            usage.dropped.lines += 1;
            usage.dropped.bytes += bytes as u64;
            self.schedule_report(&mut usage, route);
        }
        admitted
    }

    /// Whether the failure of a request may be logged in full. If not, it is counted and reported later.
    pub fn admit_failure(self: &Arc<Self>, route: &str, request: u64, failure: &impl Display) -> bool {
        let (mut usage, now) = (self.lock(), Instant::now());
        if usage.may_log_in_full(now) {
            let text = failure.to_string();
            if usage.take(text.len(), now) {
                return true;
            }
        }
        usage.dropped.failures += 1;
        usage.dropped.last = Some((request, first_line(failure)));
        self.schedule_report(&mut usage, route);
        false
    }

    fn lock(&self) -> MutexGuard<'_, QuotaState> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules a report at the end of the period, or when the worker thread ends.
    fn schedule_report(self: &Arc<Self>, usage: &mut QuotaState, route: &str) {
        if usage.is_report_scheduled {
            return;
        }
        // Without a runtime, the next line that is dropped within one schedules the report.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        usage.is_report_scheduled = true;
        let report = DropReport { quota: self.clone(), route: route.into() };
        runtime.spawn(async move {
            tokio::time::sleep(PERIOD).await;
            drop(report);
        });
    }

    fn take_dropped(&self) -> Dropped {
        let mut usage = self.lock();
        usage.is_report_scheduled = false;
        std::mem::take(&mut usage.dropped)
    }
}

impl QuotaState {
    /// Takes `bytes` from the quota, if that many are left.
    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        let bytes = bytes as u64;
        let fits = bucket.reserve(bytes, now) <= now;
        if !fits {
            bucket.refund(bytes);
        }
        fits
    }

    /// Whether this failure is one of the first in its period.
    fn may_log_in_full(&mut self, now: Instant) -> bool {
        if self.failing_since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            (self.failing_since, self.full_failures) = (Some(now), 0);
        }
        self.full_failures = self.full_failures.saturating_add(1);
        self.full_failures <= FULL_FAILURES
    }
}

/// Reports what was dropped. Its drop does that, so that the end of the server does it too.
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
                "handler {route} exceeds its `log_rate`; lines were dropped"
            );
        }
        if let Some((request, last)) = last {
            tracing::error!(
                target: "handler",
                route,
                failures,
                request,
                "handler {route} keeps failing; the last time it {last}"
            );
        }
    }
}

/// The beginning of a failure's first line.
fn first_line(failure: &impl Display) -> String {
    let text = failure.to_string();
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(MAX_LAST_FAILURE_BYTES)].to_owned()
}
