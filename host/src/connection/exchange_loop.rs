//! One exchange in motion: the handler, the request's body on its way in, the response on its way out.
//!
//! All three live in one task and take turns in one `poll`. Whenever the handler rests, what it wrote goes out.

mod body_deadline;
mod client_watch;
mod handler_end;
mod metering;
mod middleware_gate;
mod parking;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::parked::Parked;
use super::websocket::{PendingUpgrade, WebSocket};
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::config::{ErrorDetail, Timeouts};
use crate::exchange::{ClientLoss, Exchange};
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE, note_poll};
use crate::guest::{self, CallError, Outcome};
use crate::log_quota::LogQuota;
use crate::net::{PeerState, Stream, Timer};
use crate::pump::Pump;
use crate::response::{AfterResponse, Response};
use crate::routes::Route;
use crate::worker::{ParkedPermit, Shutdown, Worker};

pub(super) use handler_end::{explain, tell};
pub(super) use middleware_gate::substitute;

use body_deadline::BodyDeadline;
use client_watch::ClientWatch;
use middleware_gate::MiddlewareGate;

/// How often the three take turns before other connections get theirs.
const MAX_TURNS: usize = 32;

/// What a 503 says: places are free as soon as other requests end.
pub(super) const RETRY: (&str, &str) = ("Retry-After", "1");

/// How an exchange ended where the connection did not end with it.
pub(super) enum Served {
    /// The response was sent; the next request can come.
    Complete,
    /// The handler left the response open, and what it wrote was sent.
    LeftOpen(Box<Parked>),
    /// The connection is a WebSocket from now on.
    Upgraded(Box<WebSocket>),
}

/// What of a connection an exchange uses.
pub(super) struct ConnectionIo<'c> {
    pub(super) socket: &'c Stream,
    pub(super) input: &'c mut BytesMut,
    pub(super) timer: &'c mut Timer,
    pub(super) half_closed: &'c mut bool,
    pub(super) timeouts: &'c Timeouts,
    pub(super) stopping: &'c Shutdown,
    pub(super) error_detail: ErrorDetail,
}

/// One exchange in motion. `G` is the handler's invocation.
pub(super) struct ExchangeLoop<'c, G> {
    io: ConnectionIo<'c>,
    exchange: Arc<Exchange>,
    /// The invocation, until it has ended.
    handler: Pin<&'c mut Option<G>>,
    /// What the handler, and middleware in its place, is polled with.
    waker: Waker,
    /// The handler's name and the request's number, for the log.
    route: &'c str,
    id: u64,
    /// What of the log the route may take.
    quota: Option<&'c Arc<LogQuota>>,
    /// The handler's number, by which it has its share of the processor.
    number: u64,
    /// Its task has had its turn, and waits for the next.
    slice: Option<Box<NextSlice>>,
    body_reader: BodyReader,
    pump: Pump,
    /// What the handler returned and is not encoded yet.
    last_piece: Bytes,
    /// Where connections that are left open are counted, and for which route.
    parking: Option<(&'c Worker, &'c Route)>,
    /// The place of this one, where its handler has left it open.
    left_open: Option<ParkedPermit>,
    /// The WebSocket that it becomes then, where its request asks for one.
    upgrade: Option<Box<PendingUpgrade>>,
    /// The answer waits, once, for the other handlers that are ready.
    yields_first: bool,
    peer_gone: Option<CloseReason>,
    /// Where the client may have gone without a sign.
    watch: Option<Box<ClientWatch<'c>>>,
    /// Where the body was waited for.
    body_deadline: Option<Box<BodyDeadline<'c>>>,
    /// Where the head waits for middleware to see it.
    gate: Option<Box<MiddlewareGate<'c>>>,
}

