//! Requests of a guest to other servers, as the interfaces of all worlds share them: what is denied, what is told, and
//! what ends with its invocation.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Invocation;
use super::state::GuestState;
use crate::exchange::Exchange;
use crate::grants::{Denied, Grants, Remedy};
use crate::http::fields::Fields;
use crate::metrics::{GrantCounters, OutboundOutcome};
use crate::options::Options;
use crate::outbound::{
    HttpGrant, InvocationCalls, Origin, PendingResponse, UpstreamFailure, UpstreamRequest, UpstreamResponse,
};
use crate::text::excerpt;
use crate::trace::{OpenSpan, RequestTrace, SpanKind};

/// How many requests and responses to and of other servers an instance may have at once.
const MAX_CALLS: usize = 64;

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The most bytes of a path in a span.
const MAX_PATH_BYTES: usize = 1024;

/// The requests of an instance.
#[derive(Debug, Default)]
pub(super) struct UpstreamCalls {
    /// What the requests of the invocation share, from the first on.
    of_invocation: Option<InvocationCalls>,
    open: Vec<Weak<UpstreamCall>>,
    /// Counts the requests that are not sent yet.
    pub(super) unsent: Arc<()>,
}

impl UpstreamCalls {
    /// Ends the invocation: its requests are given up, and the resources that the guest keeps are closed.
    pub(super) fn end_invocation(&mut self) {
        self.of_invocation = None;
        for call in self.open.drain(..) {
            if let Some(call) = call.upgrade() {
                call.close();
            }
        }
    }

    /// Sends a request to another server, if that is granted.
    ///
    /// # Errors
    /// It is denied, or there are too many.
    pub(super) fn call(
        &mut self,
        context: &CallContext,
        mut request: UpstreamRequest,
    ) -> Result<Arc<UpstreamCall>, UpstreamFailure> {
        let origin = request.target.origin.clone();
        let grant = context.grants.as_ref().and_then(|grants| grants.http.as_ref());
        let Some(grant) = grant.filter(|grant| grant.allows(&origin)) else {
            context.warn_denied(&origin);
            return Err(UpstreamFailure::Denied);
        };
        let registry = context.options.metrics.as_ref().map(|metrics| metrics.grants());
        let counters = registry.and_then(|registry| grant.counters(&origin, registry));
        let log = CallLog { context: context.clone(), origin, counters };
        let span = context.trace.as_ref().and_then(|trace| trace_call(trace, &mut request));
        let pending = self.start(grant, request).inspect_err(|failure| {
            log.note(failure);
            log.count(failure.outcome());
        })?;
        let state = Mutex::new(CallState::Pending(pending, span.map(Box::new)));
        let call = Arc::new(UpstreamCall { state, log });
        self.open.push(Arc::downgrade(&call));
        Ok(call)
    }

    fn start(&mut self, grant: &Arc<HttpGrant>, request: UpstreamRequest) -> Result<PendingResponse, UpstreamFailure> {
        self.open.retain(|call| call.strong_count() > 0);
        if self.open.len() >= MAX_CALLS {
            return Err(UpstreamFailure::TooManyCalls(MAX_CALLS));
        }
        let calls = self.of_invocation.get_or_insert_with(|| InvocationCalls::new(grant.limits()));
        Ok(grant.start(calls, request))
    }
}

/// One request to another server, and its response.
pub(super) struct UpstreamCall {
    state: Mutex<CallState>,
    log: CallLog,
}

#[derive(Debug)]
enum CallState {
    /// With its span, if the request that makes it is traced.
    Pending(PendingResponse, Option<Box<OpenSpan>>),
    Responded(Box<UpstreamResponse>),
    Failed(UpstreamFailure),
}

/// Who is told of a failure, and what counts the call.
#[derive(Debug)]
struct CallLog {
    context: CallContext,
    origin: Origin,
    counters: Option<Arc<GrantCounters>>,
}

/// The grants of an invocation, and what log lines about its requests name.
#[derive(Debug, Clone)]
pub(super) struct CallContext {
    grants: Option<Arc<Grants>>,
    options: Arc<Options>,
    route: Arc<str>,
    request: u64,
    trace: Option<Arc<RequestTrace>>,
}

impl CallContext {
    pub(super) fn of(invocation: &Invocation) -> Self {
        Self {
            grants: invocation.grants.clone(),
            options: invocation.options.clone(),
            route: invocation.route.clone(),
            request: invocation.id,
            trace: invocation.exchange.trace().cloned(),
        }
    }

    /// Whether any request is granted.
    pub(super) fn grants_requests(&self) -> bool {
        self.grants.as_ref().is_some_and(|grants| grants.http.is_some())
    }

    /// Says how the operator would allow a request.
    fn warn_denied(&self, origin: &Origin) {
        let entry = format!("\"{origin}\"");
        let remedy = match self.grants_requests() {
            true => Remedy::Entry { entry, key: "http" },
            false => Remedy::Line(format!("http = [{entry}]")),
        };
        let what = format!("a request to {origin}");
        self.options.denials.warn(Denied::Http, &self.route, Some(self.request), what, &remedy);
    }
}

impl fmt::Debug for UpstreamCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamCall").field("origin", &self.log.origin).finish_non_exhaustive()
    }
}

