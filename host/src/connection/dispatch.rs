//! Dispatches a request whose head is known: to a route's handler, or to a response of the host's own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::client::Client;
use super::dev_pages;
use super::error_page::RETRY;
use super::host_response::{HostResponse, MAX_HOST_CHARS, NoRoute, find};
use super::invoke::invoke;
use super::next::Next;
use super::reply::reply;
use super::request_terms::RequestTerms;
use super::wait_for_route::wait_for_routes;
use crate::close_reason::CloseReason;
use crate::exchange::{Request, RequestPeer};
use crate::http::head::RequestHead;
use crate::http::loopback;
use crate::http::version::Version;
use crate::http1::server::{RefusedRequest, RequestFraming};
use crate::net::{ClientKey, Peer};
use crate::routes::{Lookup, Params};
use crate::trace::{RequestTrace, Tracer};

/// The future that serves one request.
pub(super) type RequestFuture<'c> = Pin<Box<dyn Future<Output = Result<Next, CloseReason>> + Send + 'c>>;

/// Serves one request. The future is boxed, so that a connection that waits for a request is small.
pub(super) fn serve(client: &mut Client, head: RequestHead) -> RequestFuture<'_> {
    let (framing, refusal) = match client.http.framing(&head) {
        Ok(framing) => (framing, None),
        Err(RefusedRequest { framing, error }) => (framing, Some(HostResponse::of_wrong(error.status(), &error))),
    };
    serve_framed(client, head, framing, refusal)
}

/// Serves one request whose framing is known. If there is a `refusal`, that is the response.
#[inline]
pub(super) fn serve_framed<'c>(
    client: &'c mut Client,
    head: RequestHead,
    framing: RequestFraming,
    refusal: Option<HostResponse<'static>>,
) -> RequestFuture<'c> {
    let (trace, arrival) = if client.worker.follows_requests() { begin(client, &head) } else { (None, None) };
    let identified = identify(client, &head);
    let is_development = client.worker.dev().is_some();
    let refusal = refusal.or(identified).or_else(|| is_development.then(|| check_name(client, &head)).flatten());
    let terms = RequestTerms { framing, arrival, is_from_timer: false, trace };
    if let Some(refusal) = refusal {
        return Box::pin(async move { reply(client, &terms, Some(&head), refusal).await });
    }
    if is_development | client.worker.has_challenges() {
        if let Some(response) = challenge(client, &head) {
            return Box::pin(async move { reply(client, &terms, Some(&head), response).await });
        }
        if is_development && dev_pages::is_reserved(head.path()) {
            return Box::pin(dev_pages::serve(client, terms, head));
        }
    }
    let table = client.worker.routes();
    if table.is_complete()
        && let Lookup::Found { route, params } = table.lookup(&head)
    {
        let request = request(client, head, params);
        return Box::pin(invoke(client, terms, route.clone(), request, None));
    }
    drop(table);
    Box::pin(serve_otherwise(client, terms, head))
}

/// The trace of a request, if requests are traced, and when it arrives, if anybody wants to know that.
fn begin(client: &Client, head: &RequestHead) -> (Option<Arc<RequestTrace>>, Option<Instant>) {
    let trace = client.worker.tracer().map(|tracer| begin_trace(tracer, client, head));
    let arrival = client.worker.arrival().or_else(|| arrival_of(trace.as_deref()));
    (trace, arrival)
}

/// Begins the trace of a request, or goes on with that of a trusted proxy.
fn begin_trace(tracer: &Arc<Tracer>, client: &Client, head: &RequestHead) -> Arc<RequestTrace> {
    let is_trusted = client.worker.config().trusted_proxies.contains(&client.peer);
    tracer.begin(is_trusted, head.values("traceparent"), head.values("tracestate"))
}

/// When a request arrives, if its trace is sampled.
fn arrival_of(trace: Option<&RequestTrace>) -> Option<Instant> {
    trace.is_some_and(RequestTrace::is_sampled).then(Instant::now)
}

/// Serves a request that has to wait for its route, or that has no route.
async fn serve_otherwise(client: &mut Client, terms: RequestTerms, head: RequestHead) -> Result<Next, CloseReason> {
    let mut table = client.worker.routes();
    if !table.is_complete() {
        table = wait_for_routes(client, &head).await?;
    }
    match find(&table, &head, &client.worker) {
        Ok((route, params)) => {
            // The request keeps its own route alive, but not the other routes of the table.
            drop(table);
            let request = request(client, head, params);
            invoke(client, terms, route, request, None).await
        }
        // If there are routes for the path but none for the method, the chain of the first route sees the request.
        Err(NoRoute { refusal, first: Some(first) }) if first.is_guarded_at(head.path()) => {
            let request = request(client, head, Params::new());
            invoke(client, terms, first.clone(), request, Some(Box::new(refusal))).await
        }
        Err(NoRoute { refusal, first: _ }) => reply(client, &terms, Some(&head), refusal).await,
    }
}

/// A request of a client that a route answers.
fn request(client: &Client, head: RequestHead, params: Params) -> Box<Request> {
    let local_address = match head.version() {
        // It has a Host, which says whom it is for.
        Version::Http11 | Version::Http2 => None,
        Version::Http10 => client.socket.local_authority().map(String::into_boxed_str),
    };
    Box::new(Request { head, params, local_address, scheme: client.scheme(), peer: client.requester() })
}

/// Finds out whose request this is, and refuses it if that client has too many in flight.
#[inline]
fn identify(client: &mut Client, head: &RequestHead) -> Option<HostResponse<'static>> {
    let refused = !client.identify(head);
    refused.then(|| HostResponse::new(503, "there are too many requests from this address").with(RETRY))
}

/// The response to a certificate authority that looks whether a name leads here.
#[cold]
fn challenge(client: &Client, head: &RequestHead) -> Option<HostResponse<'static>> {
    let is_read = matches!(head.method(), "GET" | "HEAD");
    is_read.then(|| client.worker.challenge(head.path())).flatten().map(HostResponse::challenge)
}

/// For development mode: refuses a request whose host is neither this machine nor a `--dev-host`. Responses then show
/// details that a page of another site must not read. An attacker can let a name of his own resolve to this machine,
/// and a browser then takes both for one site.
fn check_name(client: &Client, head: &RequestHead) -> Option<HostResponse<'static>> {
    let authority = head.authority()?;
    let host = loopback::host(authority);
    let mut served = client.worker.config().dev_hosts.iter();
    let mut is_served = || served.any(|served| served.eq_ignore_ascii_case(host));
    // The operator has chosen the name of a site, so no attacker can let it lead here.
    if loopback::is_loopback(host) || is_served() || client.worker.routes().has_site(authority) {
        return None;
    }
    let host: String = host.chars().take(MAX_HOST_CHARS).collect();
    let text = format!("--dev serves names of loopback alone, and not {host}; for that, say --dev-host {host}");
    Some(HostResponse::new(421, text))
}

impl RequestPeer for Peer {
    fn address(&self) -> String {
        Self::address(self).to_canonical().to_string()
    }

    fn client(&self) -> u64 {
        self.client_key().map_or(u64::MAX, ClientKey::number)
    }
}
