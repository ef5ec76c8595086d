//! What a worker counts: connections, requests, invocations and published chunks.
//!
//! No other core writes to these often. [`ServerStats`] is the sum of all workers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::labels::HandshakeOutcome;
use crate::close_reason::CloseReason;

#[cfg(test)]
mod tests;

/// The counters of one worker. They have cache lines of their own, so that cores share nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    requests: AtomicU64,
    connections: AtomicUsize,
    invocations: AtomicUsize,
    closed: [AtomicU64; CloseReason::ALL.len()],
    chunks_reached: AtomicU64,
    chunks_dropped: AtomicU64,
    open: [AtomicUsize; 2],
    handshakes: [AtomicU64; HandshakeOutcome::ALL.len()],
}

/// What an open connection is, if it is no connection of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenConnections {
    /// A connection of HTTP/2, with all of its streams.
    Http2,
    /// A WebSocket.
    WebSockets,
}

/// Counts an invocation as in flight, or a connection as open, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'c>(&'c AtomicUsize);

/// What a server has counted since it was started, and what it has now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Requests and messages so far.
    pub requests: u64,
    /// Open connections, those that are being refused included.
    pub connections: usize,
    /// Invocations in flight. One that goes on after its response is complete does not count.
    pub invocations: usize,
    /// Parked responses.
    pub parked: usize,
    /// Bytes of `max_memory` in use.
    pub memory: usize,
    /// Published chunks so far.
    pub published: PublishedChunks,
    /// Open connections that are of HTTP/2.
    pub http2_connections: usize,
    /// Open WebSockets.
    pub websockets: usize,
    handshakes: [u64; HandshakeOutcome::ALL.len()],
    closed: [u64; CloseReason::ALL.len()],
}

/// How many published chunks were queued and dropped. A chunk counts once for each subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishedChunks {
    /// Chunks that were queued.
    pub reached: u64,
    /// Chunks that were dropped because the client reads too slowly: by `push_overflow`, or because a route of another
    /// directory published them.
    pub dropped: u64,
}

impl WorkerMetrics {
    /// Counts a request or a message. Returns how many there were before.
    pub(crate) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of requests and messages so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Counts a connection as open, until [`Self::remove_connection`].
    pub(crate) fn add_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open no longer.
    pub(crate) fn remove_connection(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts an invocation as in flight until the guard is dropped.
    pub(crate) fn start_invocation(&self) -> InFlight<'_> {
        self.invocations.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.invocations)
    }

    /// The number of invocations in flight.
    pub(crate) fn invocations(&self) -> usize {
        self.invocations.load(Ordering::Relaxed)
    }

    /// Counts a connection as of this kind until the guard is dropped.
    pub(crate) fn open(&self, kind: OpenConnections) -> InFlight<'_> {
        let open = &self.open[kind as usize];
        open.fetch_add(1, Ordering::Relaxed);
        InFlight(open)
    }

    /// Counts a handshake of TLS that has ended.
    pub(crate) fn count_handshake(&self, outcome: HandshakeOutcome) {
        self.handshakes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was closed for this reason.
    pub(crate) fn count_closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts chunks that were queued for subscribers.
    pub(crate) fn count_reached(&self, chunks: u32) {
        self.chunks_reached.fetch_add(chunks.into(), Ordering::Relaxed);
    }

    /// Counts chunks that were dropped for subscribers.
    pub(crate) fn count_dropped(&self, chunks: u64) {
        self.chunks_dropped.fetch_add(chunks, Ordering::Relaxed);
    }

    /// The published chunks so far.
    pub(crate) fn published(&self) -> PublishedChunks {
        PublishedChunks {
            reached: self.chunks_reached.load(Ordering::Relaxed),
            dropped: self.chunks_dropped.load(Ordering::Relaxed),
        }
    }

    /// Adds the counts of this worker to `stats`.
    pub(crate) fn add_to(&self, stats: &mut ServerStats) {
        stats.requests += self.requests();
        stats.connections += self.connections();
        stats.invocations += self.invocations();
        let PublishedChunks { reached, dropped } = self.published();
        stats.published.reached += reached;
        stats.published.dropped += dropped;
        let closed = stats.closed.iter_mut().zip(&self.closed);
        for (sum, own) in closed.chain(stats.handshakes.iter_mut().zip(&self.handshakes)) {
            *sum += own.load(Ordering::Relaxed);
        }
        stats.http2_connections += self.open[OpenConnections::Http2 as usize].load(Ordering::Relaxed);
        stats.websockets += self.open[OpenConnections::WebSockets as usize].load(Ordering::Relaxed);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerStats {
    /// How many connections were closed for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize]
    }

    /// How many handshakes of TLS have ended so.
    #[must_use]
    pub fn handshakes(&self, outcome: HandshakeOutcome) -> u64 {
        self.handshakes[outcome as usize]
    }
}
