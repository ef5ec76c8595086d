//! One client's connection, from accept to close: read a head, find its route, serve it, and again.
//!
//! Owns the keep-alive loop and every reason to end it ([`CloseReason`]). It must not know Wasm, nor how a response
//! is framed.

mod chain;
mod close;
mod deadlines;
mod dispatch;
mod error_page;
mod exchange_loop;
mod host_response;
mod invoke;
mod io;
mod parked;
mod request_framing;
mod request_log;
mod suggestions;
mod turns;
mod wait_for_route;
mod websocket;

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;

use crate::clock;
use crate::close_reason::CloseReason;
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE};
use crate::http::head::RequestHead;
use crate::http1::head::{HeadError, HeadParser};
use crate::net::{Peer, Stream, Timer};
use crate::rate::ConnectionBudgets;
use crate::worker::{ShutdownWaiter, Worker};

use dispatch::RequestFuture;
use exchange_loop::Served;

/// A connection to one client.
///
/// Where there are many, each is cold in the caches when its next request comes: what that needs is together, in front.
#[repr(C, align(64))]
pub struct Connection {
    socket: Arc<Stream>,
    worker: Arc<Worker>,
    input: BytesMut,
    /// What has read a head in part.
    parser: Option<Box<HeadParser>>,
    /// Whether the client has sent its last byte.
    half_closed: bool,
    /// Whether the next head was begun.
    head_started: bool,
    /// Until when it is waited for: its first byte, or the rest once it was begun.
    deadline: Instant,
    timer: Timer,
    peer: Peer,
    /// The budgets of routes whose `rate_scope` is `connection`.
    rate_budgets: ConnectionBudgets,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(socket: Stream, peer: Peer, worker: Arc<Worker>) -> Box<Self> {
        Box::new(Self {
            socket: Arc::new(socket),
            worker,
            input: BytesMut::new(),
            parser: None,
            half_closed: false,
            head_started: false,
            deadline: clock::recent(),
            timer: Timer::default(),
            peer,
            rate_budgets: ConnectionBudgets::default(),
        })
    }

