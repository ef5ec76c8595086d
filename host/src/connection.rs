//! One client's connection, from accept to close: read a head, find its route, serve it, and again.
//!
//! Owns the keep-alive loop and every reason to end it ([`CloseReason`]).

mod chain;
mod client;
mod close;
mod deadlines;
mod dispatch;
mod error_page;
mod exchange_loop;
mod failure;
mod finished;
mod host_response;
mod invoke;
mod io;
mod next;
mod parked;
mod reply;
mod request_log;
mod request_terms;
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
use crate::connection_table::{ClientSocket, IdleSince};
use crate::guest::scheduler::{NO_ROUTE, NextSlice, TIME_SLICE};
use crate::http::head::RequestHead;
use crate::http1::head::HeadError;
use crate::net::{Peer, Stream};
use crate::worker::{ShutdownWaiter, Worker};

use client::Client;
use dispatch::RequestFuture;
use next::Next;

/// A connection to one client: its requests, one after the other.
#[repr(C, align(64))]
pub struct Connection {
    /// Until when the next head is waited for: its first byte, or the rest once it has started.
    deadline: Instant,
    /// Whether the next head has started.
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

    /// Serves the client until the connection ends, closes it, and says why.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    pub fn serve(mut self: Box<Self>) -> impl Future<Output = CloseReason> + Send {
        async move {
            let reason = self.serve_requests().await;
            Box::pin(self.close(reason)).await;
            reason
        }
    }

    /// What others may know of it.
    #[must_use]
    pub fn socket(&self) -> &Arc<ClientSocket> {
        &self.client.socket
    }

    /// Answers 503 in place of serving, because the host has no room for another connection, and says with `reason` why.
    pub async fn refuse(mut self: Box<Self>, reason: CloseReason) {
        let reason = reply::answer_overload(&mut self.client, reason).await.err().unwrap_or(reason);
        self.close(reason).await;
    }

    async fn close(mut self: Box<Self>, reason: CloseReason) {
        let Client { worker, socket, timer, half_closed, peer, .. } = &mut self.client;
        tracing::debug!(target: "connection", peer = %peer, reason = reason.explain(), "connection closed");
        worker.closed().count(reason);
        // It takes its place until it is closed.
        socket.note_busy();
        close::close(socket, timer, worker, reason, *half_closed).await;
    }

    /// A small future, to be found in few cache lines: what is seldom needed is in boxes.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    fn serve_requests(&mut self) -> impl Future<Output = CloseReason> + Send {
        async move {
            let worker = self.client.worker.clone();
            // Registered once per connection: to register again for each request would touch the memory of others that wait.
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
                let client = &mut self.client;
                let serving: RequestFuture<'_> = match head {
                    Ok(Ok(head)) => dispatch::serve(client, head),
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

    /// Ready with the head of the next request: one that can be served, or one that is refused.
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

    /// Reads some more of a head. An idle connection holds no buffer, and ends when the server is `stopping`.
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
                // The rest is waited for, but not for long.
                self.deadline = self.deadline.min(Instant::now() + self.client.worker.config().timeouts.drain_request);
            }
        } else {
            if self.client.http.input().capacity() > 0 {
                *self.client.http.input_mut() = BytesMut::new();
            }
            let Client { socket, worker, http, .. } = &mut self.client;
            let evicted = !socket.note_idle(|| IdleSince::new(clock::ticked(), worker.requests()));
            if evicted || stopping.poll(cx) {
                // A request that came before may be with the system, and the runtime not know of it yet.
                return Poll::Ready(match socket.read_now(http.input_mut()) {
                    Ok(1..) => self.note_read(cx),
                    Ok(0) | Err(_) if evicted => HeadRead::Evicted(CloseReason::Evicted),
                    Ok(0) | Err(_) => HeadRead::Stopping,
                });
            }
        }
        self.client.timer.poll(cx, self.deadline).map(|()| HeadRead::TimedOut)
    }

    /// Bytes of a request were read: the connection is not idle any more. If it has just given way to another one, it needs
    /// a place again.
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

/// What came of reading some more of a head.
enum HeadRead {
    Some,
    End,
    Gone,
    Stopping,
    /// It had given way to another connection: as it was idle, or for a request that came then and has no place.
    Evicted(CloseReason),
    TimedOut,
}
