//! A connection's socket, and whether the connection is idle.

use std::io::{self, IoSlice};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::exchange::DirectWriter;
use crate::net::{ClientKey, Stream};

/// How long a new connection that has sent nothing is not evicted: its first request may be on its way.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// Values of [`ClientSocket::state`] that are not a time.
const BUSY: u64 = 0;
const EVICTED: u64 = u64::MAX;

/// Set in the state of a connection that has sent nothing yet.
const NEW: u64 = 1 << 63;

/// The low bits of a time: a number that orders what happens within one tick of the clock.
const SEQUENCE: u64 = (1 << 20) - 1;

/// Since when a connection is idle. A lower value is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdleSince(u64);

/// The socket of a connection, and whether the connection is idle: no byte of its next request was read.
///
/// The connection's task marks it as idle and as busy. A [`super::ConnectionTable`] marks an idle one as evicted.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ClientSocket {
    socket: Stream,
    /// [`BUSY`], [`EVICTED`], or since when it is idle, with [`NEW`] if it was never busy.
    state: AtomicU64,
    client: Option<ClientKey>,
    /// Its index in the table. It is changed under the lock of its shard. It is `usize::MAX` if the socket is not in
    /// the table.
    index: AtomicUsize,
}

impl IdleSince {
    /// A time of [`crate::clock::ticked`], with a number that grows within a tick.
    pub(crate) fn new(ticked: Duration, sequence: u64) -> Self {
        // A time must not be [`BUSY`] and must leave the bit of [`NEW`] free.
        let ticked = u64::try_from(ticked.as_nanos()).unwrap_or(u64::MAX).clamp(SEQUENCE + 1, NEW - 1);
        Self(ticked & !SEQUENCE | sequence & SEQUENCE)
    }

    fn is_before(self, time: Duration) -> bool {
        Duration::from_nanos(self.0) <= time
    }
}

impl ClientSocket {
    /// The socket of a connection that was accepted at `accepted` and has sent nothing yet.
    pub(crate) fn new(socket: Stream, client: Option<ClientKey>, accepted: IdleSince) -> Self {
        let (state, index) = (AtomicU64::new(accepted.0 | NEW), AtomicUsize::new(usize::MAX));
        Self { socket, state, client, index }
    }

    /// Marks the connection as idle, unless it is idle already. False if it was evicted and has to be closed.
    pub(crate) fn note_idle(&self, since: impl FnOnce() -> IdleSince) -> bool {
        match self.state.load(Ordering::Relaxed) {
            // Only this task changes the state from busy.
            BUSY => self.state.store(since().0, Ordering::Relaxed),
            EVICTED => return false,
            _ => {}
        }
        true
    }

    /// Marks the connection as busy. False if it was evicted, so that it no longer counts.
    pub(crate) fn note_busy(&self) -> bool {
        self.state.swap(BUSY, Ordering::Relaxed) != EVICTED
    }

    /// Since when it is idle, if it may be evicted now.
    pub(super) fn idle_since(&self, now: Duration) -> Option<IdleSince> {
        match self.state.load(Ordering::Relaxed) {
            BUSY | EVICTED => None,
            new if new & NEW != 0 => {
                Some(IdleSince(new & !NEW)).filter(|since| since.is_before(now.saturating_sub(FIRST_BYTE)))
            }
            idle => Some(IdleSince(idle)),
        }
    }

    /// Marks it as evicted, if it has been idle since `since`.
    pub(super) fn evict(&self, since: IdleSince) -> bool {
        let change = |from| self.state.compare_exchange(from, EVICTED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        change(since.0) || change(since.0 | NEW)
    }

    pub(super) fn client(&self) -> Option<ClientKey> {
        self.client
    }

    pub(super) fn index(&self) -> Option<usize> {
        Some(self.index.load(Ordering::Relaxed)).filter(|index| *index != usize::MAX)
    }

    pub(super) fn set_index(&self, index: Option<usize>) {
        self.index.store(index.unwrap_or(usize::MAX), Ordering::Relaxed);
    }
}

impl Deref for ClientSocket {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.socket
    }
}

impl DirectWriter for ClientSocket {
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }
}
