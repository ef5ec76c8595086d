//! One stream of an HTTP/2 connection as a transport: DATA in, DATA out, and resets.
//!
//! The connection's task moves the bytes between the socket and the crate `h2`, which has the frames of all streams. What a
//! stream sends is queued there, within the windows of the stream and of the connection, and within a bound of its own.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ::http::{HeaderMap, Response as HeadOfResponse, StatusCode};
use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::PeerState;
use crate::http::fields::{FieldError, Fields};
use crate::http2::encoder::Http2Head;
use crate::http2::trailers::request_trailers;

/// The most payload of all streams that is queued for the socket. A stream waits until some of it is sent.
const MAX_QUEUED: usize = 256 * 1024;

/// What the streams of one connection share with its task.
#[derive(Debug, Default)]
pub struct Http2Connection {
    is_tls: bool,
    /// How often all that was queued has been given to the system.
    flushes: AtomicU64,
    /// Payload that is queued, at most: the task counts what is written, with the frames.
    queued: AtomicUsize,
    /// The streams that wait for either, and how often all of them were woken.
    waiting: Mutex<WaitingTasks>,
    /// The shortest interval in milliseconds at which a parked response wants the client to be probed; 0 for none.
    heartbeat: AtomicU64,
    heartbeat_changed: AtomicBool,
}

#[derive(Debug, Default)]
struct WaitingTasks {
    wakers: Vec<Waker>,
    woken: u64,
}

/// One stream.
#[derive(Debug)]
pub struct Http2Stream {
    connection: Arc<Http2Connection>,
    inner: Mutex<StreamState>,
}

#[derive(Debug)]
struct StreamState {
    send: SendSide,
    receive: Option<RecvStream>,
    /// What was received and not read, of one frame.
    unread: Bytes,
    /// The trailers of the request, once they have come.
    trailers: Option<Box<HeaderMap>>,
    /// The flush that has given all of its frames to the system.
    flushed_by: u64,
    /// How often those who wait had been woken when it registered last, and one. So it registers once.
    registered: u64,
    /// Whether the head is queued.
    has_head: bool,
    /// Whether the end of the response is queued.
    has_ended: bool,
    /// Whether the client, or `h2` because of the client, has reset the stream.
    is_reset: bool,
}

#[derive(Debug)]
enum SendSide {
    Head(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
    /// The stream is given up.
    None,
}

impl Http2Connection {
    /// The shared state of a connection without streams.
    #[must_use]
    pub fn new(is_tls: bool) -> Self {
        Self { is_tls, ..Self::default() }
    }

