//! A connection of HTTP/2 (RFC 9113): its task, which moves the frames of all streams, and their tasks.
//!
//! The crate `h2` has the frames and the states of the streams. Each stream is a request like any other: its task goes the
//! way of a request of HTTP/1, on a [`Stream`] of its own. Whatever a handler does ends its own stream only. The connection
//! ends by decisions of the host alone: it stops, the client floods, is silent or takes nothing.

mod client_io;
mod control_frames;
mod resets;
mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection as Http2Frames, Handshake, SendResponse};
use tokio::task::{JoinError, JoinSet};

use super::client::Client;
use super::deadlines::earlier;
use crate::clock;
use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::connection_table::IdleSince;
use crate::http2::request::{ListenerScheme, ReceivedRequest};
use crate::metrics::OpenConnections;
use crate::net::{Http2Connection, Stream};
use crate::worker::{ShutdownWaiter, Worker};
use client_io::{ClientIo, IoState};
use resets::ResetRate;
use stream::StreamEnd;

/// The window of each request's body: how much of it a client may send before its handler reads.
pub(super) const STREAM_WINDOW: u32 = 64 * 1024;

/// The most bytes of one response that are queued for the socket.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// How many streams the host may reset because of what the client has sent, before the connection ends.
const MAX_ERROR_RESETS: usize = 100;

/// The bytes that each field counts in addition to its name and value (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// The frames of the connection, from its preface on.
enum FrameState {
    /// The preface and the settings of the client are awaited.
    Opening(Handshake<ClientIo, Bytes>),
    Open(Http2Frames<ClientIo, Bytes>),
}

/// What the connection does.
#[derive(Debug, Clone, Copy)]
enum ConnectionPhase {
    /// It takes new streams.
    Serving,
    /// The server stops. Streams are served to their end.
    Draining,
    /// It closes for this reason, once what it has to say is sent, or at this moment.
    Closing(CloseReason, Instant),
}

/// The task of a connection.
struct Http2Task<'c> {
    client: &'c mut Client,
    frames: FrameState,
    shared: Arc<Http2Connection>,
    io: Arc<IoState>,
    streams: JoinSet<StreamEnd>,
    resets: ResetRate,
    phase: ConnectionPhase,
    /// Since when no stream is open.
    idle_since: Option<Instant>,
    /// Until when the block of fields that has begun has to be complete.
    head_until: Option<Instant>,
}

/// Serves the streams of a client that has sent the preface of HTTP/2, until the connection ends.
pub(super) async fn serve(client: &mut Client) -> CloseReason {
    let worker = client.worker.clone();
    let _open = worker.counters().open(OpenConnections::Http2);
    let input = std::mem::take(client.http.input_mut());
    let shared = Arc::new(Http2Connection::new(client.socket.is_tls()));
    let io = Arc::new(IoState::new(shared.clone(), &worker.config().timeouts));
    let handshake = builder(worker.config()).handshake(ClientIo::new(client.socket.clone(), input, io.clone()));
    let now = Instant::now();
    let mut task = Http2Task {
        client,
        frames: FrameState::Opening(handshake),
        shared,
        io,
        streams: JoinSet::new(),
        resets: ResetRate::new(now),
        phase: ConnectionPhase::Serving,
        idle_since: Some(now),
        head_until: Some(now + worker.config().timeouts.head),
    };
    let mut reached = Box::pin(worker.stopping().wait());
    let mut stopping = ShutdownWaiter::new(worker.stopping(), reached.as_mut());
    let reason = std::future::poll_fn(|cx| task.poll(cx, &mut stopping)).await;
    // Streams that are still open notice that the connection has ended, and their handlers end within their grace.
    let Http2Task { frames, mut streams, .. } = task;
    drop(frames);
    while let Some(ended) = streams.join_next().await {
        ended_with(ended);
    }
    reason
}

/// What the host tells the client, and the bounds of a connection.
fn builder(config: &Config) -> Builder {
    let limits = &config.limits;
    let list = limits.head.max_fields.saturating_mul(FIELD_OVERHEAD).saturating_add(limits.head.max_bytes);
    let streams = limits.max_streams.get();
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        .initial_window_size(STREAM_WINDOW)
        // Each stream has its window for itself, so that a handler which does not read stops no other.
        .initial_connection_window_size(streams.saturating_mul(STREAM_WINDOW).min(i32::MAX as u32))
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_send_buffer_size(MAX_SEND_BUFFER)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS));
    builder
}

