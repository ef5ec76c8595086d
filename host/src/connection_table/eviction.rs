//! Which connections to evict next. One search through all of them finds more than a hundred, so that few searches are needed.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::socket::{ClientSocket, IdleSince};

/// How many connections a search finds at most.
const MAX_FOUND: usize = 128;

/// A search through more connections than this is followed by a pause, so that no client can make searches take a whole core.
const SEARCHED_WITHOUT_PAUSE: usize = 256;

/// The pause for each further connection. Searching it takes some tens of nanoseconds.
const PAUSE: Duration = Duration::from_micros(1);

/// Idle connections, the longest idle one first.
///
/// The order stays valid: a connection that becomes idle later comes after all of these. A connection that was used meanwhile
/// has another idle time, which an eviction notices.
#[derive(Debug, Default)]
pub(super) struct EvictionQueue {
    next: VecDeque<IdleConnection>,
    /// When the next search may begin.
    paused_until: Duration,
}

#[derive(Debug)]
struct IdleConnection {
    since: IdleSince,
    /// Weak, so that the queue does not keep it open.
    socket: Weak<ClientSocket>,
}

/// A search for the longest idle connections.
pub(super) struct Search {
    now: Duration,
    seen: usize,
    /// Fewer than `2 * MAX_FOUND`, unordered.
    found: Vec<IdleConnection>,
    /// Connections that became idle at this time or later are skipped.
    before: Option<IdleSince>,
}

impl EvictionQueue {
    /// Removes and returns the next connection that is still open, and since when it was idle.
    pub(super) fn pop(&mut self) -> Option<(IdleSince, Arc<ClientSocket>)> {
        loop {
            let IdleConnection { since, socket } = self.next.pop_front()?;
            if let Some(socket) = socket.upgrade() {
                return Some((since, socket));
            }
        }
    }

    /// Searches the connections that `offer` offers, unless searching is paused. False if none is found.
    pub(super) fn search(&mut self, now: Duration, offer: impl FnOnce(&mut Search)) -> bool {
        if now < self.paused_until {
            return false;
        }
        let mut search = Search { now, seen: 0, found: Vec::new(), before: None };
        offer(&mut search);
        let paused_for = search.seen.saturating_sub(SEARCHED_WITHOUT_PAUSE);
        self.paused_until = now + PAUSE * u32::try_from(paused_for).unwrap_or(u32::MAX);
        search.found.sort_unstable_by_key(|idle| idle.since);
        search.found.truncate(MAX_FOUND);
        self.next = search.found.into();
        !self.next.is_empty()
    }
}

impl Search {
    /// Considers one connection.
    pub(super) fn offer(&mut self, socket: &Arc<ClientSocket>) {
        self.seen += 1;
        let Some(since) = socket.idle_since(self.now) else { return };
        if self.before.is_some_and(|before| since >= before) {
            return;
        }
        self.found.push(IdleConnection { since, socket: Arc::downgrade(socket) });
        if self.found.len() == 2 * MAX_FOUND {
            let (_, last, _) = self.found.select_nth_unstable_by_key(MAX_FOUND, |idle| idle.since);
            self.before = Some(last.since);
            self.found.truncate(MAX_FOUND);
        }
    }
}
