//! One client's connection, from accept to close: reads a head, finds its route, serves the request, and repeats.
//!
//! Owns the keep-alive loop and every reason to end it ([`CloseReason`]).

mod background;
mod chain;
mod client;
mod close;
mod deadlines;
mod dev_pages;
mod dispatch;
mod error_page;
mod exchange_loop;
mod failure;
mod finished;
mod handshake;
mod host_response;
mod http2;
mod invoke;
mod io;
mod next;
mod parked;
mod quarantine;
mod reply;
mod request_log;
mod request_terms;
mod suggestions;
mod timer_run;
mod turns;
mod wait_for_route;
mod websocket;

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;

use crate::clock;
use crate::close_reason::CloseReason;
use crate::connection_table::{ClientSocket, IdleSince};
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE};
use crate::http::head::RequestHead;
use crate::http1::head::HeadError;
use crate::http2::PREFACE_LINE;
use crate::net::{Peer, Stream};
use crate::worker::{ShutdownWaiter, Worker};

pub(crate) use timer_run::run_by_timer;

use client::Client;
use dispatch::RequestFuture;
use next::Next;

/// A connection to one client. It serves the client's requests one after the other.
#[repr(C, align(64))]
pub struct Connection {
    /// The deadline for the next head: the idle timeout before its first byte, and the head timeout after it.
    deadline: Instant,
    /// Whether the first byte of the next head has arrived.
    head_started: bool,
    client: Client,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(socket: Stream, peer: Peer, worker: Arc<Worker>) -> Box<Self> {
        let client = Client::new(socket, peer, worker);
        Box::new(Self { deadline: clock::recent(), head_started: false, client })
    }

    /// The same connection, whose client a proxy has named.
    #[must_use]
    pub fn through(mut self: Box<Self>, proxy: Peer) -> Box<Self> {
        self.client.proxy = Some(Box::new(proxy));
        self
    }

