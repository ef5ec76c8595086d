//! What becomes of a request whose head is known: a route's handler, or an answer of the host's own.

use std::sync::Arc;
use std::time::Instant;

use super::account::{Account, Asking};
use super::chain::{self, Answerer};
use super::drive::{Drive, RETRY, Served, Wire};
use super::refusal::{Refusal, Unanswered, find};
use super::websocket::Opening;
use super::{Connection, scratch};
use crate::access_log::Asked;
use crate::close_reason::CloseReason;
use crate::config::Audience;
use crate::exchange::{Exchange, Measured, Request, Timing};
use crate::guest::{self, CallError, Engine, Invocation, Outcome};
use crate::http::decode::{BodyDecoder, check_begun};
use crate::http::framing::{BodyFraming, Expectation, expectation, keep_alive, request_framing};
use crate::http::head::{HeadError, RequestHead, Version};
use crate::http::response::{Response, ResponseOptions};
use crate::intake::Intake;
use crate::meter::Stage;
use crate::options::{RateScope, Settings};
use crate::pump::{Pacer, Pump};
use crate::rate;
use crate::routes::{self, Params, Route};
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
    /// When the head was complete, where somebody wants to know.
    arrival: Option<Instant>,
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
            arrival: self.worker.measures().then(Instant::now),
        };
        if let Some(refusal) = self.check(&head, &mut terms) {
            return self.reply(&terms, Some(&head), refusal).await;
        }
        let mut table = self.worker.routes();
        if !table.is_complete() {
            table = self.wait_for_routes(&head).await?;
            terms.keep_alive &= !self.worker.stopping().is_set();
        }
        match find(&table, &head, self.worker.audience()) {
            Ok((route, params)) => {
                // The request keeps its route, and not the others with it.
                drop(table);
                self.call(&terms, &route, head, params, Answerer::Handler).await
            }
            // Where there are routes and none of them answers, the chain of the first sees it.
            Err(Unanswered { refusal, first: Some(first) }) if !first.chain.is_empty() => {
                let answerer = Answerer::Host(Box::new(refusal));
                Box::pin(self.call(&terms, first, head, Params::new(), answerer)).await
            }
            Err(Unanswered { refusal, first: _ }) => self.reply(&terms, Some(&head), refusal).await,
        }
    }

    /// Finds out how the body of a request is framed; or why it cannot be known.
    fn check(&self, head: &RequestHead, terms: &mut Terms) -> Option<Refusal<'static>> {
        match request_framing(head) {
            Ok(framing) => terms.framing = framing,
            Err(error) => return Some(Refusal::of_wrong(error.status(), &error)),
        }
        match expectation(head, terms.framing) {
            Ok(Expectation::Continue) => terms.awaits_continue = true,
            Ok(Expectation::None) => {}
            Err(error) => return Some(Refusal::of_wrong(error.status(), &error)),
        }
        if let Err(error) = check_begun(terms.framing, &self.input) {
            terms.framing = BodyFraming::None;
            return Some(Refusal::of_wrong(error.status(), &error));
        }
        None
    }

    /// Answers a head that cannot be read. What follows it cannot be read either.
    pub(super) async fn refuse_head(&mut self, error: &HeadError) -> Result<Served, CloseReason> {
        tracing::debug!(peer = %self.peer, status = error.status(), "request refused: {error}");
        let terms = Terms { head_only: self.parser.refused_head_request(), ..LAST };
        self.reply(&terms, None, Refusal::of_wrong(error.status(), error)).await
    }

    /// Answers a head that was begun and did not come to its end in time (RFC 9110 section 15.5.9).
    pub(super) async fn answer_head_timeout(&mut self) -> Result<Served, CloseReason> {
        let terms = Terms { head_only: self.parser.refused_head_request(), ..LAST };
        let refusal = Refusal::new(408, CloseReason::HeadTimeout.explain()).last(CloseReason::HeadTimeout);
        self.reply(&terms, None, refusal).await
    }

    /// Answers a connection that there is no room for.
    pub(super) async fn answer_overload(&mut self) -> Result<Served, CloseReason> {
        let reason = CloseReason::Overloaded;
        self.reply(&LAST, None, Refusal::new(503, reason.explain()).with(RETRY).last(reason)).await
    }

    /// Sends an answer of the host's own, and sees to the request's body. `head` is there where it could be read.
    async fn reply(
        &mut self,
        terms: &Terms,
        head: Option<&RequestHead>,
        refusal: Refusal<'_>,
    ) -> Result<Served, CloseReason> {
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
        let id = worker.next_id();
        refusal.write(head, id).replace(&mut response);
        let exchange = Arc::new(Exchange::answered(response));
        let account = self.account(&exchange, terms, head, None, id);
        let wire = self.wire(timeouts);
        let handler = std::pin::pin!(None::<NoHandler>);
        let mut drive = Drive::new(wire, exchange, handler, intake, Pump::new(None));
        let served = drive.run().await;
        if let Some(account) = account {
            account.close(&served);
        }
        match (served, refusal.last) {
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
            Err(error) => return self.reply(terms, Some(&head), of_handshake(error)).await,
        };
        let decoder = BodyDecoder::new(terms.framing, settings.max_body);
        if decoder.failure().is_some() {
            let text = format!("the body is larger than {} bytes", settings.max_body);
            return self.reply(terms, Some(&head), Refusal::new(413, text)).await;
        }
        let worker = self.worker.clone();
        let Some(_places) = places(route, worker.engine()) else {
            let refusal = Refusal::new(503, "too many requests are running").with(RETRY);
            return self.reply(terms, Some(&head), refusal).await;
        };
        let _serving = worker.serving();
        let (download, upload) = self.pacers(route);
        // A handshake has no body, but messages come after it.
        let (upload, of_messages) = if accept.is_some() { (None, upload) } else { (upload, None) };
        let piece = upload.as_ref().map_or(settings.buffer_size, |pacer| pacer.piece().min(settings.buffer_size));
        let timeouts = &worker.config().timeouts;
        let intake = Intake::new(decoder, piece, upload, terms.awaits_continue, timeouts);
        let request = Request { head, params, peer: self.peer.ip() };
        let measured = terms.arrival.and_then(|arrival| self.measured(arrival));
        let mut exchange = exchange(terms, settings, request, measured);
        exchange.allow_push(worker.hub().clone(), settings.push);
        let exchange = Arc::new(exchange);
        let id = worker.next_id();
        let opening = accept.map(|accept| Box::new(Opening::new(accept, &exchange, route, &worker, id, of_messages)));
        let head = exchange.request().map(|request| &request.head);
        let name = &route.mount.name;
        let account = terms.arrival.and_then(|_| self.account(&exchange, terms, head, Some(name), id));
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
                let watchers = Box::pin(chain::on_response(route.clone(), exchange.clone(), id, worker.audience()));
                let mut handler = Box::pin(Some(chain::on_request(route, invocation, answerer)));
                let mut drive = Drive::new(wire, exchange.clone(), handler.as_mut(), intake, Pump::new(download));
                drive.name(&route.mount.name, id);
                drive.may_park(&worker);
                drive.may_upgrade(opening);
                drive.hold(watchers);
                Box::pin(drive.run()).await
            }
        };
        match &mut served {
            Ok(Served::LeftOpen(parked)) => parked.watch(settings, &self.socket, account),
            served => account.into_iter().for_each(|account| account.close(served)),
        }
        scratch::return_output(exchange.response(Response::take_buffer));
        served
    }

    /// What measures an exchange from here on, whose head was complete at `arrival`.
    fn measured(&self, arrival: Instant) -> Option<Measured> {
        let meter = self.worker.meter()?;
        meter.add(Stage::Queued, arrival.elapsed());
        let timing = match self.worker.audience() {
            Audience::Strangers => Timing::Untold,
            Audience::Developers => Timing::Told,
        };
        Some(Measured { meter, timing })
    }

    /// Follows a request to the access log, where there is one.
    fn account(
        &self,
        exchange: &Arc<Exchange>,
        terms: &Terms,
        head: Option<&RequestHead>,
        route: Option<&Arc<str>>,
        request: u64,
    ) -> Option<Box<Account>> {
        let log = self.worker.access_log()?.clone();
        let (asked, route, client) = (head.map(Asked::of), route.cloned(), self.peer.ip());
        let asked = Asking { client, asked, arrival: terms.arrival, route, request };
        Some(Box::new(Account::new(log, exchange.clone(), asked)))
    }

    pub(super) fn wire<'c>(&'c mut self, timeouts: &'c crate::config::Timeouts) -> Wire<'c> {
        Wire {
            socket: &self.socket,
            input: &mut self.input,
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts,
            audience: self.worker.audience(),
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

/// The answer to a request that opens no WebSocket where the route takes only those.
fn of_handshake(error: HandshakeError) -> Refusal<'static> {
    let refusal = Refusal::new(error.status(), error.to_string());
    match error {
        HandshakeError::Version => refusal.with(("Sec-WebSocket-Version", handshake::VERSION)),
        HandshakeError::NotAsked | HandshakeError::Key | HandshakeError::Body => refusal,
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
    arrival: None,
};

/// The right to run a request, where there is room. While a chain sees a head the handler waits in its write: behind
/// middleware a request takes two places.
fn places<'p>(route: &'p Route, engine: &'p Engine) -> Option<(routes::Permit<'p>, [Option<guest::Permit<'p>>; 2])> {
    let (running, place) = (route.admit(), engine.permit());
    let beside = if route.chain.is_empty() { None } else { Some(engine.permit()?) };
    Some((running?, [Some(place?), beside]))
}

/// The exchange of a request that came now.
fn exchange(terms: &Terms, settings: &Settings, request: Request, measured: Option<Measured>) -> Exchange {
    let has_body = terms.framing != BodyFraming::None;
    Exchange::new(request, response(terms, settings), has_body, Instant::now() + settings.timeout, measured)
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
