//! Warnings about what a component was denied: the first in a minute of each kind, with the line that would allow it.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::text::printable;

/// How long a route is silent about denials of a kind after a warning.
const INTERVAL: Duration = Duration::from_secs(60);

/// The kinds of denials.
const KINDS: usize = 4;

/// What was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A request to another server.
    Http,
    /// A key-value store.
    KeyValue,
    /// A request to another server that was granted, and has failed.
    Upstream,
    /// A call of a key-value store that was granted, and has failed.
    KeyValueCall,
}

/// How the operator allows what was denied. The texts are TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A line of `[grant]`.
    Line(String),
    /// An entry of a key that `[grant]` has already.
    Entry {
        /// The entry.
        entry: String,
        /// The key.
        key: &'static str,
    },
}

/// When a route's components were last warned about.
#[derive(Debug, Default)]
pub struct Denials(Mutex<[Option<Instant>; KINDS]>);

impl Denials {
    /// Warns that a component was denied something, unless that was said within a minute. `what` says what it wanted.
    pub fn warn(&self, denied: Denied, route: &str, request: Option<u64>, what: impl Display, remedy: &Remedy) {
        if !self.is_first(denied, Instant::now()) {
            return;
        }
        let what = printable(&what.to_string());
        match remedy {
            Remedy::Line(line) => {
                let line = printable(line);
                tracing::warn!(
                    target: "handler",
                    route,
                    request,
                    "handler {route} was denied {what}; to allow it, write `{line}` into `[grant]` of {route}.toml"
                );
            }
            Remedy::Entry { entry, key } => {
                let entry = printable(entry);
                tracing::warn!(
                    target: "handler",
                    route,
                    request,
                    "handler {route} was denied {what}; to allow it, add `{entry}` to `{key}` in `[grant]` of {route}.toml"
                );
            }
        }
    }

    /// Warns that a call of a component to a key-value store has failed, unless that was said within a minute.
    pub fn warn_of_store(&self, route: &str, request: u64, store: &str, reason: impl Display) {
        if self.is_first(Denied::KeyValueCall, Instant::now()) {
            let store = printable(store);
            tracing::warn!(
                target: "handler",
                route,
                request,
                "handler {route} could not use the key-value store `{store}`: {reason}"
            );
        }
    }

    /// Warns that a request of a component to another server has failed, unless that was said within a minute.
    pub fn warn_of_failure(&self, route: &str, request: u64, what: impl Display, reason: impl Display) {
        if self.is_first(Denied::Upstream, Instant::now()) {
            let (what, reason) = (printable(&what.to_string()), printable(&reason.to_string()));
            tracing::warn!(target: "handler", route, request, "handler {route} could not call {what}: {reason}");
        }
    }

    fn is_first(&self, denied: Denied, now: Instant) -> bool {
        let last = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[denied as usize];
        let is_first = last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if is_first {
            *last = Some(now);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_denial_is_told_once_a_minute() {
        let (denials, now) = (Denials::default(), Instant::now());
        assert!(denials.is_first(Denied::Http, now));
        assert!(!denials.is_first(Denied::Http, now + INTERVAL / 2));
        assert!(denials.is_first(Denied::KeyValue, now));
        assert!(denials.is_first(Denied::Http, now + INTERVAL));
        assert!(!denials.is_first(Denied::Http, now + INTERVAL));
    }
}
