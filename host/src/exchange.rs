//! One request and its response, as the connection and the handler share them.
//!
//! Owns the request, the [`Response`] that is being written, the next piece of the request's body, and the clock of the
//! invocation. Both sides run in one task, because the connection polls the handler. The lock is therefore never
//! contended. When a wait of the handler ends, the handler and the connection's task are woken.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clock;
use crate::http::fields::{FieldError, Fields};
use crate::http::head::RequestHead;
use crate::push::Subscriber;
use crate::response::{Response, ResponseError};
use crate::trace::RequestTrace;

mod body_error;
mod context;
mod direct_write;
mod exchange_end;
mod handler_clock;
mod handler_output;
mod handler_task;
mod middleware;
mod push;
mod streams;
#[cfg(test)]
pub(crate) mod tests;
mod timing;
mod trailers;
mod wait;
mod websocket;

pub use body_error::BodyError;
pub use context::ContextError;
pub use direct_write::DirectWriter;
pub(crate) use direct_write::MAX_RUN;
pub use exchange_end::ExchangeEnd;
pub use timing::{Measured, Timing};
#[cfg(test)]
pub(crate) use wait::NeverReady;

use direct_write::YieldBudget;
use handler_clock::HandlerClock;
use handler_output::HandlerOutput;
use handler_task::HandlerTask;
use middleware::MiddlewareState;
use push::Push;
use wait::{WaitReason, Waits, Wakers};

/// The sender of a request, as a handler sees it.
pub trait RequestPeer: fmt::Debug + Send + Sync {
    /// The address of the sender in canonical form, without a port.
    fn address(&self) -> String;

    /// A number that the requests of one client have in common. It is the same for all whose client is not known.
    fn client(&self) -> u64 {
        u64::MAX
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Request<P: ?Sized = dyn RequestPeer> {
    /// The head as it was received.
    pub head: RequestHead,
    /// The parameters that the route's pattern captured, percent-decoded.
    pub params: Vec<(String, String)>,
    /// The address that it was sent to, if its head does not name a host.
    pub local_address: Option<Box<str>>,
    /// The scheme of its URL.
    pub scheme: RequestScheme,
    /// The sender.
    pub peer: P,
}

/// The scheme of a request's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestScheme {
    /// The connection of the client is not encrypted.
    Http,
    /// The connection of the client is encrypted: to this host, or to the trusted proxy that says so.
    Https,
}

impl RequestScheme {
    /// As a URL has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Request {
    /// The host and the port that it is for: those of its target or `Host`, or else the address that it was sent to.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        match self.head.values("host").next().filter(|host| !host.is_empty()) {
            Some(host) => Some(String::from_utf8_lossy(host).into_owned()),
            None => self.local_address.as_deref().map(str::to_owned),
        }
    }
}

/// A request and its response while the request is served.
#[derive(Debug)]
pub struct Exchange {
    request: Option<Box<Request>>,
    measured: Option<Measured>,
    trace: Option<Arc<RequestTrace>>,
    push: Option<Push>,
    /// Writes large chunks directly to the client's socket. It is `None` if the client has a rate limit.
    sink: Option<Arc<dyn DirectWriter>>,
    task: HandlerTask,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    response: Response,
    body: Body,
    /// Bytes of the body that the handler was given.
    received: u64,
    /// The trailers of the request, until the handler takes them. Boxed, since few requests have any.
    request_trailers: Option<Box<Fields>>,
    clock: HandlerClock,
    waits: Waits,
    pace: YieldBudget,
    closed_by_handler: bool,
    /// Why the handler has failed, if it has.
    failure: Option<String>,
    /// The subscriber of the connection. It is `None` until the handler subscribes to a topic.
    subscriber: Option<Subscriber>,
    /// The state of middleware and the context. It is `None` for a request that has neither.
    middleware: Option<Box<MiddlewareState>>,
    /// Whether the connection has become a WebSocket. The response, which was the handshake, is then over.
    is_websocket: bool,
    /// The last lines that the handler has printed. An error page shows them in development.
    printed: Option<Box<HandlerOutput>>,
    /// Why the handler's deadline was shortened, if the client was the reason.
    client_loss: Option<ClientLoss>,
}

/// Why a client no longer needs a response, so that its handler gets little more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLoss {
    /// The connection is lost: the client has reset it, or reading or writing has failed.
    Gone,
    /// The client has not read the response for so long that the write timeout has passed.
    StoppedReading,
    /// The client has closed its sending side, and the handler has sent it nothing for too long since then.
    HalfClosed,
}

