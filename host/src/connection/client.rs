//! One client: its socket, and the state that its connection keeps between requests.

use std::sync::Arc;

use smallvec::SmallVec;

use super::io::ConnectionIo;
use crate::clock;
use crate::connection_table::{ClientSocket, ForwardedPermit, IdleSince};
use crate::exchange::RequestScheme;
use crate::http::head::RequestHead;
use crate::http1::head::HeadError;
use crate::http1::server::ServerConnection;
use crate::net::{FORWARDED_PROTO, ForwardedField, Peer, Scheme, Stream, Timer, forwarded_scheme};
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
    /// The scheme of the current request, if a trusted proxy says it.
    forwarded_scheme: Option<Scheme>,
    /// The other end of the connection, or the client that the PROXY protocol has named.
    pub(super) peer: Peer,
    /// The client of the current request, if a trusted proxy names it.
    pub(super) forwarded: Option<Box<ForwardedRequest>>,
    /// The proxy that has named `peer` in the PROXY protocol, if one has.
    pub(super) proxy: Option<Box<Peer>>,
    /// The budgets of routes whose `rate_scope` is `connection`.
    pub(super) rate_budgets: ConnectionBudgets,
}

/// A request that came through trusted proxies.
#[derive(Debug)]
pub(super) struct ForwardedRequest {
    client: Peer,
    _permit: ForwardedPermit,
}

impl Client {
    /// The client of the current request.
    pub(super) fn requester(&self) -> Peer {
        self.forwarded.as_ref().map_or(self.peer, |forwarded| forwarded.client)
    }

    /// The proxy through which the current request came last, if a trusted one has named its client.
    pub(super) fn proxy(&self) -> Option<&Peer> {
        if self.forwarded.is_some() { Some(&self.peer) } else { self.proxy.as_deref() }
    }

    /// Finds out whose request this is. False if that client has too many requests in flight.
    #[inline]
    pub(super) fn identify(&mut self, head: &RequestHead) -> bool {
        let config = self.worker.config();
        match config.forwarded {
            Some(field) => self.identify_by(field, head),
            None => true,
        }
    }

    /// The scheme of the URL of the current request.
    pub(super) fn scheme(&self) -> RequestScheme {
        match self.forwarded_scheme {
            Some(Scheme::Http) => RequestScheme::Http,
            Some(Scheme::Https) => RequestScheme::Https,
            None if self.socket.is_tls() => RequestScheme::Https,
            None => RequestScheme::Http,
        }
    }

    /// Finds out in this field, if the peer is a trusted proxy, whose request this is, and with which scheme.
    fn identify_by(&mut self, field: ForwardedField, head: &RequestHead) -> bool {
        let config = self.worker.config();
        let lines_of = |name| head.values(name).collect::<SmallVec<[&[u8]; 4]>>().into_iter();
        let found = field.client(&self.peer, &config.trusted_proxies, lines_of(field.name()));
        self.forwarded_scheme = match config.forwarded_proto {
            true => forwarded_scheme(&self.peer, &config.trusted_proxies, lines_of(FORWARDED_PROTO)),
            false => found.and_then(|found| found.scheme),
        };
        let Some(found) = found else { return true };
        let Some(permit) = self.worker.shared().connections.forward(&found.client) else { return false };
        self.forwarded = Some(Box::new(ForwardedRequest { client: found.client, _permit: permit }));
        true
    }

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
            forwarded_scheme: None,
            peer,
            forwarded: None,
            proxy: None,
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
