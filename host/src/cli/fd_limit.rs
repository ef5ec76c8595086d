//! The limit of open file descriptors. Every connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors for everything but accepted connections: listeners, workers, logs, and connections that are
/// refused.
const RESERVED: u64 = 256;

/// Raises the soft limit to the hard limit.
pub(super) fn raise() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If this is refused, `warn_below` reports the limit that remains.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Warns if the limit is below what this many connections need.
pub(super) fn warn_below(max_connections: usize) {
    let needed = (max_connections as u64).saturating_add(RESERVED);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            target: "server",
            limit,
            needed,
            "the limit of open files is too low for --max-connections {max_connections}; raise it (`ulimit -n`), \
             or lower --max-connections"
        );
    }
}
