//! Runs one exchange: polls the handler, reads the request's body, and sends the response.
//!
//! All three run in one task and take turns in one `poll`. When the handler waits or yields, its output is sent.

mod body_deadline;
mod client_watch;
mod handler_end;
mod metering;
mod middleware_gate;
mod parking;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::deadlines::{Deadline, Deadlines, earlier};
use super::finished::Finished;
use super::io::ConnectionIo;
use super::next::Next;
use super::turns::{self, Policy, Turn};
use super::websocket::PendingUpgrade;
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::exchange::{ClientLoss, Exchange, ExchangeEnd};
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE, note_poll};
use crate::guest::{self, CallError, Outcome};
use crate::net::{PeerState, Timer};
use crate::pump::Pump;
use crate::response::Response;
use crate::routes::Route;
use crate::worker::{ParkedPermit, Worker};

use body_deadline::BodyDeadline;
use client_watch::ClientWatch;
use middleware_gate::MiddlewareGate;

/// The route and the request of a handler's exchange.
pub(super) struct Caller<'c> {
    pub(super) route: &'c Route,
    /// The request's number.
    pub(super) id: u64,
    /// The worker, which has the permits for parked responses.
    pub(super) worker: &'c Worker,
    /// The WebSocket that the request wants to open, if any.
    pub(super) upgrade: Option<Box<PendingUpgrade>>,
}

impl<'c> Caller<'c> {
    fn name(&self) -> &'c str {
        &self.route.mount.name
    }
}

/// A running exchange. `G` is the handler's invocation.
pub(super) struct ExchangeLoop<'c, G> {
    io: ConnectionIo<'c>,
    exchange: Arc<Exchange>,
    /// The invocation. It is `None` once it has ended.
    handler: Pin<&'c mut Option<G>>,
    /// The waker that the handler and middleware are polled with.
    waker: Waker,
    /// The handler's route. It is `None` if the host has made the response.
    caller: Option<Caller<'c>>,
    body_reader: BodyReader,
    pump: Pump,
    /// The part of the body that the handler has returned and that is not encoded yet.
    last_piece: Bytes,
    /// The permit for a parked response. It is set once the handler has left its response open.
    parked: Option<ParkedPermit>,
    /// Whether the task yields once before the response is sent, so that other ready handlers run first.
    yields_first: bool,
    peer_gone: Option<CloseReason>,
    /// Set while a lost client cannot be detected by reading.
    watch: Option<Box<ClientWatch<'c>>>,
    /// Set once the exchange has waited for the body.
    body_deadline: Option<Box<BodyDeadline<'c>>>,
    /// Set while middleware has to see the head before it is sent.
    gate: Option<Box<MiddlewareGate<'c>>>,
}

impl<'c, G> ExchangeLoop<'c, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// An exchange whose response is made by `handler`. If there is no `caller`, the host has already made the
    /// response.
    pub(super) fn new(
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
            peer_gone: None,
            watch: None,
            body_deadline: None,
            gate: None,
        }
    }

    /// Lets other ready handlers run before the response is sent. A core sends several responses in a row faster than
    /// each after its handler, and wakes clients less often. This costs one poll, so it is worth it only for handlers
    /// that cost more than that.
    pub(super) fn yield_first(&mut self) {
        self.yields_first = true;
    }

    /// Runs the exchange to its end.
    pub(super) async fn run(&mut self) -> Finished<Next> {
        turns::run(self).await;
        if let Some(gone) = self.peer_gone {
            return Finished::client_gone(gone);
        }
        if let Some(permit) = self.parked.take() {
            return self.keep(permit);
        }
        if self.exchange.is_closed_by_handler() {
            return Finished::closing(ExchangeEnd::Closed, CloseReason::Handler);
        }
        let finished = self.exchange.response(|response| Finished::after(response, Next::Request));
        if finished.end == ExchangeEnd::Truncated || self.body_reader.is_done() {
            return finished;
        }
        // Boxed, because it is rare and would enlarge the future of every exchange.
        if finished.next.is_ok() && self.body_reader.abandon(self.io.input) && Box::pin(self.drain_body()).await {
            return finished;
        }
        Finished::closing(finished.end, CloseReason::BodyUnread)
    }

    /// Reads and drops the rest of the body. Returns whether its end was reached.
    async fn drain_body(&mut self) -> bool {
        let stopping = self.io.stopping;
        let drain = self.body_reader.drain(self.io.socket, self.io.input, self.io.timeouts.body);
        tokio::select! {
            biased;
            drained = drain => drained,
            () = stopping.wait() => false,
        }
    }

    /// The handler's name and the request's number, for the log.
    fn name(&self) -> &'c str {
        self.caller.as_ref().map_or("", Caller::name)
    }

    fn id(&self) -> u64 {
        self.caller.as_ref().map_or(0, |caller| caller.id)
    }

    /// Whether the handler or middleware runs.
    fn is_running(&self) -> bool {
        self.handler.is_some() || self.is_in_review()
    }

    fn poll_guests(&mut self) {
        match self.gate {
            Some(_) => self.poll_gate(),
            None => self.poll_handler(),
        }
    }

    fn poll_handler(&mut self) {
        if let Some(handler) = self.handler.as_mut().as_pin_mut()
            && let Poll::Ready(end) = self.exchange.poll_handler(&self.waker, handler)
        {
            self.handler.set(None);
            self.on_handler_done(end);
        }
    }

    /// Returns true if the handler was given a piece of the body, or its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        match self.body_reader.poll(cx, self.io.socket, self.io.input, &self.exchange) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.lose_client(CloseReason::ClientGone);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Returns true if all output is sent, or if the client is lost.
    fn poll_pump(&mut self, cx: &mut Context<'_>) -> bool {
        match self.pump.poll(cx, self.io.socket, &*self.exchange) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.lose_client(CloseReason::ClientGone);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Detects a client that disconnects while nothing is read from it. Returns whether it is gone.
    fn watch_peer(&mut self, cx: &mut Context<'_>) -> bool {
        let is_gone = self.io.watch_peer(cx) == Some(PeerState::Gone) || self.watch_client(cx);
        if is_gone {
            self.lose_client(CloseReason::ClientGone);
        }
        is_gone
    }

    fn lose_client(&mut self, reason: CloseReason) {
        let (grace, now) = (self.io.timeouts.grace, Instant::now());
        self.exchange.client_gone(grace);
        let loss = if reason == CloseReason::WriteTimeout { ClientLoss::StoppedReading } else { ClientLoss::Gone };
        self.exchange.shorten_deadline(now + grace, loss);
        self.last_piece.clear();
        self.peer_gone = Some(reason);
    }

    /// Ends the handler, whose deadline has passed. If it runs, it traps at its next epoch, with a backtrace. If it
    /// waits, it is dropped.
    fn expire_handler(&mut self) {
        self.poll_guests();
        let backtrace = "; it was waiting in a call to the host".to_owned();
        let expired = CallError::Deadline { backtrace };
        if self.is_in_review() {
            self.abort_middleware(&expired);
        } else if self.handler.is_some() {
            self.handler.set(None);
            self.on_handler_done(Err(expired));
        }
    }
}

