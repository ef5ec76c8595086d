//! The state of a running exchange, which all steps of its loop share.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::body_deadline::BodyDeadline;
use super::client_watch::ClientWatch;
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::connection::io::ConnectionIo;
use crate::connection::websocket::PendingUpgrade;
use crate::exchange::Exchange;
use crate::failure_report::FailureReport;
use crate::guest::Outcome;
use crate::pump::Pump;
use crate::response::Response;
use crate::routes::Route;
use crate::worker::{ParkedPermit, Worker};

/// The route and the request of a handler's exchange.
pub(in crate::connection) struct Caller<'c> {
    pub(in crate::connection) route: &'c Route,
    /// The request's number.
    pub(in crate::connection) id: u64,
    /// The worker, which has the permits for parked responses.
    pub(in crate::connection) worker: &'c Worker,
    /// The WebSocket that the request wants to open, if any.
    pub(in crate::connection) upgrade: Option<Box<PendingUpgrade>>,
    /// Whether what ends may have been middleware, and not the target of the route.
    pub(in crate::connection) is_behind_chain: bool,
}

impl<'c> Caller<'c> {
    pub(super) fn name(&self) -> &'c str {
        &self.route.mount.name
    }
}

/// A running exchange. `G` is the handler's invocation.
pub(in crate::connection) struct ExchangeLoop<'c, G> {
    pub(super) io: ConnectionIo<'c>,
    pub(super) exchange: Arc<Exchange>,
    /// The invocation. It is `None` once it has ended.
    pub(super) handler: Pin<&'c mut Option<G>>,
    /// The waker that the handler and middleware are polled with.
    pub(super) waker: Waker,
    /// The handler's route. It is `None` if the host has made the response.
    pub(super) caller: Option<Caller<'c>>,
    pub(super) body_reader: BodyReader,
    pub(super) pump: Pump,
    /// The part of the body that the handler has returned and that is not encoded yet.
    pub(super) last_piece: Bytes,
    /// The permit for a parked response. It is set once the handler has left its response open.
    pub(super) parked: Option<ParkedPermit>,
    /// Whether the task yields once before the response is sent, so that other ready handlers run first.
    pub(super) yields_first: bool,
    /// Whether the exchange ends without its handler, once the response is complete and sent.
    pub(super) lets_handler_go_on: bool,
    pub(super) peer_gone: Option<CloseReason>,
    /// Set while a lost client cannot be detected by reading.
    pub(super) watch: Option<Box<ClientWatch<'c>>>,
    /// Set once the exchange has waited for the body.
    pub(super) body_deadline: Option<Box<BodyDeadline<'c>>>,
    /// Set while middleware has to see the head before it is sent.
    pub(super) gate: Option<Box<MiddlewareGate<'c>>>,
}

/// How a response ends after its handler.
#[derive(Debug)]
pub(super) enum HandlerEnd {
    /// With the outcome that the handler has returned.
    Returned(Outcome),
    /// With an error response with this status, if the head is not sent. The report is shown in development mode.
    Failed(u16, Option<FailureReport>),
}

/// The run of the chain's `on-response`. If a middleware fails, the result is the body of the error response.
pub(in crate::connection) type HeadReview<'c> = Pin<Box<dyn Future<Output = Option<Bytes>> + Send + 'c>>;

/// A head that is held until the middleware chain has seen it.
pub(super) struct MiddlewareGate<'c> {
    pub(super) review: HeadReview<'c>,
    /// Whether the chain sees the head now.
    pub(super) in_review: bool,
    /// How the response ends after the review. It is `None` while the handler waits in its write.
    pub(super) ending: Option<HandlerEnd>,
}

impl<'c, G> ExchangeLoop<'c, G> {
    /// An exchange whose response is made by `handler`. If there is no `caller`, the host has already made the
    /// response.
    pub(in crate::connection) fn new(
        io: ConnectionIo<'c>,
        exchange: Arc<Exchange>,
        handler: Pin<&'c mut Option<G>>,
        caller: Option<Caller<'c>>,
        body_reader: BodyReader,
        pump: Pump,
    ) -> Self {
        let waker = if handler.is_some() { exchange.handler_waker() } else { Waker::noop().clone() };
        Self {
            io,
            exchange,
            handler,
            waker,
            caller,
            body_reader,
            pump,
            last_piece: Bytes::new(),
            parked: None,
            yields_first: false,
            lets_handler_go_on: false,
            peer_gone: None,
            watch: None,
            body_deadline: None,
            gate: None,
        }
    }

    /// Lets other ready handlers run before the response is sent. A core sends several responses in a row faster than
    /// each after its handler, and wakes clients less often. This costs one poll, so it is worth it only for handlers
    /// that cost more than that.
    pub(in crate::connection) fn yield_first(&mut self) {
        self.yields_first = true;
    }

    /// Ends the exchange once the response is complete and sent, also if the handler is not done. Then the handler is left
    /// where the caller has put it, to go on.
    pub(in crate::connection) fn let_handler_go_on(&mut self) {
        self.lets_handler_go_on = true;
    }

    /// Whether the handler has nothing more to do with the connection, and the exchange is to end without it.
    pub(super) fn can_leave_handler(&self) -> bool {
        let is_complete = |response: &mut Response| response.is_over() && !response.is_truncated();
        self.lets_handler_go_on
            && !self.is_in_review()
            && self.exchange.requested().is_none()
            && self.exchange.response(is_complete)
    }

    /// The handler's name and the request's number, for the log.
    pub(super) fn name(&self) -> &'c str {
        self.caller.as_ref().map_or("", Caller::name)
    }

    pub(super) fn id(&self) -> u64 {
        self.caller.as_ref().map_or(0, |caller| caller.id)
    }

    /// The worker of the handler.
    pub(super) fn worker(&self) -> Option<&'c Worker> {
        self.caller.as_ref().map(|caller| caller.worker)
    }

    /// Whether the handler or middleware runs.
    pub(super) fn is_running(&self) -> bool {
        self.handler.is_some() || self.is_in_review()
    }

    /// Whether the chain sees the head now.
    pub(super) fn is_in_review(&self) -> bool {
        self.gate.as_ref().is_some_and(|held| held.in_review)
    }
}
