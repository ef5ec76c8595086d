//! Runs one exchange: polls the handler, reads the request's body, and sends the response.
//!
//! All three run in one task and take turns in one `poll`. When the handler waits or yields, its output is sent.

mod body_deadline;
mod client_watch;
mod error_response;
mod handler_end;
mod metering;
mod middleware_gate;
mod parking;
mod state;
#[cfg(test)]
mod tests;

use std::task::{Context, Poll};
use std::time::Instant;

use super::deadlines::{Deadline, Deadlines, earlier};
use super::finished::Finished;
use super::next::Next;
use super::turns::{self, Policy, Turn};
use crate::close_reason::CloseReason;
use crate::exchange::{ClientLoss, ExchangeEnd};
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE, note_poll};
use crate::guest::{self, CallError, Outcome};
use crate::net::{PeerState, Timer, is_read_ahead_full};
use crate::response::Response;

pub(super) use state::{Caller, ExchangeLoop};

use body_deadline::BodyDeadline;
use client_watch::ClientWatch;

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
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
        let is_gone = self.io.watch_peer(cx) == Some(PeerState::Gone) || self.is_reset(cx);
        if is_gone {
            self.lose_client(CloseReason::ClientGone);
        }
        is_gone
    }

    /// Whether the client has reset the connection while nothing is read from it and its handler runs.
    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        let may_be_gone = *self.io.half_closed || is_read_ahead_full(self.io.input);
        if !may_be_gone || !self.is_running() {
            return false;
        }
        let (socket, exchange) = (self.io.socket, &self.exchange);
        let watch = self.watch.get_or_insert_with(|| {
            Box::new(ClientWatch::new(socket, exchange.response(|response| response.sent_bytes())))
        });
        watch.is_reset(cx)
    }

    /// Called when the deadline of the watch has passed. If the client has closed its sending side, and nothing was
    /// sent to it since the last check, the handler is ended.
    fn give_up_client(&mut self, cx: &mut Context<'_>) {
        let Some(watch) = &mut self.watch else { return };
        let (sent, waits) = self.exchange.response(|response| (response.sent_bytes(), !response.output().is_empty()));
        let was_silent = watch.was_silent(sent) && !waits;
        if !*self.io.half_closed {
            // The client has sent more than is read ahead. The end of its side may follow after that.
            *self.io.half_closed = self.io.socket.is_read_closed(cx);
        } else if was_silent {
            self.exchange.shorten_deadline(watch.since(), ClientLoss::HalfClosed);
            self.expire_handler();
        }
    }

    fn lose_client(&mut self, reason: CloseReason) {
        let (grace, now) = (self.io.timeouts.grace, Instant::now());
        self.exchange.client_gone(grace);
        let loss = if reason == CloseReason::WriteTimeout { ClientLoss::StoppedReading } else { ClientLoss::Gone };
        self.exchange.shorten_deadline(now + grace, loss);
        self.last_piece.clear();
        self.peer_gone = Some(reason);
    }

    /// The deadline of the body: `until`, or an earlier moment once the server stops.
    fn body_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Instant {
        let stopping = self.io.stopping;
        let body_deadline = self.body_deadline.get_or_insert_with(|| Box::new(BodyDeadline::new(stopping)));
        body_deadline.earliest(cx, until, self.io.timeouts.drain_request)
    }

    /// Whether nothing can proceed until the client does something or its rate limit allows it.
    fn waits_for_client(&self) -> bool {
        let handler_waits = !self.is_running() || self.exchange.deadline().is_none();
        self.peer_gone.is_none() && handler_waits && metering::is_delayed_by_client(&self.pump, &self.body_reader)
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
        metering::measure_turn(&self.exchange);
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
        if !more && flushed && (over || self.can_leave_handler()) {
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
        if self.exchange.meter().is_some() {
            match self.waits_for_client() {
                true => metering::measure_wait(&self.exchange),
                false => metering::measure_upstream(&self.exchange),
            }
        }
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