impl Http2Task<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>,
    ) -> Poll<CloseReason> {
        self.io.begin_turn();
        self.heed_shutdown(cx, stopping);
        loop {
            let ended = self.poll_frames(cx);
            self.shared.note_turn(!self.io.is_blocked());
            if let Poll::Ready(reason) = ended {
                return Poll::Ready(reason);
            }
            let has_reaped = self.reap(cx);
            if !self.heed_flood() && !has_reaped {
                break;
            }
        }
        if let Some(every) = self.shared.take_heartbeat()
            && let Err(error) = self.client.socket.set_keepalive(every)
        {
            tracing::debug!(target: "connection", "cannot enable TCP keepalive: {error}");
        }
        self.note_idle();
        self.poll_deadlines(cx)
    }

    /// Moves frames, and starts the streams that have come.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let FrameState::Opening(handshake) = &mut self.frames {
            match std::pin::Pin::new(handshake).poll(cx) {
                Poll::Ready(Ok(open)) => self.frames = FrameState::Open(open),
                Poll::Ready(Err(error)) => return Poll::Ready(self.reason(&error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        loop {
            let FrameState::Open(frames) = &mut self.frames else { return Poll::Pending };
            // A handler counts until it has ended, also if its stream was reset. So resets make no room for more handlers.
            if self.streams.len() >= self.client.worker.config().limits.max_streams.get() as usize {
                return match frames.poll_closed(cx) {
                    Poll::Ready(Ok(())) => Poll::Ready(self.ended()),
                    Poll::Ready(Err(error)) => Poll::Ready(self.reason(&error)),
                    Poll::Pending => Poll::Pending,
                };
            }
            match frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, response)))) => self.start(cx, request, response),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.reason(&error)),
                Poll::Ready(None) => return Poll::Ready(self.ended()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Starts the task of a stream.
    fn start(&mut self, cx: &Context<'_>, request: ::http::Request<h2::RecvStream>, mut response: SendResponse<Bytes>) {
        self.idle_since = None;
        self.resets.note_started(clock::recent());
        let Client { socket, worker, peer, .. } = &self.client;
        if !socket.note_busy()
            && let Err(reason) = worker.shared().connections.readmit(peer, socket, cx.waker())
        {
            self.close(reason, Reason::NO_ERROR);
            return;
        }
        let (parts, body) = request.into_parts();
        let received = ReceivedRequest {
            method: &parts.method,
            uri: &parts.uri,
            fields: &parts.headers,
            ends: body.is_end_stream(),
        };
        let listener = if socket.is_tls() { ListenerScheme::Tls } else { ListenerScheme::Plain };
        let checked = received.check(&worker.config().limits.head, listener, |host| is_served(socket, host));
        if let Err(error) = &checked {
            tracing::debug!(target: "connection", %peer, status = error.status(), "request refused: {error}");
            if error.status().is_none() {
                response.send_reset(Reason::PROTOCOL_ERROR);
                self.note_reset();
                return;
            }
        }
        let body = Some(body).filter(|_| !received.ends);
        let framing = received.framing();
        let client = stream::client(self.client, &self.shared, response, body);
        self.streams.spawn(stream::serve(client, checked, framing));
    }

    /// Takes the streams whose tasks have ended. Returns whether there were any.
    fn reap(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_ended = false;
        while let Poll::Ready(Some(ended)) = self.streams.poll_join_next(cx) {
            has_ended = true;
            if ended_with(ended) == StreamEnd::Reset {
                self.note_reset();
            }
        }
        has_ended
    }

    /// Counts a stream that the client has reset. If these are too many, the connection ends.
    fn note_reset(&mut self) {
        if self.resets.note_reset(clock::recent()) {
            self.close(CloseReason::Flooding, Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Ends the connection if its client has sent too many frames that are of no request. Returns whether it has to be told.
    fn heed_flood(&mut self) -> bool {
        let floods = self.io.is_flooding() && !matches!(self.phase, ConnectionPhase::Closing(..));
        if floods {
            self.close(CloseReason::Flooding, Reason::ENHANCE_YOUR_CALM);
        }
        floods
    }

    /// Once the server stops, no new stream is taken.
    fn heed_shutdown(&mut self, cx: &mut Context<'_>, stopping: &mut ShutdownWaiter<'_, impl Future<Output = ()>>) {
        if matches!(self.phase, ConnectionPhase::Serving) && stopping.poll(cx) {
            match &mut self.frames {
                FrameState::Opening(_) => self.close(CloseReason::Stopping, Reason::NO_ERROR),
                FrameState::Open(frames) => {
                    frames.graceful_shutdown();
                    self.phase = ConnectionPhase::Draining;
                    // Without streams the client has this long to take notice.
                    self.idle_since = self.idle_since.map(|_| Instant::now());
                }
            }
        }
    }

    /// Closes the connection with a GOAWAY. Its streams end with it.
    fn close(&mut self, reason: CloseReason, told: Reason) {
        if matches!(self.phase, ConnectionPhase::Closing(..)) {
            return;
        }
        if let FrameState::Open(frames) = &mut self.frames {
            frames.abrupt_shutdown(told);
        }
        let until = Instant::now() + self.client.worker.config().timeouts.drain_request;
        self.phase = ConnectionPhase::Closing(reason, until);
    }

    /// Records whether the connection is idle: it is if no stream is open.
    fn note_idle(&mut self) {
        if !self.streams.is_empty() {
            self.idle_since = None;
            return;
        }
        self.idle_since.get_or_insert_with(clock::recent);
        let Client { socket, worker, .. } = &self.client;
        if matches!(self.phase, ConnectionPhase::Serving)
            && !socket.note_idle(|| IdleSince::new(clock::ticked(), worker.counters().requests()))
        {
            self.close(CloseReason::Evicted, Reason::NO_ERROR);
        }
    }

    /// Handles the deadlines that have passed, and waits for the next.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            let (stall, (until, reason)) = (self.io.stalled_until(), self.deadline());
            let Some(next) = earlier(stall, until) else { return Poll::Pending };
            if self.client.timer.poll(cx, next).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if stall.is_some_and(|stall| now >= stall) {
                return Poll::Ready(CloseReason::WriteTimeout);
            }
            if until.is_none_or(|until| now < until) {
                continue;
            }
            match (self.phase, &self.frames) {
                (ConnectionPhase::Closing(..) | ConnectionPhase::Draining, _) | (_, FrameState::Opening(_)) => {
                    return Poll::Ready(reason);
                }
                (ConnectionPhase::Serving, FrameState::Open(_)) => {
                    self.close(reason, Reason::NO_ERROR);
                    // The frames have something to send.
                    cx.waker().wake_by_ref();
                }
            }
        }
    }

    /// The deadline of the connection as a whole, and why it ends then.
    fn deadline(&mut self) -> (Option<Instant>, CloseReason) {
        let timeouts = &self.client.worker.config().timeouts;
        match self.phase {
            ConnectionPhase::Closing(reason, until) => (Some(until), reason),
            ConnectionPhase::Draining => {
                (self.idle_since.map(|since| since + timeouts.drain_request), CloseReason::Stopping)
            }
            ConnectionPhase::Serving => {
                // A client that waits between its requests has no head to complete.
                if !self.io.awaits_head() {
                    self.head_until = None;
                } else if self.head_until.is_none() {
                    self.head_until = Some(Instant::now() + timeouts.head);
                }
                let idle_until = self.idle_since.map(|since| since + timeouts.idle);
                match (self.head_until, idle_until) {
                    (Some(head), Some(idle)) if idle < head => (Some(idle), CloseReason::Idle),
                    (Some(head), _) => (Some(head), CloseReason::HeadTimeout),
                    (None, idle) => (idle, CloseReason::Idle),
                }
            }
        }
    }

    /// Why the connection has ended without an error.
    fn ended(&self) -> CloseReason {
        match self.phase {
            ConnectionPhase::Serving => CloseReason::ClientClosed,
            ConnectionPhase::Draining => CloseReason::Stopping,
            ConnectionPhase::Closing(reason, _) => reason,
        }
    }

    /// Why the connection has ended with this error.
    fn reason(&self, error: &h2::Error) -> CloseReason {
        match self.phase {
            ConnectionPhase::Closing(reason, _) => reason,
            ConnectionPhase::Serving | ConnectionPhase::Draining if error.is_io() && self.io.has_ended() => {
                CloseReason::ClientClosed
            }
            ConnectionPhase::Serving | ConnectionPhase::Draining if error.is_io() || error.is_remote() => {
                CloseReason::ClientGone
            }
            ConnectionPhase::Serving | ConnectionPhase::Draining => {
                let peer = &self.client.peer;
                tracing::debug!(target: "connection", %peer, "the client violated HTTP/2: {error}");
                match error.reason() {
                    Some(Reason::ENHANCE_YOUR_CALM) => CloseReason::Flooding,
                    Some(_) | None => CloseReason::Http2Violation,
                }
            }
        }
    }
}

/// Whether the connection may have requests for a host: for the name that its client has asked for in the handshake of TLS,
/// and for others that its certificate is valid for (RFC 9113 section 9.1.1).
fn is_served(socket: &Stream, host: &str) -> bool {
    match socket.sni() {
        Some(sni) => sni.name().is_none_or(|name| name.eq_ignore_ascii_case(host)) || sni.covers(host),
        None => true,
    }
}

/// How a stream has ended. Logs a panic, which is a defect of the host and ends one stream.
fn ended_with(ended: Result<StreamEnd, JoinError>) -> StreamEnd {
    ended.unwrap_or_else(|error| {
        if error.is_panic() {
            tracing::error!(target: "server", "a stream's task has panicked: {error}");
        }
        StreamEnd::Served
    })
}

/// The worker, for the tasks of streams.
fn worker(client: &Client) -> Arc<Worker> {
    client.worker.clone()
}
