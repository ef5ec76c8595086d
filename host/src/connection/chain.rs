//! The middleware chain of a route: which middleware runs, and in which order.

use std::sync::Arc;

use bytes::Bytes;

use super::failure::{explain, log_failure, remember_failure, substitute};
use super::host_response::HostResponse;
use super::quarantine::Subject;
use crate::exchange::Exchange;
use crate::guest::{CallError, Invocation, Outcome, Step};
use crate::routes::{ChainLink, LoadedMiddleware, Route};
use crate::trace::OpenSpan;
use crate::worker::Worker;

/// Calls the chain's `on-request`, from the outermost middleware to the innermost. If none of them ends the request,
/// the route's target responds, or `host_response` if there is one.
pub(super) async fn on_request(
    route: &Route,
    invocation: Invocation,
    host_response: Option<Box<HostResponse<'_>>>,
) -> Result<Outcome, CallError> {
    let exchange = invocation.exchange.clone();
    for layer in layers(route, &exchange).filter(|layer| layer.component.sees_requests()) {
        exchange.enter(layer.name.clone(), layer.options.settings.timeout);
        let mut span = enter_span(&exchange, layer, "on-request");
        let step = layer.component.on_request(layer.invocation(exchange.clone(), invocation.handler, invocation.id));
        let step = step.await.inspect_err(|error| span.iter_mut().for_each(|span| span.fail(error)))?;
        drop(span);
        exchange.leave();
        if !layer.component.sees_responses() {
            Subject::middleware(layer).succeeded(&exchange);
        }
        match step {
            Step::End(outcome) => return Ok(outcome),
            Step::Next if exchange.response(|response| response.is_over()) => return Ok(nothing_more()),
            Step::Next => {}
        }
    }
    match host_response {
        None => {
            let outcome = route.target.call(invocation).await?;
            Subject::target(route).returned(&exchange, &outcome);
            Ok(outcome)
        }
        Some(response) => Ok(answer(&exchange, &response, invocation.id)),
    }
}

/// Calls the chain's `on-response`, from the innermost middleware to the outermost. If one fails, an error response
/// replaces the handler's, and its body is returned.
pub(super) async fn on_response(
    route: Arc<Route>,
    exchange: Arc<Exchange>,
    id: u64,
    worker: Arc<Worker>,
) -> Option<Bytes> {
    let mut failed = None;
    // The one that has failed for the request does not count as one that works.
    let failed_before = exchange.middleware();
    for layer in layers(&route, &exchange).rev().filter(|layer| layer.component.sees_responses()) {
        exchange.enter(layer.name.clone(), layer.options.settings.timeout);
        let invocation = layer.invocation(exchange.clone(), route.target.id(), id);
        let mut span = enter_span(&exchange, layer, "on-response");
        let ended = layer.component.on_response(invocation).await;
        if let (Some(span), Err(error)) = (&mut span, &ended) {
            span.fail(error);
        }
        drop(span);
        match &ended {
            Ok(()) if failed_before.as_ref() == Some(&layer.name) => {}
            Ok(()) => Subject::middleware(layer).succeeded(&exchange),
            Err(error) => Subject::middleware(layer).failed(&exchange, error),
        }
        if let Err(error) = ended {
            let name = &route.mount.name;
            log_failure(&worker, &route, id, &exchange, &error);
            let report = explain(worker.error_detail(), name, &exchange, &error);
            remember_failure(&worker, name, id, report.as_ref());
            failed = Some(substitute(Some(&worker), &exchange, id, error.status(), report.as_ref()));
        }
        exchange.leave();
        if exchange.response(|response| response.is_over()) {
            break;
        }
    }
    failed
}

/// Begins the span of a middleware, if the request's trace is sampled.
fn enter_span(exchange: &Exchange, middleware: &LoadedMiddleware, function: &str) -> Option<OpenSpan> {
    exchange.trace()?.enter(|| format!("middleware {} {function}", middleware.name))
}

/// The middleware of a route that applies to the path of the request, from the outermost to the innermost.
fn layers<'r>(route: &'r Route, exchange: &'r Exchange) -> impl DoubleEndedIterator<Item = &'r LoadedMiddleware> {
    let path = exchange.request().map(|request| request.head.path());
    let is_for = move |link: &&ChainLink| path.is_none_or(|path| link.is_for(path));
    route.chain.iter().filter(is_for).map(|link| &*link.middleware)
}

/// Sends the host's response, with the fields that the chain has set.
fn answer(exchange: &Exchange, refusal: &HostResponse<'_>, id: u64) -> Outcome {
    let trace = exchange.trace().map(|trace| trace.id());
    let written = refusal.write(exchange.request().map(|request| &request.head), id, trace);
    match exchange.response(|response| written.describe(response)) {
        Ok(()) => Outcome::Body(written.text.into()),
        // A middleware has already written, so its response stands.
        Err(_) => nothing_more(),
    }
}

/// The outcome for a response that is already written.
fn nothing_more() -> Outcome {
    Outcome::Body(Bytes::new())
}
