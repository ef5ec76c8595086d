//! Invokes a route's target for a request: admits the request, makes its exchange, and runs it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::background::{Background, OwnedHandler};
use super::chain;
use super::client::Client;
use super::error_page::RETRY;
use super::exchange_loop::{Caller, ExchangeLoop};
use super::finished::Finished;
use super::host_response::HostResponse;
use super::http2::STREAM_WINDOW;
use super::next::Next;
use super::quarantine::{self, Probes};
use super::reply::reply;
use super::request_log::RequestLog;
use super::request_terms::RequestTerms;
use super::websocket::PendingUpgrade;
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::config::ErrorDetail;
use crate::exchange::{Exchange, Measured, Request, Timing};
use crate::guest::Invocation;
use crate::http1::body::RequestBody;
use crate::http1::framing::BodyFraming;
use crate::meter::Stage;
use crate::net::buffers;
use crate::options::Settings;
use crate::pump::Pump;
use crate::rate::{Pacer, Pacers};
use crate::response::{Encoder, Response, ResponseOptions};
use crate::routes::Route;
use crate::websocket::handshake::{self, AcceptKey, HandshakeError};
use crate::worker::{Admission, Worker};

/// A request that is admitted to its route.
struct Admitted<'p> {
    /// The key that accepts the handshake, if the route is for WebSockets.
    accept: Option<AcceptKey>,
    body: RequestBody,
    /// Whether middleware applies to the request's path.
    guarded: bool,
    admission: Admission<'p>,
    /// What is let through although it is in quarantine.
    probes: Probes,
}

/// Everything that an exchange needs, except its handler.
struct ExchangeParts {
    exchange: Arc<Exchange>,
    id: u64,
    body_reader: BodyReader,
    pump: Pump,
    upgrade: Option<Box<PendingUpgrade>>,
    /// How many requests the measured cost of this one stands for. 0 if it is not measured.
    stands_for: u64,
}

/// Admits a request to a route's target, or to the host's response. If the request is refused, returns the host's
/// response to it.
fn admit<'p>(
    terms: &RequestTerms,
    route: &'p Route,
    request: &Request,
    is_for_target: bool,
    worker: &'p Worker,
) -> Result<Admitted<'p>, HostResponse<'static>> {
    let (settings, head) = (&route.options.settings, &request.head);
    let opens = settings.websocket && is_for_target && !terms.is_from_timer;
    let accept = opens.then(|| handshake::check(head, terms.framing.body)).transpose().map_err(of_handshake)?;
    let body = terms.framing.body(settings.max_body);
    if body.failure().is_some() {
        return Err(HostResponse::new(413, format!("the body is larger than {} bytes", settings.max_body)));
    }
    // While the chain sees a head, the handler waits in its write. A request with middleware therefore needs two
    // permits.
    // Middleware is for what clients send.
    let guarded = !terms.is_from_timer && route.is_guarded_at(head.path());
    let mut probes = None;
    if is_for_target {
        let admitted = quarantine::admit_to_target(route, || request.peer.client(), &mut probes);
        admitted.map_err(|refused| refused.response(worker, head))?;
    }
    if guarded {
        let admitted = quarantine::admit_to_chain(route, head.path(), request.peer.client(), &mut probes);
        admitted.map_err(|refused| refused.response(worker, head))?;
    }
    // What can come of the body on a stream of HTTP/2 before the handler reads is held for it.
    let window = if matches!(terms.framing.body, BodyFraming::ByStream(_)) { STREAM_WINDOW as usize } else { 0 };
    match worker.admit(route, if guarded { 2 } else { 1 }, window) {
        Ok(admission) => Ok(Admitted { accept, body, guarded, admission, probes }),
        Err(reason) => Err(HostResponse::new(503, reason.to_string()).with(RETRY)),
    }
}