impl<'c, G> ExchangeLoop<'c, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// An exchange whose response `handler` makes, or is made already where there is none.
    pub(super) fn new(
        io: ConnectionIo<'c>,
        exchange: Arc<Exchange>,
        handler: Pin<&'c mut Option<G>>,
        body_reader: BodyReader,
        pump: Pump,
    ) -> Self {
        let waker = if handler.is_some() { exchange.handler_waker() } else { Waker::noop().clone() };
        Self {
            io,
            exchange,
            handler,
            waker,
            route: "",
            id: 0,
            quota: None,
            number: NO_ROUTE,
            slice: None,
            body_reader,
            pump,
            last_piece: Bytes::new(),
            parking: None,
            left_open: None,
            upgrade: None,
            yields_first: false,
            peer_gone: None,
            watch: None,
            body_deadline: None,
            gate: None,
        }
    }

    /// Says of which route it is, for the log and the scheduler. It may leave its response open where `worker` has a place for one more, and
    /// the connection becomes a WebSocket then where there is an `upgrade`.
    pub(super) fn serve(
        &mut self,
        route: &'c Route,
        id: u64,
        worker: &'c Worker,
        upgrade: Option<Box<PendingUpgrade>>,
    ) {
        (self.route, self.id, self.quota) = (&route.mount.name, id, Some(&route.options.log));
        self.number = route.target.number();
        (self.parking, self.upgrade) = (Some((worker, route)), upgrade);
    }

    /// Lets the other handlers that are ready run before the answer is sent. A core is quicker at many answers in a
    /// row than at each behind its handler, and wakes clients less often. It costs a turn, so it is for a handler that
    /// costs more.
    pub(super) fn yield_first(&mut self) {
        self.yields_first = true;
    }

    /// Runs the exchange to its end.
    pub(super) async fn run(&mut self) -> Result<Served, CloseReason> {
        match self.exchange.meter().cloned() {
            Some(meter) => std::future::poll_fn(|cx| self.poll_measured(cx, &meter)).await,
            None => std::future::poll_fn(|cx| self.poll(cx)).await,
        }
        if let Some(gone) = self.peer_gone {
            return Err(gone);
        }
        if let Some(place) = self.left_open.take() {
            return Ok(self.kept(place));
        }
        if self.exchange.is_closed_by_handler() {
            return Err(CloseReason::Handler);
        }
        let (after, cut) = self.exchange.response(|response| (after(response), response.is_truncated()));
        if cut || self.body_reader.is_done() {
            return after;
        }
        if after.is_ok() && self.body_reader.abandon(self.io.input) {
            // In a box, as it is rare: it would be part of every exchange's future.
            let stopping = self.io.stopping;
            let drain = self.body_reader.drain(self.io.socket, self.io.input, self.io.timeouts.body);
            let drained = Box::pin(async {
                tokio::select! {
                    biased;
                    drained = drain => drained,
                    () = stopping.wait() => false,
                }
            });
            let drained = drained.await;
            return if drained { Ok(Served::Complete) } else { Err(CloseReason::BodyUnread) };
        }
        Err(CloseReason::BodyUnread)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(slice) = &mut self.slice {
            ready!(Pin::new(slice).poll(cx));
            self.slice = None;
        }
        note_poll();
        self.exchange.begin_turn();
        // Heads are encoded below, some time after the request began: the last response of a connection has to say so
        // (RFC 9112 section 9.6).
        if self.parking.is_some_and(|(worker, _)| worker.stopping().is_set()) {
            self.exchange.response(Response::forbid_keep_alive_in_head);
        }
        for _ in 0..MAX_TURNS {
            if self.exchange.take_wake() {
                self.poll_guests();
            }
            let over = !self.is_running();
            if self.peer_gone.is_some() {
                // Nothing is left to do but to let the handler end.
                if over {
                    return Poll::Ready(());
                }
                if self.poll_deadlines(cx).is_pending() {
                    return self.rest(cx);
                }
                continue;
            }
            let more = self.encode_last_piece();
            let supplied = self.poll_body(cx);
            // A handler that spins would hold it up for as long as it may.
            if over && !more && std::mem::take(&mut self.yields_first) && !guest::spins() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let flushed = self.poll_pump(cx);
            if self.peer_gone.is_some() {
                continue;
            }
            if over && !more && flushed {
                return Poll::Ready(());
            }
            let room = more && self.exchange.response(|response| response.has_room());
            if supplied || room || (!over && self.exchange.is_runnable()) {
                continue;
            }
            self.poll_ahead(cx);
            if self.pump.paced_until().is_none() {
                self.pump.rest();
            }
            if self.poll_deadlines(cx).is_pending() {
                return self.rest(cx);
            }
        }
        let mut slice = Box::new(NextSlice::after(self.number, TIME_SLICE, Some(self.exchange.clone())));
        // It takes its place among those that wait.
        let _ = Pin::new(&mut slice).poll(cx);
        self.slice = Some(slice);
        Poll::Pending
    }

    /// Nothing is to be done before the task is woken, also by the handler's wakers.
    fn rest(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_running() {
            self.exchange.end_turn(cx);
        }
        Poll::Pending
    }

    /// Whether a guest runs.
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

    /// Whether the handler was given something of the body, or its end.
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

    /// Whether all that was written is sent, or lost.
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

    /// Notices a client that goes while nothing is read from it.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        if !*self.io.half_closed {
            match self.io.socket.poll_ahead(cx, self.io.input) {
                Poll::Ready(PeerState::HalfClosed) => *self.io.half_closed = true,
                Poll::Ready(PeerState::Gone) => {
                    self.lose_client(CloseReason::ClientGone);
                    cx.waker().wake_by_ref();
                    return;
                }
                Poll::Pending => {}
            }
        }
        self.watch_client(cx);
    }

    fn lose_client(&mut self, reason: CloseReason) {
        let (grace, now) = (self.io.timeouts.grace, Instant::now());
        self.exchange.client_gone(grace);
        let lost = if reason == CloseReason::WriteTimeout { ClientLoss::StoppedReading } else { ClientLoss::Gone };
        self.exchange.cut_short(now + grace, lost);
        self.last_piece.clear();
        self.peer_gone = Some(reason);
    }

    /// Pending until the next deadline; ready where one has passed and was dealt with. A client that is gone is not
    /// waited for.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silent = self.body_reader.waits_until().filter(|_| self.peer_gone.is_none());
        let silent = silent.map(|until| self.body_until(cx, until));
        let timeouts = self.io.timeouts;
        let (pump, body_reader, here) = (&self.pump, &self.body_reader, self.peer_gone.is_none());
        let stalled = pump.stalled_until().filter(|_| here);
        let paced = [pump.paced_until(), body_reader.paced_until()].into_iter().flatten().filter(|_| here);
        let expired = if self.is_running() { self.exchange.deadline() } else { None };
        let watch = self.watch.as_ref().filter(|_| here && self.is_running());
        let watch = watch.map(|watch| watch.until(timeouts.half_close));
        let Some(next) = paced.chain([stalled, silent, expired, watch].into_iter().flatten()).min() else {
            return Poll::Pending;
        };
        ready!(self.io.timer.poll(cx, next));
        let now = Instant::now();
        let passed = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if passed(stalled) {
            self.lose_client(CloseReason::WriteTimeout);
        }
        if passed(silent) {
            self.body_reader.time_out(&self.exchange);
        }
        if passed(expired) {
            self.expire();
        } else if passed(watch) {
            self.give_up_client(cx);
        }
        Poll::Ready(())
    }

    /// The handler's time is up. One that runs traps at its next epoch, with a backtrace; one that waits is dropped.
    fn expire(&mut self) {
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

/// What becomes of the connection after a response that is sent.
pub(super) fn after(response: &Response) -> Result<Served, CloseReason> {
    match (response.is_truncated(), response.connection()) {
        (true, AfterResponse::Reset) => Err(CloseReason::TruncatedUnseen),
        (true, AfterResponse::Close | AfterResponse::KeepAlive) => Err(CloseReason::Truncated),
        (false, AfterResponse::KeepAlive) => Ok(Served::Complete),
        (false, AfterResponse::Close | AfterResponse::Reset) => Err(CloseReason::NotPersistent),
    }
}