impl<G> Policy for ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    type End = ();

    const MAX_TURNS: usize = 32;

    fn begin(&mut self, _: &mut Context<'_>) {
        self.measure_turn();
        note_poll();
        self.exchange.begin_turn();
        // The head may be encoded long after the request has begun. If the server stops in between, the head has to say
        // that the connection closes (RFC 9112 section 9.6).
        if self.caller.as_ref().is_some_and(|caller| caller.worker.stopping().is_set()) {
            self.exchange.response(Response::forbid_keep_alive_in_head);
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Turn<()> {
        if self.exchange.take_wake() {
            self.poll_guests();
        }
        let over = !self.is_running();
        if self.peer_gone.is_some() {
            // The client is gone. Only the handler still has to end.
            return if over { Turn::End(()) } else { Turn::Wait };
        }
        let more = self.encode_last_piece();
        let supplied = self.poll_body(cx);
        // It does not yield to a handler that spins, which would delay the response for its whole time slice.
        if over && !more && std::mem::take(&mut self.yields_first) && !guest::was_preempted() {
            return Turn::Yield;
        }
        let flushed = self.poll_pump(cx);
        if self.peer_gone.is_some() {
            return Turn::Again;
        }
        if over && !more && flushed {
            return Turn::End(());
        }
        let room = more && self.exchange.response(|response| response.has_room());
        if supplied || room || (!over && self.exchange.is_runnable()) || self.watch_peer(cx) {
            return Turn::Again;
        }
        if self.pump.paced_until().is_none() {
            self.pump.rest();
        }
        Turn::Wait
    }

    /// If the client is gone, only the handler's deadline is left.
    fn deadlines(&mut self, cx: &mut Context<'_>) -> Deadlines {
        let handler = if self.is_running() { self.exchange.deadline() } else { None };
        if self.peer_gone.is_some() {
            return Deadlines { handler, ..Deadlines::default() };
        }
        let watch = self.watch.as_ref().filter(|_| self.is_running());
        let half_close = watch.map(|watch| watch.until(self.io.timeouts.half_close));
        Deadlines {
            write_stall: self.pump.stalled_until(),
            body: self.body_reader.waits_until().map(|until| self.body_until(cx, until)),
            handler,
            half_close,
            pacing: earlier(self.pump.paced_until(), self.body_reader.paced_until()),
            ..Deadlines::default()
        }
    }

    fn expire(&mut self, deadline: Deadline, cx: &mut Context<'_>, _: Instant) -> Option<()> {
        match deadline {
            Deadline::WriteStall => self.lose_client(CloseReason::WriteTimeout),
            Deadline::Body => self.body_reader.time_out(&self.exchange),
            Deadline::Handler => self.expire_handler(),
            Deadline::HalfClose => self.give_up_client(cx),
            Deadline::Close | Deadline::Idle | Deadline::Heartbeat | Deadline::Pacing => {}
        }
        None
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        self.measure_wait();
        if self.is_running() {
            self.exchange.end_turn(cx);
        }
    }

    fn next_slice(&self) -> NextSlice {
        let handler = self.caller.as_ref().map_or(NO_ROUTE, |caller| caller.route.target.id());
        NextSlice::after(handler, TIME_SLICE, Some(self.exchange.clone()))
    }

    fn timer(&mut self) -> &mut Timer {
        self.io.timer
    }
}
