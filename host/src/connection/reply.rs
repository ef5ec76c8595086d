//! What becomes of a request whose head is known: a route's handler, or an answer of the host's own.

use std::sync::Arc;
use std::time::Instant;

use super::chain::{self, Answerer};
use super::drive::{Drive, RETRY, Served, Wire, answer, line};
use super::websocket::Opening;
use super::{Connection, scratch};
use crate::close_reason::CloseReason;
use crate::exchange::{Exchange, Request};
use crate::guest::{self, CallError, Engine, Invocation, Outcome};
use crate::http::decode::{BodyDecoder, check_begun};
use crate::http::framing::{BodyFraming, Expectation, expectation, keep_alive, request_framing};
use crate::http::head::{HeadError, RequestHead, Version};
use crate::http::response::{Response, ResponseOptions};
use crate::intake::Intake;
use crate::options::{RateScope, Settings};
use crate::pump::{Pacer, Pump};
use crate::rate;
use crate::routes::{self, Lookup, Params, Route};
use crate::websocket::handshake::{self, HandshakeError};

/// The size of a piece where no route says otherwise.
const PIECE: usize = 16 * 1024;

/// What a request's head says of the connection and the body.
struct Terms {
    version: Version,
    head_only: bool,
    keep_alive: bool,
    framing: BodyFraming,
    awaits_continue: bool,
}

/// An answer of the host's own.
#[derive(Debug)]
pub(super) struct Refusal<'r> {
    pub(super) status: u16,
    pub(super) fields: &'r [(&'r str, &'r str)],
    text: String,
    /// Why the connection ends with it, where nothing after it can be trusted to be a request.
    last: Option<CloseReason>,
}

impl<'r> Refusal<'r> {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, fields: &[], text: text.into(), last: None }
    }

    /// Its text as a body.
    pub(super) fn line(&self) -> String {
        line(&self.text)
    }

    fn with(self, fields: &'r [(&'r str, &'r str)]) -> Self {
        Self { fields, ..self }
    }

    fn last(self, reason: CloseReason) -> Self {
        Self { last: Some(reason), ..self }
    }

    /// Of a request whose end cannot be known.
    fn of_wrong(status: u16, error: &impl std::fmt::Display) -> Self {
        Self::new(status, error.to_string()).last(CloseReason::Refused)
    }
}

impl Connection {
    /// Serves one request.
    pub(super) async fn serve_request(&mut self, head: RequestHead) -> Result<Served, CloseReason> {
        let mut terms = Terms {
            version: head.version(),
            head_only: head.is_head(),
            keep_alive: keep_alive(&head) && !self.worker.stopping().is_set(),
            framing: BodyFraming::None,
            awaits_continue: false,
        };
        match request_framing(&head) {
            Ok(framing) => terms.framing = framing,
            Err(error) => return self.reply(&terms, Refusal::of_wrong(error.status(), &error)).await,
        }
        match expectation(&head, terms.framing) {
            Ok(Expectation::Continue) => terms.awaits_continue = true,
            Ok(Expectation::None) => {}
            Err(error) => return self.reply(&terms, Refusal::of_wrong(error.status(), &error)).await,
        }
        if let Err(error) = check_begun(terms.framing, &self.input) {
            terms.framing = BodyFraming::None;
            return self.reply(&terms, Refusal::of_wrong(error.status(), &error)).await;
        }
        let mut table = self.worker.routes();
        if !table.is_complete() {
            table = self.wait_for_routes(&head).await?;
            terms.keep_alive &= !self.worker.stopping().is_set();
        }
        if head.path() == "*" {
            return self.reply(&terms, Refusal::new(204, "").with(&[("Allow", table.allow_all())])).await;
        }
        match table.lookup(head.method(), head.path()) {
            Lookup::Found { route, params } => {
                // The request keeps its route, and not the others with it.
                let route = Arc::clone(route);
                drop(table);
                self.call(&terms, &route, head, params, Answerer::Handler).await
            }
            Lookup::Options { allow, first } => {
                self.answer_at(&terms, first, head, Refusal::new(204, "").with(&[("Allow", allow)])).await
            }
            Lookup::MethodNotAllowed { allow, first } => {
                let text = format!("{} does not take {}; it takes {allow}", head.path(), head.method());
                self.answer_at(&terms, first, head, Refusal::new(405, text).with(&[("Allow", allow)])).await
            }
            Lookup::NotImplemented => {
                self.reply(&terms, Refusal::new(501, format!("no route takes the method {}", head.method()))).await
            }
            Lookup::NotFound => {
                self.reply(&terms, Refusal::new(404, format!("there is no route at {}", head.path()))).await
            }
            Lookup::BadPath => self.reply(&terms, Refusal::new(400, "the path does not decode to text")).await,
            Lookup::Awaited => {
                self.reply(&terms, Refusal::new(503, "the route is still being loaded").with(&RETRY)).await
            }
        }
    }

