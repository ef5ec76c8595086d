//! The body of a response: what a guest writes before and after it has set the response, and how far it has come.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::p2::StreamError;

use super::super::Outcome;
use super::bindings::wasi::http::types::ErrorCode;
use super::counted_fields::CountedFields;
use super::error_code::StreamFailure;
use super::{NoResponse, RequestScope};
use crate::exchange::Exchange;
use crate::http::fields::Fields;
use crate::response::ResponseError;

/// The most bytes of bodies that a guest can write before it has set its response, all bodies of a request together.
const MAX_UNSET_BYTES: usize = 64 * 1024;

/// The body of a response, from the guest's first write to its end.
#[derive(Debug)]
pub struct ResponseBody {
    state: Mutex<BodyState>,
}

#[derive(Debug)]
struct BodyState {
    /// The request that it is for.
    scope: Option<Arc<RequestScope>>,
    /// Whether the response is set, so that the body is written to the exchange.
    is_set: bool,
    /// What was written before the response was set, and is not written to the exchange yet.
    buffered: Vec<u8>,
    /// Whether the guest has its stream.
    has_stream: bool,
    end: BodyEnd,
}

/// How far a guest has come with a body.
#[derive(Debug)]
enum BodyEnd {
    /// It can write more.
    Open,
    /// It has finished the body before it has set the response.
    FinishedEarly(Option<CountedFields>),
    /// It has finished the body.
    Finished,
    /// It has finished the body with fewer bytes than the response's `content-length`.
    TooShort,
    /// It has dropped the body without finishing it.
    Dropped,
}

/// Why a guest cannot write.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The client takes nothing more, or the body is finished.
    Closed,
    /// More bytes than the response's `content-length`.
    TooLong,
    /// No write can go on before the guest sets its response.
    Unset,
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            WriteError::TooLong => {
                Self::LastOperationFailed(StreamFailure(ErrorCode::HttpResponseBodySize(None)).into())
            }
            WriteError::Unset => Self::Trap(never_set()),
        }
    }
}

/// The trap of a guest that waits for a write that its own next step would allow.
pub(super) fn never_set() -> wasmtime::Error {
    wasmtime::Error::msg(format!(
        "it waits to write more than {MAX_UNSET_BYTES} bytes of a body before `response-outparam.set`, which would wait for \
         ever: set the response first, then write its body; and send a request before the end of its body"
    ))
}

