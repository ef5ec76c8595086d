//! Follows one request, from its head to the last byte of its response: counts it, and collects what is logged about it.
//!
//! Owns the rule that each such request is counted and logged exactly once, at the same moment, however its connection ends.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::client::Client;
use super::request_terms::RequestTerms;
use crate::exchange::{Exchange, ExchangeEnd, RequestScheme};
use crate::http::head::RequestHead;
use crate::meter::Cost;
use crate::metrics::{CountedRequest, MethodLabel, RouteMetrics, WorkerRoute};
use crate::net::{Peer, PeerAddress};
use crate::observe::{EndedRequest, LoggedRequestLine, Observers};
use crate::response::Response;
use crate::routes::Route;
use crate::text::excerpt;
use crate::trace::{AttributeValue, RequestTrace, TraceId};
use crate::worker::Worker;

/// The most bytes of what a client chooses in a span.
const MAX_METHOD_BYTES: usize = 32;
const MAX_HOST_BYTES: usize = 255;
const MAX_PATH_BYTES: usize = 1024;

/// A request while its response belongs to an exchange. It is counted and logged when this is closed or dropped. If it is
/// dropped, the host has stopped.
#[derive(Debug)]
pub(super) struct RequestLog<'r> {
    exchange: &'r Exchange,
    facts: RequestFacts,
    /// The counters of its route, if requests are counted.
    counters: Option<WorkerRoute<'r>>,
    /// What the observers are told, if there are any.
    entry: Option<Box<LogEntry>>,
    /// Its span, if its trace is sampled.
    span: Option<Box<RequestSpan>>,
}

/// A request whose response is parked. Its exchange is over.
#[derive(Debug)]
pub(super) struct ParkedLog {
    facts: RequestFacts,
    sent: Sent,
    received: u64,
    cost: Option<Cost>,
    counters: Option<Arc<RouteMetrics>>,
    /// The index of its worker.
    worker: usize,
    entry: Option<Box<LogEntry>>,
    span: Option<Box<RequestSpan>>,
}

/// What is always known of a request that is followed.
#[derive(Debug, Clone, Copy)]
struct RequestFacts {
    method: MethodLabel,
    /// When the head was complete, if it was.
    arrival: Option<Instant>,
    /// How many requests of its route its cost stands for. 0 if it is not measured.
    stands_for: u64,
    end: ExchangeEnd,
}

/// How much of a response was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    status: Option<u16>,
    body: u64,
    wire: u64,
}

/// What the observers are told of a request, beside its response.
#[derive(Debug)]
struct LogEntry {
    observers: Observers,
    client: PeerAddress,
    /// The trusted proxy that has named the client.
    proxy: Option<PeerAddress>,
    /// The request line. It is `None` if the head could not be parsed.
    asked: Option<LoggedRequestLine>,
    /// The name of the route. It is `None` if the host responds by itself.
    route: Option<Arc<str>>,
    /// The number of the request.
    request: u64,
    /// The id of its trace, if requests are traced.
    trace: Option<TraceId>,
}

impl<'r> RequestLog<'r> {
    /// Follows a request whose response is in `exchange`, if anybody wants to know of it. `route` is `None` if the host
    /// responds by itself. `stands_for` is for how many requests its cost stands, 0 if it is not measured.
    pub(super) fn follow(
        client: &Client,
        worker: &'r Worker,
        exchange: &'r Exchange,
        terms: &RequestTerms,
        head: Option<&RequestHead>,
        route: Option<&'r Route>,
        (request, stands_for): (u64, u64),
    ) -> Option<Self> {
        if !worker.follows_requests() {
            return None;
        }
        let (counters, observers) = (worker.route_metrics(route), worker.observers());
        let method = match counters {
            Some(_) => MethodLabel::of(head.map(RequestHead::method)),
            None => MethodLabel::Unknown,
        };
        let facts = RequestFacts { method, arrival: terms.arrival, stands_for, end: ExchangeEnd::Stopped };
        let entry = observers.want_requests().then(|| {
            Box::new(LogEntry {
                observers: observers.clone(),
                client: client.requester().address(),
                proxy: client.proxy().map(Peer::address),
                asked: head.map(LoggedRequestLine::of),
                route: route.map(|route| route.mount.name.clone()),
                request,
                trace: terms.trace.as_ref().map(|trace| trace.id()),
            })
        });
        let trace = terms.trace.as_ref().filter(|trace| trace.is_sampled());
        let span = trace.map(|trace| Box::new(RequestSpan::new(trace, client, head, route, request)));
        Some(Self { exchange, facts, counters, entry, span })
    }

