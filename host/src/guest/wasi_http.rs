//! Handlers of the world `wasi:http` 0.2: their resources, straight over the exchange.
//!
//! Owns what `wasi:http/types` and `wasi:http/outgoing-handler` mean here, and how the end of such a handler ends the
//! response. There is no queue between a guest's stream and the exchange: a piece is read from the guest's memory when
//! there is room for it, and a piece of the request's body is taken from the exchange when the guest asks for it.
//!
//! Each resource belongs to the request of its invocation ([`RequestScope`]). If a guest keeps one across requests
//! (`reuse`), it is closed.

mod bindings;
mod counted_fields;
mod error_code;
mod fields;
mod incoming_response;
mod outgoing;
mod request;
mod response;
mod response_body;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use thiserror::Error;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, Resource, TypedFunc};

use super::Outcome;
use super::request_fields::VisibleFields;
use super::state::GuestState;
use crate::exchange::Exchange;
use crate::response::ResponseError;

use bindings::wasi::http::outgoing_handler;
pub(super) use bindings::wasi::http::types;
use counted_fields::FieldBytes;
pub(super) use request::IncomingRequest;
pub(super) use response::ResponseOutparam;
use response::SetResponse;
use response_body::ResponseBody;

/// The function `handle` of `wasi:http/incoming-handler`.
pub(super) type IncomingHandler = TypedFunc<(Resource<IncomingRequest>, Resource<ResponseOutparam>), ()>;

/// Why a handler that has returned made no whole response. The messages are for the log.
#[derive(Debug, Error)]
pub enum NoResponse {
    /// It never set one.
    #[error("returned without a response: it has to call `response-outparam.set`")]
    NeverSet,
    /// It set an error.
    #[error("set its response to the error {code}")]
    ErrorCode {
        /// The status that answers it.
        status: u16,
        /// The code, as text.
        code: String,
    },
    /// The head of the response cannot be sent.
    #[error("set a response that cannot be sent: {0}")]
    Refused(ResponseError),
    /// The body has no end.
    #[error("left its response unfinished: {0}")]
    Unfinished(&'static str),
    /// Its world has no word for the request.
    #[error("was not called: {0}")]
    NotCalled(&'static str),
}

impl NoResponse {
    /// For a handler that gives an error in place of a response.
    pub(super) fn of_code(code: &types::ErrorCode) -> Self {
        Self::ErrorCode { status: error_code::status(code), code: error_code::text(code) }
    }

    /// Whether the component does not do what a handler has to. `None` if it was not called.
    pub(crate) fn is_broken(&self) -> Option<bool> {
        match self {
            Self::NeverSet | Self::Refused(_) | Self::Unfinished(_) => Some(true),
            Self::ErrorCode { .. } => Some(false),
            Self::NotCalled(_) => None,
        }
    }

    /// The status that answers it, if the head is not sent (RFC 9110 section 15).
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::ErrorCode { status, .. } => *status,
            Self::NotCalled(_) => 400,
            Self::NeverSet | Self::Refused(_) | Self::Unfinished(_) => 500,
        }
    }
}

/// The request that resources belong to, as long as its invocation runs.
#[derive(Debug)]
pub struct RequestScope {
    open: Mutex<Option<OpenRequest>>,
    /// The bytes of all bodies that the guest has written and not set as a response.
    unset_bytes: AtomicUsize,
}

#[derive(Debug, Clone)]
struct OpenRequest {
    exchange: Arc<Exchange>,
    fields: VisibleFields,
}

impl RequestScope {
    fn new(exchange: Arc<Exchange>, fields: VisibleFields) -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(Some(OpenRequest { exchange, fields })), unset_bytes: AtomicUsize::new(0) })
    }

    /// The exchange. `None` once the invocation has ended.
    pub(super) fn exchange(&self) -> Option<Arc<Exchange>> {
        self.lock().as_ref().map(|open| open.exchange.clone())
    }

    /// The exchange, and which fields of its request the guest sees. `None` once the invocation has ended.
    pub(super) fn request_fields(&self) -> Option<(Arc<Exchange>, VisibleFields)> {
        self.lock().as_ref().map(|open| (open.exchange.clone(), open.fields.clone()))
    }

    fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<OpenRequest>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an instance has of wasi:http besides its resources.
#[derive(Debug, Default)]
pub(super) struct HttpState {
    scope: Option<Arc<RequestScope>>,
    /// What the guest has given to `response-outparam.set`.
    response: Option<SetResponse>,
    /// The bytes of the fields that the guest has.
    field_bytes: FieldBytes,
    /// The streams of response bodies, by their indices in the table of resources.
    streams: SmallVec<[(u32, Arc<ResponseBody>); 1]>,
}

impl HttpState {
    /// Ends the invocation: the resources that the guest keeps are closed.
    pub(super) fn end_invocation(&mut self) {
        if let Some(scope) = self.scope.take() {
            scope.close();
        }
        self.response = None;
        self.streams.clear();
    }

    /// The guest has taken the stream of a response's body.
    fn add_stream(&mut self, index: u32, body: Arc<ResponseBody>) {
        self.streams.retain(|(_, body)| body.has_stream());
        self.streams.push((index, body));
    }

    /// The body of a response that a stream writes, if it is one of this invocation.
    fn response_body(&self, index: u32) -> Option<Arc<ResponseBody>> {
        // The index of a stream that was dropped may be that of another resource.
        let body = self.streams.iter().find(|(known, body)| *known == index && body.has_stream());
        body.map(|(_, body)| body.clone())
    }
}

/// Links `wasi:http` 0.2, and what is different here in `wasi:io`.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut unstable = types::LinkOptions::default();
    unstable.informational_outbound_responses(true);
    types::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, &unstable, |state| state)?;
    outgoing_handler::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    streams::add_to_linker(linker)
}

/// Calls `handle` for the request of the store's invocation.
///
/// # Errors
/// [`NoResponse`] if the guest has returned without a whole response. A trap is an error of wasmtime.
pub(super) async fn call(
    store: &mut Store<GuestState>,
    handle: &IncomingHandler,
) -> wasmtime::Result<Result<Outcome, NoResponse>> {
    let (request, out) = begin(store.data_mut())?;
    handle.call_async(&mut *store, (request, out)).await?;
    let set = store.data_mut().http_mut().response.take();
    if let Some(SetResponse::Response(Some(body))) = &set {
        body.finish_early().await;
    }
    Ok(response::outcome(set))
}

/// The resources that `handle` is called with.
fn begin(state: &mut GuestState) -> wasmtime::Result<(Resource<IncomingRequest>, Resource<ResponseOutparam>)> {
    let (_, scope) = begin_scope(state)?;
    let table = state.table_mut();
    let request = table.push(IncomingRequest::new(scope.clone()))?;
    let out = table.push(ResponseOutparam::new(scope))?;
    Ok((request, out))
}

/// The exchange of the store's invocation, and the scope of what the guest gets of it.
pub(super) fn begin_scope(state: &mut GuestState) -> wasmtime::Result<(Arc<Exchange>, Arc<RequestScope>)> {
    let exchange = state.exchange().ok_or_else(|| wasmtime::Error::msg("there is no request"))?.clone();
    let scope = RequestScope::new(exchange.clone(), state.visible_fields());
    let http = state.http_mut();
    http.scope = Some(scope.clone());
    http.response = None;
    Ok((exchange, scope))
}