    /// Answers a head that cannot be read. What follows it cannot be read either.
    pub(super) async fn refuse_head(&mut self, error: &HeadError) -> Result<Served, CloseReason> {
        tracing::debug!(peer = %self.peer, status = error.status(), "request refused: {error}");
        let terms = Terms { head_only: self.parser.refused_head_request(), ..LAST };
        self.reply(&terms, Refusal::of_wrong(error.status(), error)).await
    }

    /// Answers a head that was begun and did not come to its end in time (RFC 9110 section 15.5.9).
    pub(super) async fn answer_head_timeout(&mut self) -> Result<Served, CloseReason> {
        let terms = Terms { head_only: self.parser.refused_head_request(), ..LAST };
        let refusal = Refusal::new(408, CloseReason::HeadTimeout.explain()).last(CloseReason::HeadTimeout);
        self.reply(&terms, refusal).await
    }

    /// Answers a connection that there is no room for.
    pub(super) async fn answer_overload(&mut self) -> Result<Served, CloseReason> {
        let reason = CloseReason::Overloaded;
        self.reply(&LAST, Refusal::new(503, reason.explain()).with(&RETRY).last(reason)).await
    }

    /// Answers where there are routes and none of them does, through the chain of the first.
    async fn answer_at(
        &mut self,
        terms: &Terms,
        first: &Arc<Route>,
        head: RequestHead,
        refusal: Refusal<'_>,
    ) -> Result<Served, CloseReason> {
        if first.chain.is_empty() {
            return self.reply(terms, refusal).await;
        }
        Box::pin(self.call(terms, first, head, Params::new(), Answerer::Host(Box::new(refusal)))).await
    }

    /// Answers a request that opens no WebSocket where the route takes only those.
    async fn refuse_handshake(&mut self, terms: &Terms, error: HandshakeError) -> Result<Served, CloseReason> {
        let version = [("Sec-WebSocket-Version", handshake::VERSION)];
        let fields: &[(&str, &str)] = match error {
            HandshakeError::Version => &version,
            HandshakeError::NotAsked | HandshakeError::Key | HandshakeError::Body => &[],
        };
        self.reply(terms, Refusal::new(error.status(), error.to_string()).with(fields)).await
    }

    /// Sends an answer of the host's own, and sees to the request's body.
    async fn reply(&mut self, terms: &Terms, refusal: Refusal<'_>) -> Result<Served, CloseReason> {
        let decoder = BodyDecoder::new(terms.framing, u64::MAX);
        let worker = self.worker.clone();
        let timeouts = &worker.config().timeouts;
        let mut intake = Intake::new(decoder, PIECE, None, terms.awaits_continue, timeouts);
        let keep_alive = intake.abandon(&mut self.input) && terms.keep_alive && refusal.last.is_none();
        let options = ResponseOptions {
            version: terms.version,
            head_only: terms.head_only,
            keep_alive,
            chunked: false,
            status: refusal.status,
            coalesce: 0,
            buffer_size: PIECE,
        };
        let mut response = Response::new(options, b"", scratch::take_output());
        answer(&mut response, refusal.status, refusal.fields, &refusal.text);
        let exchange = Arc::new(Exchange::answered(response));
        let wire = self.wire(timeouts);
        let handler = std::pin::pin!(None::<NoHandler>);
        let mut drive = Drive::new(wire, exchange, handler, intake, Pump::new(None));
        match (drive.run().await, refusal.last) {
            (Err(CloseReason::NotPersistent | CloseReason::BodyUnread), Some(reason)) => Err(reason),
            (served, _) => served,
        }
    }

