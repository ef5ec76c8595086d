//! The last failures of handlers and middleware, as the log has them, for whoever looks at a running server.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::text::excerpt;

/// How many failures are kept, and the most bytes of each: about 160 KiB in all.
const MAX_FAILURES: usize = 20;
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The last failures. Only what is logged in full is added, so the log quota of a route also bounds how often this is locked.
#[derive(Debug, Default)]
pub(crate) struct FailureRecords(Mutex<KeptFailures>);

#[derive(Debug, Default)]
struct KeptFailures {
    /// The last first.
    records: VecDeque<FailureRecord>,
    /// How many there were so far.
    number: u64,
}

/// A failure of a handler or of a middleware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRecord {
    /// Its number: the first one has 1.
    pub number: u64,
    /// When it was logged.
    pub time: SystemTime,
    /// The name of the route.
    pub route: Box<str>,
    /// The name of the middleware, if that has failed and not the handler.
    pub middleware: Option<Box<str>>,
    /// The number of the request.
    pub request: u64,
    /// The entry of the log, with its backtrace; truncated.
    pub text: Box<str>,
}

impl FailureRecords {
    /// Adds an entry of the log.
    pub(crate) fn add(&self, route: &str, middleware: Option<&str>, request: u64, entry: &str) {
        let mut kept = self.lock();
        kept.number += 1;
        let record = FailureRecord {
            number: kept.number,
            time: SystemTime::now(),
            route: route.into(),
            middleware: middleware.map(Into::into),
            request,
            text: excerpt(entry, MAX_TEXT_BYTES).into(),
        };
        kept.records.truncate(MAX_FAILURES - 1);
        kept.records.push_front(record);
    }

    /// How many there were so far.
    pub(crate) fn number(&self) -> u64 {
        self.lock().number
    }

    /// Those that are kept, the last first.
    pub(crate) fn last(&self) -> Vec<FailureRecord> {
        self.lock().records.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, KeptFailures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_each_is_bounded() {
        let failures = FailureRecords::default();
        for request in 0..30 {
            failures.add("a", None, request, "first\nsecond");
        }
        failures.add("b", Some("auth"), 99, &"é".repeat(1 << 20));
        let last = failures.last();
        assert_eq!((failures.number(), last.len()), (31, MAX_FAILURES));
        assert_eq!((last[0].number, &*last[0].route, last[0].middleware.as_deref()), (31, "b", Some("auth")));
        assert!(last[0].text.len() <= MAX_TEXT_BYTES + "...".len());
        assert_eq!((last[1].request, &*last[1].text), (29, "first\nsecond"));
        assert_eq!(last[MAX_FAILURES - 1].request, 11);
    }
}
