//! One run of a route by its timer: an invocation like any other, without a client.

use std::sync::Arc;
use std::time::Instant;

use super::client::Client;
use super::invoke::invoke;
use super::request_terms::RequestTerms;
use crate::exchange::{Request, RequestScheme};
use crate::http::head::{RequestHead, RequestParts};
use crate::http::version::Version;
use crate::http1::server::RequestFraming;
use crate::net::{Peer, Stream};
use crate::routes::{Params, Route, TIMER_METHOD};
use crate::worker::Worker;

/// Runs the route once, in a fresh instance, under its limits and permits. Its response is dropped, and what it publishes
/// is published. It does nothing if the route has no timer.
pub(crate) async fn run_by_timer(worker: Arc<Worker>, route: Arc<Route>) {
    let host = route.mount.key.site().exact_name().unwrap_or("localhost");
    let Some(head) = route.timer.as_ref().and_then(|timer| head(&timer.target, host)) else { return };
    let arrival = worker.arrival();
    let none = || std::iter::empty::<&[u8]>();
    let trace = worker.tracer().map(|tracer| tracer.begin(false, none(), none()));
    let arrival = arrival.or_else(|| trace.as_ref().filter(|trace| trace.is_sampled()).map(|_| Instant::now()));
    let terms = RequestTerms { framing: RequestFraming::CLOSING, arrival, is_from_timer: true, trace };
    let mut client = Client::new(Stream::Nowhere, Peer::Timer, worker);
    let request = Box::new(Request {
        head,
        params: Params::new(),
        local_address: None,
        scheme: RequestScheme::Http,
        peer: client.peer,
    });
    // What would follow on a connection, such as a parked response, ends here.
    drop(invoke(&mut client, terms, route, request, None).await);
}

/// The head of the request for a target at a host.
fn head(target: &str, host: &str) -> Option<RequestHead> {
    let parts = RequestParts {
        version: Version::Http11,
        method: TIMER_METHOD.as_bytes(),
        target: target.as_bytes(),
        authority: Some(host.as_bytes()),
        fields: &[],
    };
    RequestHead::from_parts(&parts).ok()
}
