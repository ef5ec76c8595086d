//! One client: its socket and what its connection keeps from one request to the next.

use std::sync::Arc;

use super::io::ConnectionIo;
use crate::clock;
use crate::connection_table::{ClientSocket, IdleSince};
use crate::http::head::RequestHead;
use crate::http1::head::HeadError;
use crate::http1::server::ServerConnection;
use crate::net::{Peer, Stream, Timer};
use crate::rate::ConnectionBudgets;
use crate::worker::Worker;

/// A client that is connected.
///
/// When there are many, each is cold in the caches when its next request comes: what that needs is together, in front.
#[repr(C)]
pub(super) struct Client {
    pub(super) worker: Arc<Worker>,
    pub(super) socket: Arc<ClientSocket>,
    /// What has come of its requests.
    pub(super) http: ServerConnection,
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
        let accepted = IdleSince::new(clock::ticked(), worker.requests());
        let socket = Arc::new(ClientSocket::new(socket, peer.client_key(), accepted));
        Self {
            worker,
            socket,
            http: ServerConnection::default(),
            timer: Timer::default(),
            half_closed: false,
            peer,
            rate_budgets: ConnectionBudgets::default(),
        }
    }

    /// The head of its next request, in what has come.
    pub(super) fn next_head(&mut self) -> Result<Option<RequestHead>, HeadError> {
        self.http.next_head(&self.worker.config().limits.head)
    }

    /// What an exchange or a WebSocket uses of it.
    pub(super) fn io(&mut self) -> ConnectionIo<'_> {
        ConnectionIo {
            socket: &self.socket,
            input: self.http.input_mut(),
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts: &self.worker.config().timeouts,
            stopping: self.worker.stopping(),
            error_detail: self.worker.audience(),
        }
    }
}