    /// Calls a route's chain and its handler, or who answers in its place.
    async fn call(
        &mut self,
        terms: &Terms,
        route: &Arc<Route>,
        head: RequestHead,
        params: Params,
        answerer: Answerer<'_>,
    ) -> Result<Served, CloseReason> {
        let settings = &route.options.settings;
        let opens = settings.websocket && matches!(answerer, Answerer::Handler);
        let accept = match opens.then(|| handshake::check(&head, terms.framing)).transpose() {
            Ok(accept) => accept,
            Err(error) => return self.refuse_handshake(terms, error).await,
        };
        let decoder = BodyDecoder::new(terms.framing, settings.max_body);
        if decoder.failure().is_some() {
            let text = format!("the body is larger than {} bytes", settings.max_body);
            return self.reply(terms, Refusal::new(413, text)).await;
        }
        let worker = self.worker.clone();
        let Some(_places) = places(route, worker.engine()) else {
            return self.reply(terms, Refusal::new(503, "too many requests are running").with(&RETRY)).await;
        };
        let _serving = worker.serving();
        let (download, upload) = self.pacers(route);
        // A handshake has no body, but messages come after it.
        let (upload, of_messages) = if accept.is_some() { (None, upload) } else { (upload, None) };
        let piece = upload.as_ref().map_or(settings.buffer_size, |pacer| pacer.piece().min(settings.buffer_size));
        let timeouts = &worker.config().timeouts;
        let intake = Intake::new(decoder, piece, upload, terms.awaits_continue, timeouts);
        let request = Request { head, params, peer: self.peer.ip() };
        let exchange = exchange(terms, settings, request);
        let exchange = Arc::new(exchange.with_push(worker.hub().clone(), settings.push));
        let id = worker.next_id();
        let opening = accept.map(|accept| Box::new(Opening::new(accept, &exchange, route, &worker, id, of_messages)));
        let invocation = Invocation {
            exchange: exchange.clone(),
            options: route.options.clone(),
            route: route.mount.name.clone(),
            id,
        };
        let wire = self.wire(timeouts);
        let mut served = match answerer {
            Answerer::Handler if route.chain.is_empty() => {
                let handler = std::pin::pin!(Some(route.handler.call(invocation)));
                let mut drive = Drive::new(wire, exchange.clone(), handler, intake, Pump::new(download));
                drive.name(&route.mount.name, id);
                drive.may_park(&worker);
                drive.may_upgrade(opening);
                if settings.reuse == 1 && worker.gathers() {
                    drive.gather();
                }
                drive.run().await
            }
            Answerer::Handler | Answerer::Host(_) => {
                let watchers = Box::pin(chain::on_response(route.clone(), exchange.clone(), id));
                let mut handler = Box::pin(Some(chain::on_request(route, invocation, answerer)));
                let mut drive = Drive::new(wire, exchange.clone(), handler.as_mut(), intake, Pump::new(download));
                drive.name(&route.mount.name, id);
                drive.may_park(&worker);
                drive.may_upgrade(opening);
                drive.hold(watchers);
                Box::pin(drive.run()).await
            }
        };
        if let Ok(Served::LeftOpen(parked)) = &mut served {
            parked.watch(settings, &self.socket);
        }
        scratch::return_output(exchange.response(Response::take_buffer));
        served
    }

    pub(super) fn wire<'c>(&'c mut self, timeouts: &'c crate::config::Timeouts) -> Wire<'c> {
        Wire {
            socket: &self.socket,
            input: &mut self.input,
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts,
        }
    }

    /// The pacers of the two directions, where the route has rates.
    fn pacers(&mut self, route: &Arc<Route>) -> (Option<Pacer>, Option<Pacer>) {
        let settings = &route.options.settings;
        let download = settings.rate.map(|rate| (rate, settings.burst, Direction::Download));
        let upload = settings.upload_rate.map(|rate| (rate, settings.upload_burst, Direction::Upload));
        let mut pacer = |(rate, burst, direction)| {
            let now = Instant::now();
            let clients = match direction {
                Direction::Download => &route.download,
                Direction::Upload => &route.upload,
            };
            let bucket = match (settings.rate_scope, clients) {
                (RateScope::Client, Some(clients)) => clients.bucket(self.peer.ip(), now),
                (RateScope::Connection, _) | (RateScope::Client, None) => {
                    self.buckets.get(&route.mount.name, direction, (rate, burst), now)
                }
            };
            Pacer::new(bucket, rate::piece(rate, burst))
        };
        (download.map(&mut pacer), upload.map(&mut pacer))
    }
}

/// Where the host answers by itself.
type NoHandler = std::future::Pending<Result<Outcome, CallError>>;

/// A way of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Download,
    Upload,
}

/// The terms of an answer after which the connection ends.
const LAST: Terms = Terms {
    version: Version::Http11,
    head_only: false,
    keep_alive: false,
    framing: BodyFraming::None,
    awaits_continue: false,
};

/// The right to run a request, where there is room. While a chain sees a head the handler waits in its write: behind
/// middleware a request takes two places.
fn places<'p>(route: &'p Route, engine: &'p Engine) -> Option<(routes::Permit<'p>, [Option<guest::Permit<'p>>; 2])> {
    let (running, place) = (route.admit(), engine.permit());
    let beside = if route.chain.is_empty() { None } else { Some(engine.permit()?) };
    Some((running?, [Some(place?), beside]))
}

/// The exchange of a request that came now.
fn exchange(terms: &Terms, settings: &Settings, request: Request) -> Exchange {
    let has_body = terms.framing != BodyFraming::None;
    Exchange::new(request, response(terms, settings), has_body, Instant::now() + settings.timeout)
}

/// The response as the route's options have it.
fn response(terms: &Terms, settings: &Settings) -> Response {
    let options = ResponseOptions {
        version: terms.version,
        head_only: terms.head_only,
        keep_alive: terms.keep_alive,
        chunked: settings.chunked.unwrap_or(true),
        status: settings.status,
        coalesce: if settings.stream { 0 } else { (settings.buffer_size / 2).max(1) },
        buffer_size: settings.buffer_size,
    };
    let mut response = Response::new(options, settings.content_type.as_bytes(), scratch::take_output());
    if terms.awaits_continue {
        response.expect_continue();
    }
    response
}