/// The request's body between the connection and the handler. It holds at most one piece at a time.
#[derive(Debug)]
enum Body {
    /// The handler has not asked for the next piece.
    Idle,
    /// The handler waits for at most this many bytes.
    Wanted(usize),
    /// A piece that the handler has not yet taken.
    Piece(Bytes),
    /// The body has ended, or its rest cannot be read.
    Over(Result<(), BodyError>),
}

impl Inner {
    fn new(response: Response, body: Body, clock: HandlerClock) -> Self {
        Self {
            response,
            body,
            received: 0,
            request_trailers: None,
            clock,
            waits: Waits::default(),
            pace: YieldBudget::default(),
            closed_by_handler: false,
            failure: None,
            subscriber: None,
            middleware: None,
            is_websocket: false,
            client_loss: None,
            printed: None,
        }
    }

    /// Whether a write of the handler can proceed: the output has room, or the response is over.
    fn has_room(&self) -> bool {
        self.response.has_room() || self.response.is_over()
    }

    /// Takes the wakers of the waits that have ended.
    fn take_wakers(&mut self) -> Wakers {
        let (writable, body, head) = (self.has_room(), self.has_body(), !self.is_head_waiting());
        self.waits.take_wakers(|reason| match reason {
            WaitReason::Writable => writable,
            WaitReason::Body => body,
            WaitReason::Head => head,
            WaitReason::Itself | WaitReason::Upstream | WaitReason::Elsewhere => false,
        })
    }

    /// The next piece of the body, or its end. If it has not come yet, asks for at most `max` bytes.
    fn take_piece(&mut self, max: usize) -> Option<Result<Option<Bytes>, BodyError>> {
        match &mut self.body {
            Body::Over(Ok(())) => Some(Ok(None)),
            Body::Over(Err(error)) => Some(Err(*error)),
            Body::Piece(piece) => {
                let taken = piece.split_to(piece.len().min(max));
                if piece.is_empty() {
                    self.body = Body::Idle;
                }
                Some(Ok(Some(taken)))
            }
            Body::Idle | Body::Wanted(_) => {
                self.want(max);
                None
            }
        }
    }

    /// Asks for at most `max` bytes of the body.
    fn want(&mut self, max: usize) {
        self.body = Body::Wanted(max);
    }

    /// Whether a read of the handler can proceed.
    fn has_body(&self) -> bool {
        matches!(self.body, Body::Piece(_) | Body::Over(_))
    }

    /// The response, unless the handler has already failed.
    fn of_handler(&mut self) -> Result<&mut Response, ResponseError> {
        if self.failure.is_some() { Err(ResponseError::Closed) } else { Ok(&mut self.response) }
    }
}

impl Exchange {
    /// A new exchange. `has_body` is whether the request has announced a body. The handler has to end by `deadline`.
    /// The cost is measured if `measured` is given.
    #[must_use]
    pub fn new(
        request: Box<Request>,
        response: Response,
        has_body: bool,
        deadline: Instant,
        measured: Option<Measured>,
    ) -> Self {
        let body = if has_body { Body::Idle } else { Body::Over(Ok(())) };
        Self::with(Some(request), measured, Inner::new(response, body, HandlerClock::until(deadline)))
    }

    /// An exchange without a handler: the host has made the response.
    #[must_use]
    pub fn answered(response: Response) -> Self {
        let clock = HandlerClock::until(Instant::now());
        Self::with(None, None, Inner::new(response, Body::Over(Ok(())), clock))
    }

    fn with(request: Option<Box<Request>>, measured: Option<Measured>, inner: Inner) -> Self {
        let (task, inner) = (HandlerTask::default(), Mutex::new(inner));
        Self { request, measured, trace: None, push: None, sink: None, task, inner }
    }

    /// Sets the trace of its request, if requests are traced.
    pub fn set_trace(&mut self, trace: Option<Arc<RequestTrace>>) {
        self.trace = trace;
    }

    /// The trace of its request, if requests are traced.
    #[must_use]
    pub fn trace(&self) -> Option<&Arc<RequestTrace>> {
        self.trace.as_ref()
    }

    /// The request, unless the host itself has made the response.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }

    /// Calls `work` with the response, while the lock is held. `work` must not await.
    pub fn response<R>(&self, work: impl FnOnce(&mut Response) -> R) -> R {
        self.change(|inner| work(&mut inner.response))
    }

