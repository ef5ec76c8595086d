//! One request and its response, as the connection and the handler share them.
//!
//! Owns the request, the [`Response`] in the making, the next piece of the request's body, and the clock of the
//! invocation. Both sides live in one task (the connection polls the handler), so
//! the lock is never waited for. What a handler waits for wakes it, and the connection's task with it.

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

mod body_error;
mod context;
mod direct_write;
mod exchange_end;
mod handler_clock;
mod handler_output;
mod handler_task;
mod middleware;
mod push;
#[cfg(test)]
mod tests;
mod timing;
mod wait;
mod websocket;

pub use body_error::BodyError;
pub use context::ContextError;
pub use direct_write::DirectWriter;
pub(crate) use direct_write::MAX_RUN;
pub use exchange_end::ExchangeEnd;
pub use timing::{Measured, Timing};

use direct_write::YieldBudget;
use handler_clock::HandlerClock;
use handler_output::HandlerOutput;
use handler_task::HandlerTask;
use middleware::MiddlewareState;
use push::Push;
use wait::{WaitReason, Waits, Wakers};

/// What a handler is told of who sends a request.
pub trait RequestPeer: fmt::Debug + Send + Sync {
    /// Its address in canonical form, without a port.
    fn address(&self) -> String;
}

/// The request, all but its body.
#[derive(Debug)]
pub struct Request<P: ?Sized = dyn RequestPeer> {
    /// The head as it was received.
    pub head: RequestHead,
    /// What the route's pattern captured, percent-decoded.
    pub params: Vec<(String, String)>,
    /// Who sends it.
    pub peer: P,
}

/// A request and its response while they are served.
#[derive(Debug)]
pub struct Exchange {
    request: Option<Box<Request>>,
    measured: Option<Measured>,
    push: Option<Push>,
    /// The short way to a client that has no rate.
    sink: Option<Arc<dyn DirectWriter>>,
    task: HandlerTask,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    response: Response,
    body: Body,
    clock: HandlerClock,
    waits: Waits,
    pace: YieldBudget,
    closed_by_handler: bool,
    /// Why the handler gave up, if it did.
    failure: Option<String>,
    /// The connection among the subscribers, once the handler has subscribed it.
    subscriber: Option<Subscriber>,
    /// What only a request with middleware has, or one that leaves notes.
    middleware: Option<Box<MiddlewareState>>,
    /// The response was the handshake of a WebSocket, and is over.
    is_websocket: bool,
    /// What is shown beside a failure in development.
    printed: Option<Box<HandlerOutput>>,
    /// What has become of the client, if that has cut the handler's time short.
    lost: Option<ClientLoss>,
}

/// What has become of a client whose handler is not let run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLoss {
    /// It has reset the connection.
    Gone,
    /// It has stopped reading for good.
    StoppedReading,
    /// It has sent its last byte, and was sent nothing for too long since then.
    HalfClosed,
}

/// Where the request's body stands between the two sides: at most one piece at a time.
#[derive(Debug)]
enum Body {
    /// Nobody asked for the next piece.
    Idle,
    /// The handler waits for at most this many bytes.
    Wanted(usize),
    /// A piece to be taken.
    Piece(Bytes),
    /// The end, good or bad.
    Over(Result<(), BodyError>),
}

impl Inner {
    fn new(response: Response, body: Body, clock: HandlerClock) -> Self {
        Self {
            response,
            body,
            clock,
            waits: Waits::default(),
            pace: YieldBudget::default(),
            closed_by_handler: false,
            failure: None,
            subscriber: None,
            middleware: None,
            is_websocket: false,
            lost: None,
            printed: None,
        }
    }

    /// Whether a handler that writes need not wait: there is room, or writing is over.
    fn has_room(&self) -> bool {
        self.response.has_room() || self.response.is_over()
    }

    /// The wakers of the waits that are over now.
    fn take_wakers(&mut self) -> Wakers {
        let (writable, body, head) = (self.has_room(), self.has_body(), !self.is_head_waiting());
        self.waits.take_wakers(|reason| match reason {
            WaitReason::Writable => writable,
            WaitReason::Body => body,
            WaitReason::Head => head,
            WaitReason::Elsewhere => false,
        })
    }

    /// Whether a handler that reads need not wait.
    fn has_body(&self) -> bool {
        matches!(self.body, Body::Piece(_) | Body::Over(_))
    }

    /// The response, while the handler can work on it.
    fn of_handler(&mut self) -> Result<&mut Response, ResponseError> {
        if self.failure.is_some() { Err(ResponseError::Closed) } else { Ok(&mut self.response) }
    }
}

impl Exchange {
    /// A new exchange. `has_body` says whether a body was announced; the handler has until `deadline`; it is measured
    /// where somebody wants to know.
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