    /// Counts and logs the request. `end` is how the exchange has ended.
    pub(super) fn close(mut self, end: ExchangeEnd) {
        self.facts.end = end;
    }

    /// Follows the request further, whose response is parked.
    pub(super) fn park(mut self, worker: &Worker, route: &Route) -> Option<Box<ParkedLog>> {
        let counters = self.counters.take().and(route.options.metrics.clone());
        let (entry, span) = (self.entry.take(), self.span.take());
        if counters.is_none() && entry.is_none() && span.is_none() {
            return None;
        }
        let worker = usize::try_from(worker.number()).unwrap_or(usize::MAX);
        let (sent, cost) = (self.sent(), self.cost(Instant::now()));
        let received = self.exchange.received();
        Some(Box::new(ParkedLog { facts: self.facts, sent, received, cost, counters, worker, entry, span }))
    }

    fn sent(&self) -> Sent {
        self.exchange.response(|response| Sent::of(response, 0))
    }

    fn cost(&self, now: Instant) -> Option<Cost> {
        self.exchange.meter().and_then(|meter| meter.read(now))
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if self.counters.is_none() && self.entry.is_none() && self.span.is_none() {
            return;
        }
        let now = Instant::now();
        // Only the counters want to know.
        let received = if self.counters.is_some() { self.exchange.received() } else { 0 };
        let observed = (self.entry.take(), self.span.take());
        self.facts.conclude(now, self.sent(), received, self.cost(now), self.counters, observed);
    }
}

impl ParkedLog {
    /// Notes how much of the response was sent. `unsent` is the number of bytes of its chunks that wait to be sent.
    pub(super) fn note(&mut self, response: &Response, unsent: usize) {
        self.sent = Sent::of(response, unsent);
    }

    /// Counts and logs the request. `end` is how its response has ended.
    pub(super) fn close(mut self, end: ExchangeEnd) {
        self.facts.end = end;
    }
}

impl Drop for ParkedLog {
    fn drop(&mut self) {
        let counters = self.counters.as_ref().and_then(|metrics| metrics.of_worker(self.worker));
        let observed = (self.entry.take(), self.span.take());
        self.facts.conclude(Instant::now(), self.sent, self.received, self.cost, counters, observed);
    }
}

impl RequestFacts {
    /// Counts and logs a request that has ended now.
    fn conclude(
        self,
        now: Instant,
        sent: Sent,
        received_bytes: u64,
        cost: Option<Cost>,
        counters: Option<WorkerRoute<'_>>,
        (entry, span): (Option<Box<LogEntry>>, Option<Box<RequestSpan>>),
    ) {
        let Self { method, arrival, stands_for, end } = self;
        let Sent { status, body, wire } = sent;
        let took = arrival.map_or(Duration::ZERO, |arrival| now.saturating_duration_since(arrival));
        if let Some(counters) = counters {
            let cost = cost.filter(|_| stands_for > 0).map(|cost| (cost, stands_for));
            counters.count(&CountedRequest { method, status, took, sent_bytes: wire, received_bytes, end, cost });
        }
        if let Some(span) = span {
            span.end((arrival, now), sent, cost, end);
        }
        if let Some(entry) = entry {
            let LogEntry { observers, client, proxy, asked, route, request, trace } = *entry;
            let (time, cost) = (SystemTime::now(), cost.unwrap_or_default());
            observers.request_ended(EndedRequest {
                time,
                client,
                proxy,
                asked,
                status,
                body,
                wire,
                route,
                request,
                trace,
                end,
                took,
                cost,
            });
        }
    }
}