    /// Notes that the task has written `bytes` to the socket.
    pub fn note_written(&self, bytes: usize) {
        let queued = self.queued.load(Ordering::Relaxed);
        self.queued.store(queued.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Notes that the task has had its turn, and whether the system has taken all that was queued. Wakes the streams that
    /// can go on.
    pub fn note_turn(&self, is_flushed: bool) {
        if is_flushed {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            self.queued.store(0, Ordering::Relaxed);
        }
        if is_flushed || self.has_room() {
            let mut waiting = self.lock();
            if !waiting.wakers.is_empty() {
                waiting.woken += 1;
                let wakers = std::mem::take(&mut waiting.wakers);
                drop(waiting);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// The interval at which the client is to be probed, if it was changed since the last call.
    pub fn take_heartbeat(&self) -> Option<Duration> {
        self.heartbeat_changed
            .swap(false, Ordering::Relaxed)
            .then(|| Duration::from_millis(self.heartbeat.load(Ordering::Relaxed)))
    }

    fn has_room(&self) -> bool {
        self.queued.load(Ordering::Relaxed) < MAX_QUEUED
    }

    fn lock(&self) -> MutexGuard<'_, WaitingTasks> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Http2Stream {
    /// A stream whose request has this body.
    #[must_use]
    pub fn new(connection: Arc<Http2Connection>, response: SendResponse<Bytes>, body: Option<RecvStream>) -> Self {
        let inner = StreamState {
            send: SendSide::Head(response),
            receive: body,
            unread: Bytes::new(),
            trailers: None,
            flushed_by: 0,
            registered: 0,
            has_head: false,
            has_ended: false,
            is_reset: false,
        };
        Self { connection, inner: Mutex::new(inner) }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.connection.is_tls
    }

    fn lock(&self) -> MutexGuard<'_, StreamState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads at most `max` bytes of the body, and lets the client send as many again. Ready with none at the end, behind
    /// which the trailers are.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        max: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.lock();
        let Some(receive) = &mut state.receive else { return Poll::Ready(Ok(0)) };
        while state.unread.is_empty() {
            match ready!(receive.poll_data(cx)) {
                Some(Ok(data)) => state.unread = data,
                Some(Err(error)) => return Poll::Ready(Err(lost(&error))),
                None => match ready!(receive.poll_trailers(cx)) {
                    Ok(trailers) => {
                        state.trailers = trailers.map(Box::new);
                        state.receive = None;
                        return Poll::Ready(Ok(0));
                    }
                    Err(error) => return Poll::Ready(Err(lost(&error))),
                },
            }
        }
        let read = state.unread.len().min(max);
        take(&state.unread[..read]);
        state.unread.advance(read);
        if state.unread.is_empty() {
            state.unread = Bytes::new();
        }
        // It fails only if the stream is closed, and then no more is received.
        let _ = receive.flow_control().release_capacity(read);
        Poll::Ready(Ok(read))
    }

    /// The trailers of the request, once its body was read to the end.
    ///
    /// # Errors
    /// As [`request_trailers`].
    pub fn take_trailers(&self) -> Result<Option<Box<Fields>>, FieldError> {
        let trailers = self.lock().trailers.take();
        trailers.map_or(Ok(None), |trailers| request_trailers(&trailers))
    }

    /// Gives up the body of the request: what comes of it is dropped, and the client may send no more than its window.
    pub(super) fn abandon_body(&self) {
        let state = &mut *self.lock();
        (state.receive, state.unread) = (None, Bytes::new());
    }

    /// Ready if the client has reset the stream, or if the connection has ended.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<PeerState> {
        let state = &mut *self.lock();
        let reset = match &mut state.send {
            SendSide::Head(response) => response.poll_reset(cx),
            SendSide::Body(body) => body.poll_reset(cx),
            SendSide::None => return Poll::Ready(PeerState::Gone),
        };
        state.is_reset |= ready!(reset).is_ok();
        Poll::Ready(PeerState::Gone)
    }

    /// Whether the client, or `h2` because of what the client has sent, has reset the stream before its response was
    /// complete.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        let _ = self.poll_gone(&mut Context::from_waker(Waker::noop()));
        let state = self.lock();
        state.is_reset && !state.has_ended
    }

    /// Whether the head of the response is queued.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.lock().has_head
    }

    /// Whether the end of the response is queued.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Queues a `100 Continue`.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn send_continue(&self) -> io::Result<()> {
        let state = &mut *self.lock();
        let SendSide::Head(response) = &mut state.send else { return Ok(()) };
        let mut head = HeadOfResponse::new(());
        *head.status_mut() = StatusCode::CONTINUE;
        response.send_informational(head).map_err(|error| lost(&error))?;
        state.note_queued(&self.connection);
        Ok(())
    }

    /// Queues the head. If `ends`, nothing follows it.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn send_head(&self, head: Http2Head, ends: bool) -> io::Result<()> {
        let state = &mut *self.lock();
        let SendSide::Head(response) = &mut state.send else { return Err(closed()) };
        let mut parts = HeadOfResponse::new(());
        *parts.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *parts.headers_mut() = head.fields;
        let body = response.send_response(parts, ends).map_err(|error| lost(&error))?;
        state.send = SendSide::Body(body);
        (state.has_head, state.has_ended) = (true, ends);
        state.note_queued(&self.connection);
        Ok(())
    }