    /// Serves the client until the connection ends, closes it, and returns the reason.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    pub fn serve(mut self: Box<Self>) -> impl Future<Output = CloseReason> + Send {
        async move {
            let handshake = match self.client.socket.is_tls() {
                true => Box::pin(handshake::complete(&mut self.client)).await,
                false => Ok(()),
            };
            let reason = match handshake {
                Ok(()) => self.serve_requests().await,
                Err(reason) => reason,
            };
            Box::pin(self.close(reason)).await;
            reason
        }
    }

    /// The socket, which the connection table shares.
    #[must_use]
    pub fn socket(&self) -> &Arc<ClientSocket> {
        &self.client.socket
    }

    /// Sends 503 for `reason` and closes the connection, because the host has no room for another one. With TLS it is closed
    /// without the response, since a handshake would cost more than what there is no room for.
    pub async fn refuse(mut self: Box<Self>, reason: CloseReason) {
        if self.client.socket.is_tls() {
            return self.close(reason).await;
        }
        let reason = reply::answer_overload(&mut self.client, reason).await.err().unwrap_or(reason);
        self.close(reason).await;
    }

    async fn close(mut self: Box<Self>, reason: CloseReason) {
        let Client { worker, socket, timer, half_closed, peer, .. } = &mut self.client;
        tracing::debug!(target: "connection", peer = %peer, reason = reason.explain(), "connection closed");
        worker.counters().count_closed(reason);
        // The connection counts as open until it is closed, so it must not be evicted as idle.
        socket.note_busy();
        close::close(socket, timer, worker, reason, *half_closed).await;
    }

    /// This future is small, so that it needs few cache lines. Parts that are seldom needed are boxed.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    fn serve_requests(&mut self) -> impl Future<Output = CloseReason> + Send {
        async move {
            let worker = self.client.worker.clone();
            // The shutdown waiter is registered once per connection. Registering it for each request would touch the
            // memory of other waiters.
            let mut reached = Box::pin(worker.stopping().wait());
            let mut stopping = ShutdownWaiter::new(worker.stopping(), reached.as_mut());
            // When the client began to keep the worker busy with pipelined requests.
            let mut busy_since = None;
            let mut is_first = true;
            loop {
                // The next request may be another client's.
                self.client.forwarded = None;
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
                let client = &mut self.client;
                let may_be_http2 = std::mem::take(&mut is_first);
                let serving: RequestFuture<'_> = match head {
                    Ok(Ok(head)) => dispatch::serve(client, head),
                    Ok(Err(_)) if may_be_http2 && client.http.input().starts_with(PREFACE_LINE) => {
                        return Box::pin(http2::serve(client)).await;
                    }
                    Ok(Err(error)) => Box::pin(reply::refuse_head(client, error)),
                    Err(CloseReason::HeadTimeout) => Box::pin(reply::answer_head_timeout(client)),
                    Err(reason @ (CloseReason::Overloaded | CloseReason::ClientOverloaded)) => {
                        Box::pin(reply::answer_overload(client, reason))
                    }
                    Err(reason) => return reason,
                };
                let next = match serving.await {
                    Ok(Next::Request) => Ok(()),
                    Ok(Next::Parked(parked)) => Box::pin(parked.serve(client)).await,
                    Ok(Next::WebSocket(websocket)) => return Box::pin(websocket.serve(client)).await,
                    Err(reason) => Err(reason),
                };
                if let Err(reason) = next {
                    return reason;
                }
            }
        }
    }

    /// Ready with the head of the next request, or with the error of a head that is refused.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>,
    ) -> Poll<Result<Result<RequestHead, HeadError>, CloseReason>> {
        loop {
            if let Some(parsed) = self.client.next_head().transpose() {
                return Poll::Ready(Ok(parsed));
            }
            if self.client.half_closed {
                return Poll::Ready(Err(CloseReason::ClientClosed));
            }
            if !self.client.http.input().is_empty() && !self.head_started {
                (self.head_started, self.deadline) = (true, Instant::now() + self.client.worker.config().timeouts.head);
            }
            match ready!(self.poll_more(cx, stopping)) {
                HeadRead::Some => {}
                HeadRead::End => self.client.half_closed = true,
                HeadRead::Gone => return Poll::Ready(Err(CloseReason::ClientGone)),
                HeadRead::Stopping => return Poll::Ready(Err(CloseReason::Stopping)),
                HeadRead::Evicted(reason) => return Poll::Ready(Err(reason)),
                HeadRead::TimedOut if self.head_started => return Poll::Ready(Err(CloseReason::HeadTimeout)),
                HeadRead::TimedOut => return Poll::Ready(Err(CloseReason::Idle)),
            }
        }
    }

    /// Reads more bytes of a head. An idle connection holds no buffer, and ends when the server is `stopping`.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>,
    ) -> Poll<HeadRead> {
        match self.client.socket.poll_read(cx, self.client.http.input_mut()) {
            Poll::Ready(Ok(0)) => return Poll::Ready(HeadRead::End),
            Poll::Ready(Ok(_)) => return Poll::Ready(self.note_read(cx)),
            Poll::Ready(Err(_)) => return Poll::Ready(HeadRead::Gone),
            Poll::Pending => {}
        }
        if self.head_started {
            if stopping.poll(cx) {
                // The server waits for the rest of the head, but only for the drain timeout.
                self.deadline = self.deadline.min(Instant::now() + self.client.worker.config().timeouts.drain_request);
            }
        } else {
            if self.client.http.input().capacity() > 0 {
                *self.client.http.input_mut() = BytesMut::new();
            }
            let Client { socket, worker, http, .. } = &mut self.client;
            let evicted = !socket.note_idle(|| IdleSince::new(clock::ticked(), worker.counters().requests()));
            if evicted || stopping.poll(cx) {
                // A request may already have arrived at the socket before the runtime has reported it, so read once
                // more.
                return Poll::Ready(match socket.read_now(http.input_mut()) {
                    Ok(1..) => self.note_read(cx),
                    Ok(0) | Err(_) if evicted => HeadRead::Evicted(CloseReason::Evicted),
                    Ok(0) | Err(_) => HeadRead::Stopping,
                });
            }
        }
        self.client.timer.poll(cx, self.deadline).map(|()| HeadRead::TimedOut)
    }

    /// Records that bytes of a request were read, so that the connection is no longer idle. If it was just evicted, it
    /// has to be admitted again.
    fn note_read(&self, cx: &Context<'_>) -> HeadRead {
        let Client { socket, worker, peer, .. } = &self.client;
        if self.head_started || socket.note_busy() {
            return HeadRead::Some;
        }
        match worker.shared().connections.readmit(peer, socket, cx.waker()) {
            Ok(()) => HeadRead::Some,
            Err(reason) => HeadRead::Evicted(reason),
        }
    }
}

/// The result of reading more bytes of a head.
enum HeadRead {
    Some,
    End,
    Gone,
    Stopping,
    /// The connection was evicted for another one, and could not be admitted again.
    Evicted(CloseReason),
    TimedOut,
}
