//! Which connections give way next. A search through all of them finds the next hundred, so that it is seldom needed.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::socket::{ClientSocket, IdleSince};

/// How many connections a search finds at most.
const MAX_FOUND: usize = 128;

/// How many connections are searched without a rest afterwards, and the rest for each of the others: a search takes some
/// tens of nanoseconds for each. So searching takes no more than a part of one core, whoever causes it.
const SEARCHED_AT_WILL: usize = 256;
const REST: Duration = Duration::from_micros(1);

/// Idle connections in the order in which they are to give way.
///
/// It stays right while time goes on: whichever becomes idle later comes after all of these, and one that was used since
/// is told by the time since when it is idle.
#[derive(Debug, Default)]
pub(super) struct EvictionQueue {
    next: VecDeque<IdleConnection>,
    /// No other search begins before.
    rests_until: Duration,
}

#[derive(Debug)]
struct IdleConnection {
    since: IdleSince,
    /// Not to keep it open.
    socket: Weak<ClientSocket>,
}

/// A search for the connections that are idle for longest.
pub(super) struct Search {
    now: Duration,
    seen: usize,
    /// Less than twice as many as it finds, in no order.
    found: Vec<IdleConnection>,
    /// Those that are idle since then or later are not among them.
    before: Option<IdleSince>,
}

impl EvictionQueue {
    /// The next one that is there, and since when it was idle. Without it the next is another.
    pub(super) fn pop(&mut self) -> Option<(IdleSince, Arc<ClientSocket>)> {
        loop {
            let IdleConnection { since, socket } = self.next.pop_front()?;
            if let Some(socket) = socket.upgrade() {
                return Some((since, socket));
            }
        }
    }

    /// Searches among the connections that `offer` offers, unless the last search was a moment ago. False if none is found.
    pub(super) fn search(&mut self, now: Duration, offer: impl FnOnce(&mut Search)) -> bool {
        if now < self.rests_until {
            return false;
        }
        let mut search = Search { now, seen: 0, found: Vec::new(), before: None };
        offer(&mut search);
        let rests = search.seen.saturating_sub(SEARCHED_AT_WILL);
        self.rests_until = now + REST * u32::try_from(rests).unwrap_or(u32::MAX);
        search.found.sort_unstable_by_key(|idle| idle.since);
        search.found.truncate(MAX_FOUND);
        self.next = search.found.into();
        !self.next.is_empty()
    }
}

impl Search {
    /// Looks at one connection.
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
