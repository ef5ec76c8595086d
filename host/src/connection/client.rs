//! One client: its socket, and the state that its connection keeps between requests.

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

/// A connected client.
///
/// If there are many clients, none of this is cached when a request arrives. The fields that a request needs first are
/// therefore next to each other, at the start.
#[repr(C)]
pub(super) struct Client {
    pub(super) worker: Arc<Worker>,
    pub(super) socket: Arc<ClientSocket>,
    /// The HTTP state, with the input that has arrived.
    pub(super) http: ServerConnection,
    pub(super) timer: Timer,
    /// Whether the client has closed its sending side.
    pub(super) half_closed: bool,
    pub(super) peer: Peer,
    /// The budgets of routes whose `rate_scope` is `connection`.
    pub(super) rate_budgets: ConnectionBudgets,
}

impl Client {
    /// A client whose connection was just accepted.
    pub(super) fn new(socket: Stream, peer: Peer, worker: Arc<Worker>) -> Self {
        let accepted = IdleSince::new(clock::ticked(), worker.counters().requests());
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

    /// Takes the head of the next request from the input. It is `None` if the head is incomplete.
    pub(super) fn next_head(&mut self) -> Result<Option<RequestHead>, HeadError> {
        self.http.next_head(&self.worker.config().limits.head)
    }

    /// The parts of the client that an exchange or a WebSocket uses.
    pub(super) fn io(&mut self) -> ConnectionIo<'_> {
        ConnectionIo {
            socket: &self.socket,
            input: self.http.input_mut(),
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts: &self.worker.config().timeouts,
            stopping: self.worker.stopping(),
            error_detail: self.worker.error_detail(),
        }
    }
}