impl CallLog {
    fn count(&self, outcome: OutboundOutcome) {
        self.counters.iter().for_each(|counters| counters.count_request(outcome));
    }

    fn note(&self, failure: &UpstreamFailure) {
        if *failure != UpstreamFailure::Ended {
            let CallContext { options, route, request, .. } = &self.context;
            options.denials.warn_of_failure(route, *request, &self.origin, failure);
        }
    }
}

impl GuestState {
    /// Sends a request to another server, if that is granted.
    ///
    /// # Errors
    /// It is denied, or there are too many.
    pub(super) fn start_upstream(&mut self, request: UpstreamRequest) -> Result<Arc<UpstreamCall>, UpstreamFailure> {
        let context = CallContext::of(self.invocation().ok_or(UpstreamFailure::Denied)?);
        self.upstream_calls().call(&context, request)
    }
}

impl Drop for UpstreamCall {
    fn drop(&mut self) {
        // If it is pending still, it is given up.
        self.close();
    }
}

impl UpstreamCall {
    fn lock(&self) -> MutexGuard<'_, CallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it up.
    fn close(&self) {
        let ended = std::mem::replace(&mut *self.lock(), CallState::Failed(UpstreamFailure::Ended));
        if let CallState::Pending(..) = ended {
            self.log.count(OutboundOutcome::GivenUp);
        }
    }

    /// Waits for its head, or its failure.
    pub(super) fn poll_response(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        let CallState::Pending(pending, span) = state else { return Poll::Ready(()) };
        let Poll::Ready(response) = Pin::new(pending).poll(cx) else { return Poll::Pending };
        if let Some(mut span) = span.take() {
            match &response {
                Ok(response) => note_status(&mut span, response.status()),
                Err(failure) => span.fail(failure),
            }
        }
        *state = match response {
            Ok(response) => {
                self.log.count(OutboundOutcome::of_status(response.status()));
                CallState::Responded(Box::new(response))
            }
            Err(failure) => {
                self.log.note(&failure);
                self.log.count(failure.outcome());
                CallState::Failed(failure)
            }
        };
        Poll::Ready(())
    }

    /// Its response, or its failure. `None` if it has not come yet.
    pub(super) fn response<R>(
        &self,
        read: impl FnOnce(&mut UpstreamResponse) -> R,
    ) -> Option<Result<R, UpstreamFailure>> {
        match &mut *self.lock() {
            CallState::Pending(..) => None,
            CallState::Responded(response) => Some(Ok(read(response))),
            CallState::Failed(failure) => Some(Err(failure.clone())),
        }
    }

    /// Waits for its head.
    pub(super) async fn responded(&self, exchange: &Exchange) {
        exchange.wait_for_upstream(poll_fn(|cx| self.poll_response(cx))).await;
    }

    /// Waits for a piece of its body.
    pub(super) async fn readable(&self, exchange: &Exchange) {
        exchange.wait_for_upstream(poll_fn(|cx| self.poll_received(cx))).await;
    }

    /// Takes what has come of its body.
    pub(super) fn poll_received(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.lock() {
            CallState::Responded(response) => response.poll_received(cx),
            CallState::Pending(..) | CallState::Failed(_) => Poll::Ready(()),
        }
    }

    /// Reads a piece of its body, if it is there.
    pub(super) fn try_read(&self, max: usize) -> Option<Result<Option<Bytes>, UpstreamFailure>> {
        let read = match &mut *self.lock() {
            CallState::Pending(..) => return None,
            CallState::Responded(response) => response.try_read(max),
            CallState::Failed(failure) => Some(Err(failure.clone())),
        };
        if let Some(Err(failure)) = &read {
            self.log.note(failure);
        }
        read
    }
}

/// Begins the span of a request, and lets the request carry it. What the guest has set is replaced: it is that of the
/// request that the guest serves, of which this one is a part.
fn trace_call(trace: &Arc<RequestTrace>, request: &mut UpstreamRequest) -> Option<OpenSpan> {
    let mut span = trace.begin(SpanKind::Client, || request.method.to_string());
    if let Some(span) = &mut span {
        let origin = &request.target.origin;
        span.note("http.request.method", request.method.as_str());
        span.note("server.address", origin.host.to_string());
        span.note("server.port", u64::from(origin.port));
        // The query may have secrets.
        let path = request.target.path_and_query.split('?').next().unwrap_or_default();
        span.note("url.full", format!("{origin}{}", excerpt(path, MAX_PATH_BYTES)));
    }
    let parent = trace.parent_of_call(span.as_ref()).to_string();
    let state = trace.state().and_then(|state| HeaderValue::from_str(state).ok());
    request.fields.remove(TRACE_STATE);
    if let Ok(parent) = HeaderValue::from_str(&parent) {
        request.fields.insert(TRACE_PARENT, parent);
    }
    if let Some(state) = state {
        request.fields.insert(TRACE_STATE, state);
    }
    span
}

fn note_status(span: &mut OpenSpan, status: u16) {
    span.note("http.response.status_code", u64::from(status));
    if status >= 400 {
        span.fail(&status);
    }
}

/// Fields as they are sent.
pub(super) fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields.all() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}