    /// Changes state that a handler may be waiting for, and wakes the waits that this ends.
    fn change<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        let value = work(&mut inner);
        if !inner.waits.is_empty() {
            Self::end_waits(inner);
        }
        value
    }

    /// Wakes the waits that have ended. It is a function of its own because most changes are made while there are no
    /// waits.
    fn end_waits(mut inner: MutexGuard<'_, Inner>) {
        let wakers = inner.take_wakers();
        // The lock is released first, because a waker may take it.
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock is held may leave the response half changed. That does no harm: the panic ends the
        // task, and the connection with it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handler's side.
impl Exchange {
    /// Sets the status of the response.
    ///
    /// # Errors
    /// As [`Response::set_status`].
    pub fn set_status(&self, code: u16) -> Result<(), ResponseError> {
        self.lock().of_handler()?.set_status(code)
    }

    /// Changes a field of the response.
    ///
    /// # Errors
    /// As [`Response::fields_mut`], the error of `change`, or [`FieldError::Forbidden`] if middleware has sealed the
    /// field.
    pub fn change_field(
        &self,
        name: &str,
        change: impl FnOnce(&mut Fields) -> Result<(), FieldError>,
    ) -> Result<(), ResponseError> {
        let inner = &mut *self.lock();
        let may_change = inner.may_change(name);
        let fields = inner.of_handler()?.fields_mut()?;
        if may_change { Ok(change(fields)?) } else { Err(FieldError::Forbidden.into()) }
    }

    /// Waits until the head may be sent and the output has room, or until the response is over.
    pub async fn writable(&self) {
        self.head().await;
        self.wait(WaitReason::Writable, |inner| inner.has_room().then_some(())).await;
    }

    /// Closes the connection, as the outcome `close` asks. The response ends here. If nothing was written, no byte is
    /// sent.
    pub fn close(&self) {
        self.change(|inner| {
            let response = &mut inner.response;
            if response.is_over() || inner.failure.is_some() {
                return;
            }
            inner.closed_by_handler = true;
            if response.is_building() {
                response.truncate();
            } else {
                response.forbid_keep_alive();
                // `finish` fails only for a response that is over, and this one is not.
                let _ = response.finish(clock::date());
            }
        });
    }

    /// Records that the handler has failed, and the reason for the log. Only the first reason is kept.
    ///
    /// # Errors
    /// The error of `reason`.
    pub fn fail<E>(&self, reason: impl FnOnce() -> Result<String, E>) -> Result<(), E> {
        let failure = &mut self.lock().failure;
        if failure.is_none() {
            *failure = Some(reason()?);
        }
        Ok(())
    }

    /// Waits for the next piece of the body, which has at least one byte and at most `max`. Returns `None` at the end
    /// of the body.
    ///
    /// # Errors
    /// Why the rest of the body cannot be read. Each later call returns the same error.
    pub async fn read(&self, max: usize) -> Result<Option<Bytes>, BodyError> {
        self.wait(WaitReason::Body, |inner| inner.take_piece(max)).await
    }
}

/// The connection's side.
impl Exchange {
    /// The most bytes of the body that the handler is waiting for, if it is waiting.
    #[must_use]
    pub fn requested(&self) -> Option<usize> {
        match self.lock().body {
            Body::Wanted(max) => Some(max),
            Body::Idle | Body::Piece(_) | Body::Over(_) => None,
        }
    }

    /// Gives the handler the next piece of the body.
    pub fn push_piece(&self, piece: Bytes) {
        self.change(|inner| {
            inner.received += piece.len() as u64;
            inner.body = Body::Piece(piece);
        });
    }

    /// How many bytes of the body the handler was given.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lock().received
    }

    /// Tells the handler that the body has ended, or why its rest cannot be read.
    pub fn end_body(&self, end: Result<(), BodyError>) {
        self.change(|inner| inner.body = Body::Over(end));
    }

    /// Tells the handler that its client is gone. The handler has to end within `grace`.
    pub fn client_gone(&self, grace: Duration) {
        self.change(|inner| {
            inner.response.truncate();
            if !matches!(inner.body, Body::Over(_)) {
                inner.body = Body::Over(Err(BodyError::Incomplete));
            }
            inner.limit_to_grace(grace);
        });
    }

    /// Why the handler's deadline was shortened, if its client was the reason.
    #[must_use]
    pub fn client_loss(&self) -> Option<ClientLoss> {
        self.lock().client_loss
    }

    /// Why the body could not be read to its end, if it has failed.
    #[must_use]
    pub fn body_error(&self) -> Option<BodyError> {
        match self.lock().body {
            Body::Over(Err(error)) => Some(error),
            Body::Over(Ok(())) | Body::Idle | Body::Wanted(_) | Body::Piece(_) => None,
        }
    }

    /// Takes the reason for which the handler has failed, if it has.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        self.lock().failure.take()
    }

    /// Whether the handler closed the connection before the response was complete.
    #[must_use]
    pub fn is_closed_by_handler(&self) -> bool {
        self.lock().closed_by_handler
    }
}