/// Runs a route's chain and its target. If there is a `host_response`, it is sent instead of the target's. If the
/// request is refused, the client gets a response that says so.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
pub(super) fn invoke<'c>(
    client: &'c mut Client,
    terms: RequestTerms,
    route: Arc<Route>,
    request: Box<Request>,
    host_response: Option<Box<HostResponse<'c>>>,
) -> impl Future<Output = Result<Next, CloseReason>> + Send + 'c {
    async move {
        let worker = client.worker.clone();
        let Admitted { accept, body, guarded, admission, probes: _probes } =
            match admit(&terms, &route, &request, host_response.is_none(), &worker) {
                Ok(admitted) => admitted,
                Err(refusal) => return Box::pin(reply(client, &terms, Some(&request.head), refusal)).await,
            };
        let _in_flight = worker.in_flight();
        let ExchangeParts { exchange, id, body_reader, pump, upgrade, stands_for } =
            set_up(client, &terms, &route, request, body, accept);
        let head = exchange.request().map(|request| &request.head);
        let request_log = RequestLog::follow(client, &worker, &exchange, &terms, head, Some(&route), (id, stands_for));
        let settings = &route.options.settings;
        let invocation = route.invocation(exchange.clone(), id);
        let io = client.io();
        let caller =
            Caller { route: &route, id, worker: &worker, upgrade, is_behind_chain: guarded || host_response.is_some() };
        let Finished { end, mut next } = match host_response {
            None if !guarded && !route.target.may_outlive_exchange() => {
                let handler = std::pin::pin!(Some(route.target.call(invocation)));
                let mut exchange_loop =
                    ExchangeLoop::new(io, exchange.clone(), handler, Some(caller), body_reader, pump);
                if settings.reuse == 1 && worker.should_batch_responses() {
                    exchange_loop.yield_first();
                }
                exchange_loop.run().await
            }
            None if route.target.may_outlive_exchange() => {
                let mut handler = Some(owned_handler(route.clone(), invocation, guarded));
                let finished = {
                    let handler = Pin::new(&mut handler);
                    let mut exchange_loop =
                        ExchangeLoop::new(io, exchange.clone(), handler, Some(caller), body_reader, pump);
                    if guarded {
                        let review = chain::on_response(route.clone(), exchange.clone(), id, worker.clone());
                        exchange_loop.hold_head(Box::pin(review));
                    } else if settings.reuse == 1 && worker.should_batch_responses() {
                        exchange_loop.yield_first();
                    }
                    exchange_loop.let_handler_go_on();
                    // Boxed, so that this rarer kind of route does not enlarge the future of every request.
                    Box::pin(exchange_loop.run()).await
                };
                if let Some(handler) = handler {
                    let (exchange, route, worker) = (exchange.clone(), route.clone(), worker.clone());
                    let admission = admission.detach(worker.clone(), route.clone());
                    Background { handler, exchange, route, id, worker, admission }.spawn();
                }
                finished
            }
            host_response => {
                let review = Box::pin(chain::on_response(route.clone(), exchange.clone(), id, worker.clone()));
                let mut handler = Box::pin(Some(chain::on_request(&route, invocation, host_response)));
                let mut exchange_loop =
                    ExchangeLoop::new(io, exchange.clone(), handler.as_mut(), Some(caller), body_reader, pump);
                exchange_loop.hold_head(review);
                Box::pin(exchange_loop.run()).await
            }
        };
        match &mut next {
            Ok(Next::Parked(parked)) => {
                let request_log = request_log.and_then(|request_log| request_log.park(&worker, &route));
                parked.watch(settings, &client.socket, request_log);
            }
            Ok(Next::Request | Next::WebSocket(_)) | Err(_) => {
                request_log.into_iter().for_each(|request_log| request_log.close(end));
            }
        }
        buffers::return_output(exchange.response(Response::take_buffer));
        next
    }
}

/// The chain and the target of a route as a future that borrows nothing.
fn owned_handler(route: Arc<Route>, invocation: Invocation, guarded: bool) -> OwnedHandler {
    if guarded {
        Box::pin(async move { chain::on_request(&route, invocation, None).await })
    } else {
        Box::pin(async move { route.target.call(invocation).await })
    }
}