    /// Serves the client until the connection ends, closes it, and says why.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    pub fn serve(mut self: Box<Self>) -> impl Future<Output = CloseReason> + Send {
        async move {
            let reason = self.serve_requests().await;
            Box::pin(self.close(reason)).await;
            reason
        }
    }

    /// Answers 503 in place of serving, because the host has no room for another connection.
    pub async fn refuse(mut self: Box<Self>) {
        let reason = self.answer_overload().await.err().unwrap_or(CloseReason::Overloaded);
        self.close(reason).await;
    }

    async fn close(mut self: Box<Self>, reason: CloseReason) {
        tracing::debug!(target: "connection", peer = %self.peer, reason = reason.explain(), "connection closed");
        self.worker.closed().count(reason);
        let this = &mut *self;
        close::close(&this.socket, &mut this.timer, &this.worker, reason, this.half_closed).await;
    }

    /// A small future, to be found in few cache lines: what is seldom needed is in boxes.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    fn serve_requests(&mut self) -> impl Future<Output = CloseReason> + Send {
        async move {
            let worker = self.worker.clone();
            // Waited for once and for all: to join and leave those who wait, for each request, touches their memory.
            let mut reached = Box::pin(worker.stopping().wait());
            let mut stopping = ShutdownWaiter::new(worker.stopping(), reached.as_mut());
            // Since when the client has had the worker to itself, with requests that it sent ahead.
            let mut busy_since = None;
            loop {
                (self.head_started, self.deadline) = (false, clock::recent() + worker.config().timeouts.idle);
                let mut waits = false;
                let head = std::future::poll_fn(|cx| {
                    let head = self.poll_head(cx, &mut stopping);
                    waits |= head.is_pending();
                    head
                });
                let head = head.await;
                if waits {
                    busy_since = None;
                } else {
                    let since = *busy_since.get_or_insert_with(Instant::now);
                    let used = since.elapsed();
                    if used >= TIME_SLICE {
                        Box::pin(NextSlice::after(NO_ROUTE, used, None)).await;
                        busy_since = None;
                    }
                }
                let serving: RequestFuture<'_> = match head {
                    Ok(Ok(head)) => self.serve_request(head),
                    Ok(Err(error)) => Box::pin(self.refuse_head(error)),
                    Err(CloseReason::HeadTimeout) => Box::pin(self.answer_head_timeout()),
                    Err(reason) => return reason,
                };
                let served = match serving.await {
                    Ok(Served::LeftOpen(parked)) => Box::pin(self.serve_parked(parked)).await,
                    Ok(Served::Upgraded(websocket)) => return Box::pin(self.serve_websocket(websocket)).await,
                    served => served,
                };
                if let Err(reason) = served {
                    return reason;
                }
            }
        }
    }

    /// Ready with the head of the next request: one that can be served, or one that is refused.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>,
    ) -> Poll<Result<Result<RequestHead, HeadError>, CloseReason>> {
        loop {
            if let Some(parsed) = self.parse_head().transpose() {
                return Poll::Ready(Ok(parsed));
            }
            if self.half_closed {
                return Poll::Ready(Err(CloseReason::ClientClosed));
            }
            if !self.input.is_empty() && !self.head_started {
                (self.head_started, self.deadline) = (true, Instant::now() + self.worker.config().timeouts.head);
            }
            match ready!(self.poll_more(cx, stopping)) {
                HeadRead::Some => {}
                HeadRead::End => self.half_closed = true,
                HeadRead::Gone => return Poll::Ready(Err(CloseReason::ClientGone)),
                HeadRead::Stopping => return Poll::Ready(Err(CloseReason::Stopping)),
                HeadRead::TimedOut if self.head_started => return Poll::Ready(Err(CloseReason::HeadTimeout)),
                HeadRead::TimedOut => return Poll::Ready(Err(CloseReason::Idle)),
            }
        }
    }

    /// Reads a head in what has come; most are there at once, and need no parser that is kept.
    fn parse_head(&mut self) -> Result<Option<RequestHead>, HeadError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let limits = &self.worker.config().limits.head;
        let Some(parser) = &mut self.parser else {
            let mut parser = HeadParser::default();
            let parsed = parser.parse(&mut self.input, limits);
            if !matches!(parsed, Ok(Some(_))) {
                self.parser = Some(Box::new(parser));
            }
            return parsed;
        };
        let parsed = parser.parse(&mut self.input, limits);
        if matches!(parsed, Ok(Some(_))) {
            self.parser = None;
        }
        parsed
    }

    /// Reads some more of a head. An idle connection holds no buffer, and ends when the server is `stopping`.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>,
    ) -> Poll<HeadRead> {
        match self.socket.poll_read(cx, &mut self.input) {
            Poll::Ready(Ok(0)) => return Poll::Ready(HeadRead::End),
            Poll::Ready(Ok(_)) => return Poll::Ready(HeadRead::Some),
            Poll::Ready(Err(_)) => return Poll::Ready(HeadRead::Gone),
            Poll::Pending => {}
        }
        if self.head_started {
            if stopping.poll(cx) {
                // The rest is waited for, but not for long.
                self.deadline = self.deadline.min(Instant::now() + self.worker.config().timeouts.drain_request);
            }
        } else {
            if self.input.capacity() > 0 {
                self.input = BytesMut::new();
            }
            if stopping.poll(cx) {
                // A request that came before the stop may be with the system, and the runtime not know of it yet.
                return Poll::Ready(match self.socket.read_now(&mut self.input) {
                    Ok(1..) => HeadRead::Some,
                    Ok(0) | Err(_) => HeadRead::Stopping,
                });
            }
        }
        self.timer.poll(cx, self.deadline).map(|()| HeadRead::TimedOut)
    }
}

enum HeadRead {
    Some,
    End,
    Gone,
    Stopping,
    TimedOut,
}
