//! How many files and sockets the process may have open: every connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for the listeners, the workers, the log and the connections that are told that there is no room.
const SPARE: u64 = 256;

/// Raises the limit as far as the system lets a process do by itself.
pub(super) fn raise() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where this is refused, the limit stays what it was: `warn_below` reads it again.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Warns where the limit is below what so many connections take.
pub(super) fn warn_below(max_connections: usize) {
    let needed = (max_connections as u64).saturating_add(SPARE);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            target: "server",
            limit,
            needed,
            "the limit of open files is below what --max-connections {max_connections} needs; raise it (`ulimit -n`), \
             or lower --max-connections"
        );
    }
}
