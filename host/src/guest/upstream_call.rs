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

/// How many requests and responses to and of other servers an instance may have at once.
const MAX_CALLS: usize = 64;

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
        request: UpstreamRequest,
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
        let pending = self.start(grant, request).inspect_err(|failure| {
            log.note(failure);
            log.count(failure.outcome());
        })?;
        let call = Arc::new(UpstreamCall { state: Mutex::new(CallState::Pending(pending)), log });
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
    Pending(PendingResponse),
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
}

impl CallContext {
    pub(super) fn of(invocation: &Invocation) -> Self {
        Self {
            grants: invocation.grants.clone(),
            options: invocation.options.clone(),
            route: invocation.route.clone(),
            request: invocation.id,
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
        if let CallState::Pending(_) = ended {
            self.log.count(OutboundOutcome::GivenUp);
        }
    }

    /// Waits for its head, or its failure.
    pub(super) fn poll_response(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        let CallState::Pending(pending) = state else { return Poll::Ready(()) };
        let Poll::Ready(response) = Pin::new(pending).poll(cx) else { return Poll::Pending };
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
            CallState::Pending(_) => None,
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
            CallState::Pending(_) | CallState::Failed(_) => Poll::Ready(()),
        }
    }

    /// Reads a piece of its body, if it is there.
    pub(super) fn try_read(&self, max: usize) -> Option<Result<Option<Bytes>, UpstreamFailure>> {
        let read = match &mut *self.lock() {
            CallState::Pending(_) => return None,
            CallState::Responded(response) => response.try_read(max),
            CallState::Failed(failure) => Some(Err(failure.clone())),
        };
        if let Some(Err(failure)) = &read {
            self.log.note(failure);
        }
        read
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
