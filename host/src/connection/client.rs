//! One client: its socket and what its connection keeps from one request to the next.

use std::sync::Arc;

use bytes::BytesMut;

use super::io::ConnectionIo;
use crate::net::{Peer, Stream, Timer};
use crate::rate::ConnectionBudgets;
use crate::worker::Worker;

/// A client that is connected.
///
/// When there are many, each is cold in the caches when its next request comes: what that needs is together, in front.
#[repr(C)]
pub(super) struct Client {
    pub(super) worker: Arc<Worker>,
    pub(super) socket: Arc<Stream>,
    /// Bytes that have come and were not looked at.
    pub(super) input: BytesMut,
    pub(super) timer: Timer,
    /// Whether it has sent its last byte.
    pub(super) half_closed: bool,
    pub(super) peer: Peer,
    /// The budgets of routes whose `rate_scope` is `connection`.
    pub(super) rate_budgets: ConnectionBudgets,
}

impl Client {
    /// A client that was just accepted.
    pub(super) fn new(socket: Stream, peer: Peer, worker: Arc<Worker>) -> Self {
        Self {
            worker,
            socket: Arc::new(socket),
            input: BytesMut::new(),
            timer: Timer::default(),
            half_closed: false,
            peer,
            rate_budgets: ConnectionBudgets::default(),
        }
    }

    /// What an exchange or a WebSocket uses of it.
    pub(super) fn io(&mut self) -> ConnectionIo<'_> {
        ConnectionIo {
            socket: &self.socket,
            input: &mut self.input,
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts: &self.worker.config().timeouts,
            stopping: self.worker.stopping(),
            error_detail: self.worker.audience(),
        }
    }
}
