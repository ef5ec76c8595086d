//! The timer of a route: how often the host runs it without a client, and with which target.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

#[cfg(test)]
mod tests;

/// What a path has unencoded (RFC 3986 section 3.3).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// When the host runs a route without a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTimer {
    /// The time from one run to the next.
    pub every: Duration,
    /// The target of its requests: a path that the route answers, encoded.
    pub target: String,
}

impl RouteTimer {
    /// A timer for a route with these patterns: its target is the first of them without captures. `None` if all have some.
    #[must_use]
    pub fn new(every: Duration, patterns: &[String]) -> Option<Self> {
        let pattern = patterns.iter().find(|pattern| !pattern.contains('{'))?;
        Some(Self { every, target: utf8_percent_encode(pattern, PATH).to_string() })
    }
}
