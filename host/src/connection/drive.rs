//! One exchange in motion: the handler, the request's body on its way in, the response on its way out.
//!
//! All three live in one task and take turns in one `poll`. Whenever the handler rests, what it wrote goes out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

use super::close::CloseReason;
use super::timer::Timer;
use crate::clock;
use crate::config::Timeouts;
use crate::exchange::{BodyError, Exchange};
use crate::guest::{CallError, Outcome};
use crate::http::response::Response;
use crate::http::status;
use crate::intake::{Ahead, Intake, poll_ahead};
use crate::pump::Pump;

/// How often the three take turns before other connections get theirs.
const MAX_TURNS: usize = 32;

/// How an exchange ended where the connection did not end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// The response was sent; the next request can come.
    Complete,
    /// The handler left the response open.
    LeftOpen,
}

/// What of a connection an exchange uses.
pub(super) struct Wire<'c> {
    pub(super) socket: &'c TcpStream,
    pub(super) input: &'c mut BytesMut,
    pub(super) timer: &'c mut Timer,
    pub(super) half_closed: &'c mut bool,
    pub(super) timeouts: &'c Timeouts,
}

/// One exchange in motion. `G` is the handler's invocation.
pub(super) struct Drive<'c, G> {
    wire: Wire<'c>,
    exchange: Arc<Exchange>,
    handler: Option<Pin<&'c mut G>>,
    /// The handler's name and the request's number, for the log.
    route: &'c str,
    id: u64,
    intake: Intake,
    pump: Pump,
    /// What the handler returned and is not encoded yet.
    tail: Bytes,
    left_open: bool,
    gone: Option<CloseReason>,
}

