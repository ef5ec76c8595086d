//! What becomes of a request whose head is known: a route's handler, or an answer of the host's own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::Connection;
use super::exchange_loop::{ExchangeLoop, RETRY, Served};
use super::host_response::{HostResponse, NoRoute, find};
use super::io::ConnectionIo;
use super::request_framing::{LAST, RequestFraming};
use super::request_log::{RequestInfo, RequestLog};
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::config::ErrorDetail;
use crate::exchange::{Exchange, Request, RequestPeer};
use crate::guest::{CallError, Outcome};
use crate::http::head::RequestHead;
use crate::http::loopback;
use crate::http1::decode::{BodyDecoder, check_begun};
use crate::http1::encoder::{Http1Encoder, Http1Options};
use crate::http1::framing::{BodyFraming, Expectation, expectation, keep_alive, request_framing};
use crate::http1::head::HeadError;
use crate::net::{Peer, buffers};
use crate::observe::LoggedRequestLine;
use crate::pump::Pump;
use crate::response::{Response, ResponseOptions};
use crate::routes::{Lookup, Params};

/// The size of a piece where no route says otherwise.
const PIECE: usize = 16 * 1024;

/// The most characters of a host's name that an answer repeats.
const MAX_NAME: usize = 255;

/// A request that is served.
pub(super) type RequestFuture<'c> = Pin<Box<dyn Future<Output = Result<Served, CloseReason>> + Send + 'c>>;