    /// How many of `wanted` bytes of payload can be queued now. It is reserved of the windows until it is sent, or until
    /// [`Self::release_window`].
    pub fn poll_window(&self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let state = &mut *self.lock();
        loop {
            match state.reserve(&self.connection, wanted) {
                Ok(window) => return Poll::Ready(Ok(window)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Err(error) = ready!(state.poll_writable(cx, &self.connection)) {
                        return Poll::Ready(Err(error));
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Gives back what is reserved of the windows, so that other streams can use it.
    pub fn release_window(&self) {
        if let SendSide::Body(body) = &mut self.lock().send {
            body.reserve_capacity(0);
        }
    }

    /// Queues payload: as much of `waiting` bytes as the windows allow, but `most` at most. `take` gives so many of them,
    /// and says whether the response ends with them. Returns their number.
    ///
    /// # Errors
    /// `WouldBlock` if no byte is allowed, or if the head is not queued, or the stream is closed.
    pub fn send_payload(&self, most: usize, take: impl FnOnce(usize) -> (Bytes, bool)) -> io::Result<usize> {
        let state = &mut *self.lock();
        let allowed = state.reserve(&self.connection, most)?;
        let SendSide::Body(body) = &mut state.send else { return Err(closed()) };
        let (payload, ends) = take(allowed);
        body.send_data(payload, ends).map_err(|error| lost(&error))?;
        self.connection.queued.fetch_add(allowed, Ordering::Relaxed);
        state.has_ended |= ends;
        state.note_queued(&self.connection);
        Ok(allowed)
    }

    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let waiting = slices.iter().map(|slice| slice.len()).sum();
        self.send_payload(waiting, |allowed| {
            let mut payload = BytesMut::with_capacity(allowed);
            for slice in slices {
                let left = allowed - payload.len();
                payload.extend_from_slice(&slice[..slice.len().min(left)]);
            }
            (payload.freeze(), false)
        })
    }

    /// Queues the end of the response, with its trailers if there are any.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn send_end(&self, trailers: Option<HeaderMap>) -> io::Result<()> {
        let state = &mut *self.lock();
        let SendSide::Body(body) = &mut state.send else { return Err(closed()) };
        let sent = match trailers {
            Some(trailers) => body.send_trailers(trailers),
            None => body.send_data(Bytes::new(), true),
        };
        sent.map_err(|error| lost(&error))?;
        state.has_ended = true;
        state.note_queued(&self.connection);
        Ok(())
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_writable(cx, &self.connection)
    }

    /// Ready when the system has all frames that were queued.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.lock();
        let flushes = self.connection.flushes.load(Ordering::Relaxed);
        if flushes >= state.flushed_by {
            return Poll::Ready(Ok(()));
        }
        state.register(cx, &self.connection);
        Poll::Pending
    }

    pub(super) fn set_keepalive(&self, interval: Duration) {
        let wanted = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
        let shared = &self.connection;
        let shorter = |current: u64| (current == 0 || wanted < current).then_some(wanted);
        if shared.heartbeat.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shorter).is_ok() {
            shared.heartbeat_changed.store(true, Ordering::Relaxed);
        }
    }

    /// Resets the stream. What is queued of it is dropped.
    pub fn reset(&self, reason: Reason) {
        match &mut self.lock().send {
            SendSide::Head(response) => response.send_reset(reason),
            SendSide::Body(body) => body.send_reset(reason),
            SendSide::None => {}
        }
    }

    /// Gives up the stream. If its response has ended and the client has not sent all of its request, the stream is reset
    /// with NO_ERROR once the response is sent (RFC 9113 section 8.1).
    pub fn close(&self) {
        let state = &mut *self.lock();
        (state.send, state.receive, state.unread) = (SendSide::None, None, Bytes::new());
    }
}

impl StreamState {
    fn note_queued(&mut self, connection: &Http2Connection) {
        self.flushed_by = connection.flushes.load(Ordering::Relaxed) + 1;
    }

    /// Wakes the task after the next turn of the connection that lets it go on.
    fn register(&mut self, cx: &Context<'_>, connection: &Http2Connection) {
        let waiting = &mut *connection.lock();
        if self.registered != waiting.woken + 1 {
            self.registered = waiting.woken + 1;
            waiting.wakers.push(cx.waker().clone());
        }
    }

    /// Reserves as much of `wanted` bytes as the windows have now.
    fn reserve(&mut self, connection: &Http2Connection, wanted: usize) -> io::Result<usize> {
        let SendSide::Body(body) = &mut self.send else { return Err(io::ErrorKind::WouldBlock.into()) };
        if !connection.has_room() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        body.reserve_capacity(wanted);
        match body.capacity().min(wanted) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            allowed => Ok(allowed),
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>, connection: &Http2Connection) -> Poll<io::Result<()>> {
        let SendSide::Body(body) = &mut self.send else { return Poll::Pending };
        if !connection.has_room() {
            self.register(cx, connection);
            return Poll::Pending;
        }
        match ready!(body.poll_capacity(cx)) {
            Some(Ok(_)) => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(lost(&error))),
            None => Poll::Ready(Err(closed())),
        }
    }
}

fn lost(error: &h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())
}

fn closed() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