/// Makes the exchange of a request. It is a function of its own, because the future of [`invoke`] would otherwise hold
/// all parts of the exchange.
fn set_up(
    client: &mut Client,
    terms: &RequestTerms,
    route: &Arc<Route>,
    request: Box<Request>,
    body: RequestBody,
    accept: Option<AcceptKey>,
) -> ExchangeParts {
    let settings = &route.options.settings;
    let Pacers { download, upload } =
        route.rates.pacers(&route.mount.name, client.requester().client_key(), &mut client.rate_budgets);
    let counted = |pacer: Option<Pacer>, direction: usize| {
        let waits = route.options.metrics.as_ref().map(|metrics| metrics.waits().of(direction));
        pacer.map(|pacer| pacer.counted(waits))
    };
    let (download, upload) = (counted(download, 0), counted(upload, 1));
    let worker = &client.worker;
    let (measured, stands_for) = terms.arrival.and_then(|arrival| measured(client, route, arrival, terms)).unzip();
    let mut exchange = exchange(terms, settings, request, measured);
    exchange.set_trace(terms.trace.clone());
    exchange.allow_push(worker.hub().clone(), route.topic_user.clone(), settings.push);
    // A stream of HTTP/2 gives its output away without a copy, so a direct write would save none.
    if download.is_none() && client.socket.http2().is_none() {
        exchange.send_through(client.socket.clone());
    }
    let exchange = Arc::new(exchange);
    let id = worker.next_id();
    // A handshake has no body, so the upload rate is for the messages that follow it.
    let (upload, of_messages) = if accept.is_some() { (None, upload) } else { (upload, None) };
    let upgrade = accept.map(|accept| Box::new(PendingUpgrade::new(accept, &exchange, route, worker, id, of_messages)));
    let piece = upload.as_ref().map_or(settings.buffer_size, |pacer| pacer.piece().min(settings.buffer_size));
    let body_reader = BodyReader::new(body, piece, upload, &worker.config().timeouts);
    ExchangeParts {
        exchange,
        id,
        body_reader,
        pump: Pump::new(download, &worker.config().timeouts),
        upgrade,
        stands_for: stands_for.unwrap_or(0),
    }
}

/// The meter of an exchange whose head was complete at `arrival`, and how many requests it stands for, if the exchange is
/// measured.
fn measured(client: &Client, route: &Route, arrival: Instant, terms: &RequestTerms) -> Option<(Measured, u64)> {
    let is_sampled = terms.trace.as_ref().is_some_and(|trace| trace.is_sampled());
    let (meter, stands_for) = client.worker.meter(route, arrival, is_sampled)?;
    meter.add(Stage::Queued, arrival.elapsed());
    let timing = match client.worker.error_detail() {
        ErrorDetail::Public | ErrorDetail::Logged => Timing::Untold,
        ErrorDetail::Development => Timing::Told,
    };
    let keeps_output = client.worker.error_detail() != ErrorDetail::Public;
    Some((Measured { meter, timing, keeps_output }, stands_for))
}

/// The response to an invalid handshake, for a route that only accepts WebSockets.
fn of_handshake(error: HandshakeError) -> HostResponse<'static> {
    let refusal = HostResponse::new(error.status(), error.to_string());
    match error {
        HandshakeError::Version => refusal.with(("Sec-WebSocket-Version", handshake::VERSION)),
        HandshakeError::NoUpgrade | HandshakeError::Key | HandshakeError::Body => refusal,
    }
}

/// The exchange of a request.
fn exchange(terms: &RequestTerms, settings: &Settings, request: Box<Request>, measured: Option<Measured>) -> Exchange {
    let has_body = terms.framing.body != BodyFraming::None;
    Exchange::new(request, response(terms, settings), has_body, Instant::now() + settings.timeout, measured)
}

/// A new response with the route's options.
fn response(terms: &RequestTerms, settings: &Settings) -> Response {
    let buffer_size = settings.buffer_size;
    let options = ResponseOptions {
        head_only: terms.framing.head_only,
        status: settings.status,
        coalesce: if settings.stream { 0 } else { (buffer_size / 2).max(1) },
        buffer_size,
    };
    let encoder = Encoder::for_request(&terms.framing, settings.chunked, buffer_size, buffers::take_output);
    Response::new(options, settings.content_type.as_bytes(), encoder)
}