impl Connection {
    /// Serves one request: in a future of its own, so that a connection that waits for the next has no room for it.
    pub(super) fn serve_request(&mut self, head: RequestHead) -> RequestFuture<'_> {
        let mut terms = RequestFraming {
            version: head.version(),
            head_only: head.is_head(),
            keep_alive: keep_alive(&head) && !self.worker.stopping().is_set(),
            framing: BodyFraming::None,
            awaits_continue: false,
            arrival: self.worker.measures().then(Instant::now),
        };
        if let Some(refusal) = self.check(&head, &mut terms) {
            return Box::pin(async move { self.reply(&terms, Some(&head), refusal).await });
        }
        let table = self.worker.routes();
        if table.is_complete()
            && let Lookup::Found { route, params } = table.lookup(head.method(), head.path())
        {
            let request = Box::new(Request { head, params, peer: self.peer });
            return Box::pin(self.call(terms, route.clone(), request, None));
        }
        drop(table);
        Box::pin(self.serve_otherwise(terms, head))
    }

    /// Serves a request that has to wait for its route, or has none.
    async fn serve_otherwise(&mut self, mut terms: RequestFraming, head: RequestHead) -> Result<Served, CloseReason> {
        let mut table = self.worker.routes();
        if !table.is_complete() {
            table = self.wait_for_routes(&head).await?;
            terms.keep_alive &= !self.worker.stopping().is_set();
        }
        let request = |head, params, peer| -> Box<Request> { Box::new(Request { head, params, peer }) };
        match find(&table, &head, self.worker.audience()) {
            Ok((route, params)) => {
                // The request keeps its route, and not the others with it.
                drop(table);
                let request = request(head, params, self.peer);
                self.call(terms, route, request, None).await
            }
            // Where there are routes and none of them answers, the chain of the first sees it.
            Err(NoRoute { refusal, first: Some(first) }) if first.is_guarded_at(head.path()) => {
                let request = request(head, Params::new(), self.peer);
                self.call(terms, first.clone(), request, Some(Box::new(refusal))).await
            }
            Err(NoRoute { refusal, first: _ }) => self.reply(&terms, Some(&head), refusal).await,
        }
    }

    /// Finds out how the body of a request is framed; or why it cannot be known.
    fn check(&self, head: &RequestHead, terms: &mut RequestFraming) -> Option<HostResponse<'static>> {
        match request_framing(head) {
            Ok(framing) => terms.framing = framing,
            Err(error) => return Some(HostResponse::of_wrong(error.status(), &error)),
        }
        match expectation(head, terms.framing) {
            Ok(Expectation::Continue) => terms.awaits_continue = true,
            Ok(Expectation::None) => {}
            Err(error) => return Some(HostResponse::of_wrong(error.status(), &error)),
        }
        if let Err(error) = check_begun(terms.framing, &self.input) {
            terms.framing = BodyFraming::None;
            return Some(HostResponse::of_wrong(error.status(), &error));
        }
        match self.worker.audience() {
            ErrorDetail::Development => self.check_name(head),
            ErrorDetail::Public => None,
        }
    }

    /// Refuses a request under a name that is not of this machine: what those who develop see, a page of another site must
    /// not, and a name that its owner lets lead here makes the two one site for a browser.
    fn check_name(&self, head: &RequestHead) -> Option<HostResponse<'static>> {
        let authority = String::from_utf8_lossy(head.values("host").next()?);
        let host = loopback::host(&authority);
        let mut served = self.worker.config().dev_hosts.iter();
        if loopback::is_loopback(host) || served.any(|served| served.eq_ignore_ascii_case(host)) {
            return None;
        }
        let host: String = host.chars().take(MAX_NAME).collect();
        let text = format!("--dev serves names of loopback alone, and not {host}; for that, say --dev-host {host}");
        Some(HostResponse::new(421, text))
    }

    /// Answers a head that cannot be read. What follows it cannot be read either.
    pub(super) async fn refuse_head(&mut self, error: HeadError) -> Result<Served, CloseReason> {
        tracing::debug!(target: "connection", peer = %self.peer, status = error.status(), "request refused: {error}");
        let terms = RequestFraming { head_only: self.refused_head_request(), ..LAST };
        self.reply(&terms, None, HostResponse::of_wrong(error.status(), &error)).await
    }

    /// Answers a head that was begun and did not come to its end in time (RFC 9110 section 15.5.9).
    pub(super) async fn answer_head_timeout(&mut self) -> Result<Served, CloseReason> {
        let terms = RequestFraming { head_only: self.refused_head_request(), ..LAST };
        let refusal = HostResponse::new(408, CloseReason::HeadTimeout.explain()).last(CloseReason::HeadTimeout);
        self.reply(&terms, None, refusal).await
    }

    /// Whether the method of the head that cannot be read, or not in time, is HEAD.
    fn refused_head_request(&self) -> bool {
        self.parser.as_ref().is_some_and(|parser| parser.refused_head_request())
    }

    /// Answers a connection that there is no room for.
    pub(super) async fn answer_overload(&mut self) -> Result<Served, CloseReason> {
        let reason = CloseReason::Overloaded;
        self.reply(&LAST, None, HostResponse::new(503, reason.explain()).with(RETRY).last(reason)).await
    }

    /// Sends an answer of the host's own, and sees to the request's body. `head` is there where it could be read.
    pub(super) async fn reply(
        &mut self,
        terms: &RequestFraming,
        head: Option<&RequestHead>,
        refusal: HostResponse<'_>,
    ) -> Result<Served, CloseReason> {
        let decoder = BodyDecoder::new(terms.framing, u64::MAX);
        let worker = self.worker.clone();
        let timeouts = &worker.config().timeouts;
        let mut body_reader = BodyReader::new(decoder, PIECE, None, terms.awaits_continue, timeouts);
        let keep_alive = body_reader.abandon(&mut self.input) && terms.keep_alive && refusal.last.is_none();
        let options =
            ResponseOptions { head_only: terms.head_only, status: refusal.status, coalesce: 0, buffer_size: PIECE };
        let framing = Http1Options { version: terms.version, keep_alive, chunked: false, buffer_size: PIECE };
        let mut response = Response::new(options, b"", Http1Encoder::new(framing, buffers::take_output()));
        let id = worker.next_id();
        refusal.write(head, id).replace(&mut response);
        let exchange = Arc::new(Exchange::answered(response));
        let request_log = self.request_log(&exchange, terms, head, None, id);
        let io = self.io(timeouts);
        let handler = std::pin::pin!(None::<NoHandler>);
        let mut exchange_loop = ExchangeLoop::new(io, exchange, handler, None, body_reader, Pump::new(None, timeouts));
        let served = exchange_loop.run().await;
        if let Some(request_log) = request_log {
            request_log.close(&served);
        }
        match (served, refusal.last) {
            (Err(CloseReason::NotPersistent | CloseReason::BodyUnread), Some(reason)) => Err(reason),
            (served, _) => served,
        }
    }

    /// Follows a request to the access log, where there is one.
    pub(super) fn request_log(
        &self,
        exchange: &Arc<Exchange>,
        terms: &RequestFraming,
        head: Option<&RequestHead>,
        route: Option<&Arc<str>>,
        request: u64,
    ) -> Option<Box<RequestLog>> {
        let observers = self.worker.observers();
        if !observers.want_requests() {
            return None;
        }
        let (asked, route, client) = (head.map(LoggedRequestLine::of), route.cloned(), self.peer.address());
        let asked = RequestInfo { client, asked, arrival: terms.arrival, route, request };
        Some(Box::new(RequestLog::new(observers.clone(), exchange.clone(), asked)))
    }

    pub(super) fn io<'c>(&'c mut self, timeouts: &'c crate::config::Timeouts) -> ConnectionIo<'c> {
        ConnectionIo {
            socket: &self.socket,
            input: &mut self.input,
            timer: &mut self.timer,
            half_closed: &mut self.half_closed,
            timeouts,
            stopping: self.worker.stopping(),
            error_detail: self.worker.audience(),
        }
    }
}

impl RequestPeer for Peer {
    fn address(&self) -> String {
        Self::address(self).to_canonical().to_string()
    }
}

/// Where the host answers by itself.
type NoHandler = std::future::Pending<Result<Outcome, CallError>>;