impl<'c, G> Drive<'c, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    pub(super) fn new(wire: Wire<'c>, exchange: Arc<Exchange>, intake: Intake, pump: Pump) -> Self {
        let (tail, route) = (Bytes::new(), "");
        Self { wire, exchange, handler: None, route, id: 0, intake, pump, tail, left_open: false, gone: None }
    }

    /// Lets a handler make the response.
    pub(super) fn with_handler(self, handler: Pin<&'c mut G>, route: &'c str, id: u64) -> Self {
        Self { handler: Some(handler), route, id, ..self }
    }

    /// Runs the exchange to its end.
    pub(super) async fn run(mut self) -> Result<Served, CloseReason> {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        if let Some(gone) = self.gone {
            return Err(gone);
        }
        if self.left_open {
            return Ok(Served::LeftOpen);
        }
        let (keeps_alive, cut, needs_reset) =
            self.exchange.response(|response| (response.keeps_alive(), response.is_cut(), response.needs_reset()));
        if self.exchange.is_closed_by_handler() {
            return Err(CloseReason::Handler);
        }
        match (cut, needs_reset) {
            (true, true) => return Err(CloseReason::TruncatedUnseen),
            (true, false) => return Err(CloseReason::Truncated),
            (false, _) => {}
        }
        if self.intake.is_done() {
            return if keeps_alive { Ok(Served::Complete) } else { Err(CloseReason::NotPersistent) };
        }
        if keeps_alive && self.intake.can_drain() {
            let drained = self.intake.drain(self.wire.socket, self.wire.input, self.wire.timeouts.body).await;
            return if drained { Ok(Served::Complete) } else { Err(CloseReason::BodyUnread) };
        }
        Err(CloseReason::BodyUnread)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MAX_TURNS {
            if let Some(handler) = &mut self.handler
                && let Poll::Ready(end) = handler.as_mut().poll(cx)
            {
                self.handler = None;
                self.settle(end);
            }
            let more = self.feed_tail();
            let supplied = self.intake.poll(cx, self.wire.socket, self.wire.input, &self.exchange).is_ready();
            let flushed = self.poll_pump(cx);
            if self.handler.is_none() && !more && flushed {
                return Poll::Ready(());
            }
            let room = more && self.exchange.response(|response| response.has_room());
            if supplied || room || (self.handler.is_some() && self.exchange.can_resume()) {
                continue;
            }
            self.poll_ahead(cx);
            if self.pump.paced_until().is_none() {
                self.pump.rest();
            }
            ready!(self.poll_deadlines(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The handler has ended: what becomes of the response.
    fn settle(&mut self, end: Result<Outcome, CallError>) {
        let name = self.route;
        let building = self.exchange.response(|response| response.is_building());
        let failed = self.exchange.body_error();
        match end {
            Err(error) => {
                tracing::error!(route = name, request = self.id, "handler {name} {error}");
                self.fail(failed.map_or(error.status(), BodyError::status));
            }
            Ok(Outcome::Close) => self.exchange.close(),
            Ok(Outcome::Manual) => {
                tracing::info!(
                    route = name,
                    request = self.id,
                    "handler {name} has exited with the connection possibly left open"
                );
                self.left_open = self.exchange.response(|response| {
                    response.flush_held();
                    !response.is_over()
                });
            }
            Ok(Outcome::Body(body)) => match failed {
                Some(error) if building && self.exchange.response(|response| response.status()) < 400 => {
                    self.fail(error.status());
                }
                Some(_) | None => self.begin_tail(body),
            },
        }
    }

    /// The last piece of the body, or all of it.
    fn begin_tail(&mut self, body: Bytes) {
        let (length, date) = (body.len() as u64, clock::date());
        if self.exchange.response(|response| response.contradicts(length)) {
            let (route, request) = (self.route, self.id);
            tracing::error!(route, request, "handler {route} returned {length} bytes against its content-length");
            return self.fail(500);
        }
        let drains = self.intake.is_done() || self.intake.can_drain();
        self.exchange.response(|response| {
            if response.is_over() {
                return;
            }
            if !drains {
                response.forbid_keep_alive();
            }
            // A response that is not over can begin, and end.
            let _ = response.begin(Some(length), &date);
            if length == 0 {
                let _ = response.finish(&date);
            } else {
                self.tail = body;
            }
        });
    }

    /// Encodes the tail as far as there is room; true while some is left.
    fn feed_tail(&mut self) -> bool {
        if self.tail.is_empty() {
            return false;
        }
        let (tail, date) = (&mut self.tail, clock::date());
        self.exchange.response(|response| {
            while !tail.is_empty() && response.has_room() {
                let piece = tail.len().min(response.max_piece());
                if response.write(&tail[..piece], &date).is_err() {
                    // Longer than was declared after the head was sent: the length stands, the rest is dropped.
                    tail.clear();
                    break;
                }
                tail.advance(piece);
            }
            if tail.is_empty() && !response.is_over() {
                // Checked: the response is not over.
                let _ = response.finish(&date);
            }
        });
        !self.tail.is_empty()
    }

    /// The handler failed: a status where the head is not sent, and else a response that looks cut.
    fn fail(&mut self, code: u16) {
        let drains = self.intake.is_done() || self.intake.can_drain();
        self.exchange.response(|response| {
            if !response.is_building() {
                return response.cut();
            }
            if !drains {
                response.forbid_keep_alive();
            }
            let retry: &[(&str, &str)] = if code == 503 { &[("Retry-After", "1")] } else { &[] };
            answer(response, code, retry, status::reason(code));
        });
    }

    fn poll_pump(&mut self, cx: &mut Context<'_>) -> bool {
        if self.gone.is_some() {
            return true;
        }
        match self.pump.poll(cx, self.wire.socket, &self.exchange) {
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
        if *self.wire.half_closed || self.gone.is_some() {
            return;
        }
        match poll_ahead(cx, self.wire.socket, self.wire.input) {
            Poll::Ready(Ahead::HalfClosed) => *self.wire.half_closed = true,
            Poll::Ready(Ahead::Gone) => {
                self.lose_client(CloseReason::ClientGone);
                cx.waker().wake_by_ref();
            }
            Poll::Pending => {}
        }
    }

    fn lose_client(&mut self, reason: CloseReason) {
        self.exchange.client_gone(self.wire.timeouts.grace);
        self.tail.clear();
        self.gone = Some(reason);
    }

    /// Pending until the next deadline; ready where one has passed and was dealt with.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeouts = self.wire.timeouts;
        let stalled = self.pump.stalled_since().map(|since| since + timeouts.write);
        let silent = self.intake.waiting_since().map(|since| since + timeouts.body);
        let expired = self.handler.as_ref().and_then(|_| self.exchange.deadline());
        let paced = [self.pump.paced_until(), self.intake.paced_until()];
        let Some(next) = paced.into_iter().chain([stalled, silent, expired]).flatten().min() else {
            return Poll::Pending;
        };
        ready!(self.wire.timer.poll(cx, next));
        let now = Instant::now();
        let passed = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if passed(stalled) {
            self.lose_client(CloseReason::WriteTimeout);
        }
        if passed(silent) {
            self.intake.time_out(&self.exchange);
        }
        if passed(expired) {
            self.expire(cx);
        }
        Poll::Ready(())
    }

    /// The handler's time is up. One that runs traps at its next epoch, with a backtrace; one that waits is dropped.
    fn expire(&mut self, cx: &mut Context<'_>) {
        let Some(handler) = &mut self.handler else { return };
        let end = match handler.as_mut().poll(cx) {
            Poll::Ready(end) => end,
            Poll::Pending => {
                Err(CallError::Deadline { backtrace: "; it was waiting in a call to the host".to_owned() })
            }
        };
        self.handler = None;
        self.settle(end);
    }
}

/// Answers a line of text in the handler's place.
pub(super) fn answer(response: &mut Response, code: u16, fields: &[(&str, &str)], text: &str) {
    let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
    // The callers have checked that the head is not sent, and the fields are the host's own.
    let replaced = response.replace(code, fields, &text, &clock::date());
    debug_assert_eq!(replaced, Ok(()));
}