/// The span of a request whose trace is sampled.
#[derive(Debug)]
struct RequestSpan {
    trace: Arc<RequestTrace>,
    name: String,
    attributes: Vec<(&'static str, AttributeValue)>,
}

impl RequestSpan {
    fn new(
        trace: &Arc<RequestTrace>,
        client: &Client,
        head: Option<&RequestHead>,
        route: Option<&Route>,
        request: u64,
    ) -> Self {
        let method = head.map_or("HTTP", RequestHead::method);
        let known = MethodLabel::of(Some(method)).name();
        // Which of several patterns it was, is not known here.
        let pattern = route.and_then(|route| route.mount.patterns.first().filter(|_| route.mount.patterns.len() == 1));
        let name = match (route, pattern) {
            (_, Some(pattern)) => format!("{known} {pattern}"),
            (Some(route), None) => format!("{known} {}", route.mount.name),
            (None, None) => known.to_owned(),
        };
        let mut attributes: Vec<(&'static str, AttributeValue)> = vec![
            ("vibrato.request", request.into()),
            ("client.address", client.requester().address().to_string().into()),
        ];
        let mut note = |name, value: Option<AttributeValue>| attributes.extend(value.map(|value| (name, value)));
        note("http.route", pattern.map(|pattern| pattern.as_str().into()));
        note("vibrato.route", route.map(|route| (&*route.mount.name).into()));
        let scheme = match client.scheme() {
            RequestScheme::Http => "http",
            RequestScheme::Https => "https",
        };
        note("url.scheme", Some(scheme.into()));
        if let Some(head) = head {
            note("http.request.method", Some((*excerpt(method, MAX_METHOD_BYTES)).into()));
            // The query may have secrets.
            note("url.path", Some((*excerpt(head.path(), MAX_PATH_BYTES)).into()));
            note("network.protocol.version", head.version().name().split('/').nth(1).map(AttributeValue::from));
            note("server.address", head.authority().map(|host| (*excerpt(host, MAX_HOST_BYTES)).into()));
        }
        Self { trace: trace.clone(), name, attributes }
    }

    fn end(self, times: (Option<Instant>, Instant), sent: Sent, cost: Option<Cost>, end: ExchangeEnd) {
        let Self { trace, name, mut attributes } = self;
        attributes.extend(sent.status.map(|status| ("http.response.status_code", u64::from(status).into())));
        attributes.push(("http.response.body.size", sent.body.into()));
        attributes.push(("vibrato.end", end.name().into()));
        if let Some(Cost { queued, instantiate, run, paced, upstream, .. }) = cost {
            let stages = [
                ("vibrato.queued_us", queued),
                ("vibrato.instantiate_us", instantiate),
                ("vibrato.run_us", run),
                ("vibrato.paced_us", paced),
                ("vibrato.upstream_us", upstream),
            ];
            let whole = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            attributes.extend(stages.map(|(name, took)| (name, whole(took).into())));
        }
        let error = match sent.status {
            Some(status @ 500..) => Some(status.to_string()),
            _ if end == ExchangeEnd::Truncated => Some("truncated".to_owned()),
            Some(_) | None => None,
        };
        trace.finish(name, times, attributes, error);
    }
}

impl Sent {
    fn of(response: &Response, unsent: usize) -> Self {
        let body = response.sent_body_bytes().saturating_sub(unsent as u64);
        Self { status: response.encoded_status(), body, wire: response.sent_bytes() }
    }
}