    /// An exchange that no handler sees: the host has made the response.
    #[must_use]
    pub fn answered(response: Response) -> Self {
        let clock = HandlerClock::until(Instant::now());
        Self::with(None, None, Inner::new(response, Body::Over(Ok(())), clock))
    }

    fn with(request: Option<Box<Request>>, measured: Option<Measured>, inner: Inner) -> Self {
        let (task, inner) = (HandlerTask::default(), Mutex::new(inner));
        Self { request, measured, push: None, sink: None, task, inner }
    }

    /// The request, if a handler answers it.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }

    /// Works on the response. Not for use across an await.
    pub fn response<R>(&self, work: impl FnOnce(&mut Response) -> R) -> R {
        self.change(|inner| work(&mut inner.response))
    }

    /// Changes what a handler may wait for, and wakes the waits that are over then.
    fn change<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        let value = work(&mut inner);
        if !inner.waits.is_empty() {
            Self::end_waits(inner);
        }
        value
    }

    /// Wakes the waits that are over. Not part of [`Self::change`], since most changes are made while nothing waits.
    fn end_waits(mut inner: MutexGuard<'_, Inner>) {
        let wakers = inner.take_wakers();
        // Woken without the lock, which a waker may take.
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot have left a response half-changed that matters: the connection is
        // lost with its task.
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
    /// As [`Response::fields_mut`], what the change says, or that middleware has sealed the field.
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

    /// Waits until the head may be sent and the client took enough of what was written, or the response is over.
    pub async fn writable(&self) {
        self.head().await;
        self.wait(WaitReason::Writable, |inner| inner.has_room().then_some(())).await;
    }

    /// What returning `close` does: ends the response, without a byte if nothing was written.
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
                // A response that is not over can be finished.
                let _ = response.finish(clock::date());
            }
        });
    }

    /// The handler gives up, for a reason that the log is told. The first one stands.
    ///
    /// # Errors
    /// What `reason` says.
    pub fn fail<E>(&self, reason: impl FnOnce() -> Result<String, E>) -> Result<(), E> {
        let failure = &mut self.lock().failure;
        if failure.is_none() {
            *failure = Some(reason()?);
        }
        Ok(())
    }

    /// Waits for the next piece of the body, at least one byte and at most `max`; none at the end.
    ///
    /// # Errors
    /// Why the rest cannot be had; the same each time.
    pub async fn read(&self, max: usize) -> Result<Option<Bytes>, BodyError> {
        self.wait(WaitReason::Body, |inner| match &mut inner.body {
            Body::Over(Ok(())) => Some(Ok(None)),
            Body::Over(Err(error)) => Some(Err(*error)),
            Body::Piece(piece) => {
                let taken = piece.split_to(piece.len().min(max));
                if piece.is_empty() {
                    inner.body = Body::Idle;
                }
                Some(Ok(Some(taken)))
            }
            Body::Idle | Body::Wanted(_) => {
                inner.body = Body::Wanted(max);
                None
            }
        })
        .await
    }
}

/// The connection's side.
impl Exchange {
    /// How many bytes of the body the handler waits for.
    #[must_use]
    pub fn requested(&self) -> Option<usize> {
        match self.lock().body {
            Body::Wanted(max) => Some(max),
            Body::Idle | Body::Piece(_) | Body::Over(_) => None,
        }
    }

    /// Gives the handler the next piece of the body.
    pub fn push_piece(&self, piece: Bytes) {
        self.change(|inner| inner.body = Body::Piece(piece));
    }

    /// Tells the handler that there is no more of the body, for good or bad.
    pub fn end_body(&self, end: Result<(), BodyError>) {
        self.change(|inner| inner.body = Body::Over(end));
    }

    /// Tells the handler that its client is gone; it has `grace` to come to an end.
    pub fn client_gone(&self, grace: Duration) {
        self.change(|inner| {
            inner.response.truncate();
            if !matches!(inner.body, Body::Over(_)) {
                inner.body = Body::Over(Err(BodyError::Incomplete));
            }
            inner.limit_to_grace(grace);
        });
    }

    /// Why the handler's time was cut short, if it was.
    #[must_use]
    pub fn lost(&self) -> Option<ClientLoss> {
        self.lock().lost
    }

    /// Why the body could not be read to its end, if it could not.
    #[must_use]
    pub fn body_error(&self) -> Option<BodyError> {
        match self.lock().body {
            Body::Over(Err(error)) => Some(error),
            Body::Over(Ok(())) | Body::Idle | Body::Wanted(_) | Body::Piece(_) => None,
        }
    }

    /// Why the handler gave up, if it did. Told once.
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