impl ResponseBody {
    pub(super) fn new(scope: Option<Arc<RequestScope>>) -> Arc<Self> {
        let state = BodyState { scope, is_set: false, buffered: Vec::new(), has_stream: false, end: BodyEnd::Open };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// How a handler that has returned ends the response.
    pub(super) fn outcome(&self) -> Result<Outcome, NoResponse> {
        let state = &mut *self.lock();
        match &state.end {
            // What the chain has not let through yet is the last piece.
            BodyEnd::Finished | BodyEnd::FinishedEarly(_) => {
                Ok(Outcome::Body(std::mem::take(&mut state.buffered).into()))
            }
            BodyEnd::TooShort => Err(NoResponse::Unfinished("it has finished its body before its `content-length`")),
            BodyEnd::Dropped => Err(NoResponse::Unfinished("it has dropped its body without `outgoing-body.finish`")),
            BodyEnd::Open => Err(NoResponse::Unfinished("it has returned without `outgoing-body.finish`")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BodyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes the next write takes; 0 if the guest has to wait.
    pub(super) fn room(&self) -> Result<usize, WriteError> {
        let mut state = self.lock();
        if !matches!(state.end, BodyEnd::Open) {
            return Err(WriteError::Closed);
        }
        let exchange = state.exchange().ok_or(WriteError::Closed)?;
        if !state.is_set {
            return Ok(state.unset_room());
        }
        if exchange.drops_body() {
            return Ok(MAX_UNSET_BYTES);
        }
        if !state.flush(&exchange)? {
            return Ok(0);
        }
        exchange.writable_bytes().map_err(|_| WriteError::Closed)
    }

    /// Writes as much of `chunk` from `offset` on as there is room for, and moves `offset`. True once all is written;
    /// otherwise [`Self::writable`] waits for more.
    pub(super) fn write(&self, chunk: &[u8], offset: &mut usize) -> Result<bool, WriteError> {
        let mut state = self.lock();
        if !matches!(state.end, BodyEnd::Open) {
            return Err(WriteError::Closed);
        }
        let exchange = state.exchange().ok_or(WriteError::Closed)?;
        if !state.is_set {
            *offset += state.buffer(&chunk[*offset..]);
            return Ok(*offset == chunk.len());
        }
        if chunk.is_empty() {
            return Ok(true);
        }
        if exchange.drops_body() {
            *offset = chunk.len();
            return Ok(true);
        }
        if !state.flush(&exchange)? {
            return Ok(false);
        }
        exchange.write(chunk, offset).map_err(|error| write_error(&error))
    }

    /// Waits until more can be written, or nothing more at all.
    ///
    /// # Errors
    /// [`WriteError::Unset`] if that depends on the guest.
    pub(super) async fn writable(&self) -> Result<(), WriteError> {
        if self.is_waiting_for_guest() {
            return Err(WriteError::Unset);
        }
        if let Some(exchange) = self.exchange() {
            exchange.writable().await;
        }
        Ok(())
    }

    /// The guest has taken or dropped the stream.
    pub(super) fn set_has_stream(&self, has_stream: bool) {
        self.lock().has_stream = has_stream;
    }

    /// Whether the guest has its stream.
    pub(super) fn has_stream(&self) -> bool {
        self.lock().has_stream
    }

    /// Whether no more can be written before the guest sets the response.
    fn is_waiting_for_guest(&self) -> bool {
        let state = self.lock();
        !state.is_set && state.unset_room() == 0
    }

    /// The exchange that it is written to. `None` before the response is set, and after the invocation.
    pub(super) fn exchange(&self) -> Option<Arc<Exchange>> {
        let state = self.lock();
        state.exchange().filter(|_| state.is_set)
    }

    /// The exchange of its request, before the response is set too. `None` after the invocation.
    pub(super) fn exchange_of_request(&self) -> Option<Arc<Exchange>> {
        self.lock().exchange()
    }

    /// The response is set: sends what was written of its body, and ends it if the guest has finished it.
    pub(super) fn send(&self, exchange: &Exchange) {
        let state = &mut *self.lock();
        state.is_set = true;
        if let BodyEnd::FinishedEarly(trailers) = &mut state.end {
            let trailers = trailers.take();
            // If the chain has to see the head first, that comes when the handler has returned.
            if matches!(state.finish(exchange, trailers.as_deref()), Ok(false)) {
                state.end = BodyEnd::FinishedEarly(trailers);
            }
            return;
        }
        // If there is no room for all of it, the rest is written before what comes next. That finds an error, too.
        let _ = state.flush(exchange);
    }

    /// Finishes the body. True once that is done; otherwise [`Self::writable`] waits for it.
    pub(super) fn finish(&self, trailers: &mut Option<CountedFields>) -> Result<bool, ErrorCode> {
        let mut state = self.lock();
        let Some(exchange) = state.exchange() else { return Err(ErrorCode::ConnectionTerminated) };
        if !state.is_set {
            state.end = BodyEnd::FinishedEarly(trailers.take());
            return Ok(true);
        }
        state.finish(&exchange, trailers.as_deref())
    }

    /// Sends a body that was finished before its response was set, if the chain had to see the head first.
    pub(super) async fn finish_early(&self) {
        loop {
            let is_done = {
                let state = &mut *self.lock();
                let BodyEnd::FinishedEarly(trailers) = &mut state.end else { return };
                let trailers = trailers.take();
                let Some(exchange) = state.exchange() else { return };
                let finished = state.finish(&exchange, trailers.as_deref());
                let is_done = !matches!(finished, Ok(false));
                if !is_done {
                    state.end = BodyEnd::FinishedEarly(trailers);
                }
                is_done
            };
            // It is set, so this does not wait for the guest.
            if is_done || self.writable().await.is_err() {
                return;
            }
        }
    }

    /// Whether it was made for this request.
    pub(super) fn is_of(&self, scope: &Arc<RequestScope>) -> bool {
        self.lock().scope.as_ref().is_some_and(|own| Arc::ptr_eq(own, scope))
    }

    /// The guest has dropped the body.
    pub(super) fn drop_unfinished(&self) {
        let mut state = self.lock();
        if matches!(state.end, BodyEnd::Open) {
            state.end = BodyEnd::Dropped;
        }
    }
}

impl BodyState {
    fn exchange(&self) -> Option<Arc<Exchange>> {
        self.scope.as_ref()?.exchange()
    }

    /// How much more can be written before the response is set.
    fn unset_room(&self) -> usize {
        let unset = self.scope.as_ref().map_or(MAX_UNSET_BYTES, |scope| scope.unset_bytes.load(Relaxed));
        MAX_UNSET_BYTES.saturating_sub(unset)
    }

    /// Keeps as much as there is room for before the response is set, and returns how much that is.
    fn buffer(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.unset_room());
        self.buffered.extend_from_slice(&bytes[..taken]);
        if let Some(scope) = &self.scope {
            scope.unset_bytes.fetch_add(taken, Relaxed);
        }
        taken
    }

    /// Bytes that were kept are kept no longer.
    fn release(&self, bytes: usize) {
        if let Some(scope) = &self.scope {
            scope.unset_bytes.fetch_sub(bytes, Relaxed);
        }
    }

    /// Writes what was written before the response was set. False while some is left.
    fn flush(&mut self, exchange: &Exchange) -> Result<bool, WriteError> {
        if self.buffered.is_empty() {
            return Ok(true);
        }
        let mut written = 0;
        let is_whole = exchange.write(&self.buffered, &mut written);
        self.buffered.drain(..written);
        self.release(written);
        is_whole.map_err(|error| write_error(&error))
    }

    fn finish(&mut self, exchange: &Exchange, trailers: Option<&Fields>) -> Result<bool, ErrorCode> {
        if exchange.drops_body() {
            self.end = BodyEnd::Finished;
            return Ok(true);
        }
        match self.flush(exchange) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.cannot_finish(&error)),
        }
        if exchange.response(|response| response.contradicts(0)) {
            // The head is not sent, so the client gets a whole response that says so.
            self.end = BodyEnd::TooShort;
            return Err(ErrorCode::HttpResponseBodySize(None));
        }
        let finished = match trailers {
            Some(trailers) => exchange.finish_with_trailers(trailers),
            None => exchange.write(b"", &mut 0),
        };
        match finished {
            Ok(true) if exchange.is_truncated() => {
                self.end = BodyEnd::TooShort;
                Err(ErrorCode::HttpResponseBodySize(None))
            }
            Ok(true) => {
                self.end = BodyEnd::Finished;
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(self.cannot_finish(&write_error(&error))),
        }
    }

    fn cannot_finish(&mut self, error: &WriteError) -> ErrorCode {
        match error {
            WriteError::Closed | WriteError::Unset => {
                // The client has gone, which is no failure of the guest.
                self.end = BodyEnd::Finished;
                ErrorCode::ConnectionTerminated
            }
            WriteError::TooLong => {
                self.end = BodyEnd::Dropped;
                ErrorCode::HttpResponseBodySize(None)
            }
        }
    }
}

impl Drop for BodyState {
    fn drop(&mut self) {
        self.release(self.buffered.len());
    }
}

fn write_error(error: &ResponseError) -> WriteError {
    match error {
        ResponseError::Invalid => WriteError::TooLong,
        ResponseError::Closed | ResponseError::HeadSent | ResponseError::Field(_) => WriteError::Closed,
    }
}
