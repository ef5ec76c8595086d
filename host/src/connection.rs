//! One client's connection, from accept to close: read a head, find its route, serve it, and again.
//!
//! Owns the keep-alive loop and every reason to end it ([`CloseReason`]). It must not know Wasm, nor how a response
//! is framed.

mod account;
mod buckets;
mod call;
mod chain;
mod close;
mod drive;
mod near;
mod page;
mod parked;
mod queue;
mod refusal;
mod reply;
mod scratch;
mod terms;
mod timer;
mod unloaded;
mod websocket;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::BytesMut;
use tokio::net::TcpStream;

use crate::clock;
use crate::close_reason::CloseReason;
use crate::http::head::{HeadError, HeadParser, RequestHead};
use crate::worker::Worker;

use buckets::Buckets;
use drive::Served;
use timer::Timer;

/// A connection to one client.
pub struct Connection {
    socket: Arc<TcpStream>,
    peer: SocketAddr,
    worker: Arc<Worker>,
    input: BytesMut,
    parser: HeadParser,
    timer: Timer,
    /// The buckets of routes whose `rate_scope` is `connection`.
    buckets: Buckets,
    /// Whether the client has sent its last byte.
    half_closed: bool,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(socket: TcpStream, peer: SocketAddr, worker: Arc<Worker>) -> Self {
        // Small writes matter more than small packets; a socket that refuses is about to fail anyway.
        let _ = socket.set_nodelay(true);
        Self {
            socket: Arc::new(socket),
            peer,
            worker,
            input: BytesMut::new(),
            parser: HeadParser::default(),
            timer: Timer::default(),
            buckets: Buckets::default(),
            half_closed: false,
        }
    }

    /// Serves the client until the connection ends, closes it, and says why.
    pub async fn serve(mut self) -> CloseReason {
        let reason = self.serve_requests().await;
        self.close(reason).await;
        reason
    }

    /// Answers 503 in place of serving, because the host has no room for another connection.
    pub async fn refuse(mut self) {
        let reason = Box::pin(self.answer_overload()).await.err().unwrap_or(CloseReason::Overloaded);
        self.close(reason).await;
    }

    async fn close(mut self, reason: CloseReason) {
        tracing::debug!(peer = %self.peer, reason = reason.explain(), "connection closed");
        self.worker.closed().count(reason);
        close::close(&self.socket, &mut self.timer, reason, self.half_closed).await;
    }

    async fn serve_requests(&mut self) -> CloseReason {
        let worker = self.worker.clone();
        // Waited for once and for all: to join and leave those who wait, for each request, touches their memory.
        let mut stopping = std::pin::pin!(worker.stopping().wait());
        loop {
            let served = match self.next_head(&worker, stopping.as_mut()).await {
                Ok(Ok(head)) => self.serve_request(head).await,
                Ok(Err(error)) => Box::pin(self.refuse_head(&error)).await,
                Err(CloseReason::HeadTimeout) => Box::pin(self.answer_head_timeout()).await,
                Err(reason) => return reason,
            };
            let served = match served {
                Ok(Served::LeftOpen(parked)) => self.serve_parked(parked).await,
                Ok(Served::Upgraded(websocket)) => return self.serve_websocket(websocket).await,
                served => served,
            };
            if let Err(reason) = served {
                return reason;
            }
        }
    }

    /// Waits for the head of the next request: one that can be served, or one that is refused.
    async fn next_head(
        &mut self,
        worker: &Worker,
        mut stopping: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Result<RequestHead, HeadError>, CloseReason> {
        let timeouts = &worker.config().timeouts;
        let idle_until = clock::recent() + timeouts.idle;
        let mut head_until = None;
        loop {
            if !self.input.is_empty() {
                match self.parser.parse(&mut self.input, &worker.config().limits.head) {
                    Ok(Some(head)) => return Ok(Ok(head)),
                    Ok(None) => {}
                    Err(error) => return Ok(Err(error)),
                }
            }
            if self.half_closed {
                return Err(CloseReason::ClientClosed);
            }
            if !self.input.is_empty() && head_until.is_none() {
                head_until = Some(Instant::now() + timeouts.head);
            }
            // A head that was begun is waited for, whoever stops.
            let stopping = head_until.is_none().then_some(stopping.as_mut());
            match self.read_head(head_until.unwrap_or(idle_until), stopping).await {
                HeadRead::Some => {}
                HeadRead::End => self.half_closed = true,
                HeadRead::Gone => return Err(CloseReason::ClientGone),
                HeadRead::Stopping => return Err(CloseReason::Stopping),
                HeadRead::TimedOut if head_until.is_some() => return Err(CloseReason::HeadTimeout),
                HeadRead::TimedOut => return Err(CloseReason::Idle),
            }
        }
    }

    /// Reads some more of a head. An idle connection holds no buffer, and ends when the server is `stopping`.
    async fn read_head(
        &mut self,
        until: Instant,
        mut stopping: Option<Pin<&mut impl Future<Output = ()>>>,
    ) -> HeadRead {
        let (socket, timer, input) = (&self.socket, &mut self.timer, &mut self.input);
        let worker = &self.worker;
        std::future::poll_fn(|cx| {
            match scratch::poll_read(cx, socket, input) {
                Poll::Ready(Ok(0)) => return Poll::Ready(HeadRead::End),
                Poll::Ready(Ok(_)) => return Poll::Ready(HeadRead::Some),
                Poll::Ready(Err(_)) => return Poll::Ready(HeadRead::Gone),
                Poll::Pending => {}
            }
            if let Some(stopping) = &mut stopping {
                if input.capacity() > 0 {
                    *input = BytesMut::new();
                }
                // Its future is not to be polled once it was ready.
                if worker.stopping().is_set() || stopping.as_mut().poll(cx).is_ready() {
                    // A request that came before the stop may be with the system, and the runtime not know of it yet.
                    return Poll::Ready(match scratch::read_untold(socket, input) {
                        Ok(1..) => HeadRead::Some,
                        Ok(0) | Err(_) => HeadRead::Stopping,
                    });
                }
            }
            timer.poll(cx, until).map(|()| HeadRead::TimedOut)
        })
        .await
    }
}

enum HeadRead {
    Some,
    End,
    Gone,
    Stopping,
    TimedOut,
}
