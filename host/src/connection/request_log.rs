//! Follows one request, from its head to the last byte of its response: counts it, and collects what is logged about it.
//!
//! Owns the rule that each such request is counted and logged exactly once, at the same moment, however its connection ends.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::client::Client;
use super::request_terms::RequestTerms;
use crate::exchange::{Exchange, ExchangeEnd};
use crate::http::head::RequestHead;
use crate::meter::Cost;
use crate::metrics::{CountedRequest, MethodLabel, RouteMetrics, WorkerRoute};
use crate::net::{Peer, PeerAddress};
use crate::observe::{EndedRequest, LoggedRequestLine, Observers};
use crate::response::Response;
use crate::routes::Route;
use crate::worker::Worker;

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
    ) -> Self {
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
            })
        });
        Self { exchange, facts, counters, entry }
    }

    /// Counts and logs the request. `end` is how the exchange has ended.
    pub(super) fn close(mut self, end: ExchangeEnd) {
        self.facts.end = end;
    }

    /// Follows the request further, whose response is parked.
    pub(super) fn park(mut self, worker: &Worker, route: &Route) -> Option<Box<ParkedLog>> {
        let counters = self.counters.take().and(route.options.metrics.clone());
        let entry = self.entry.take();
        if counters.is_none() && entry.is_none() {
            return None;
        }
        let worker = usize::try_from(worker.number()).unwrap_or(usize::MAX);
        let (sent, cost) = (self.sent(), self.cost(Instant::now()));
        let received = self.exchange.received();
        Some(Box::new(ParkedLog { facts: self.facts, sent, received, cost, counters, worker, entry }))
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
        if self.counters.is_none() && self.entry.is_none() {
            return;
        }
        let now = Instant::now();
        // Only the counters want to know.
        let received = if self.counters.is_some() { self.exchange.received() } else { 0 };
        self.facts.conclude(now, self.sent(), received, self.cost(now), self.counters, self.entry.take());
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
        self.facts.conclude(Instant::now(), self.sent, self.received, self.cost, counters, self.entry.take());
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
        entry: Option<Box<LogEntry>>,
    ) {
        let Self { method, arrival, stands_for, end } = self;
        let Sent { status, body, wire } = sent;
        let took = arrival.map_or(Duration::ZERO, |arrival| now.saturating_duration_since(arrival));
        if let Some(counters) = counters {
            let cost = cost.filter(|_| stands_for > 0).map(|cost| (cost, stands_for));
            counters.count(&CountedRequest { method, status, took, sent_bytes: wire, received_bytes, end, cost });
        }
        if let Some(entry) = entry {
            let LogEntry { observers, client, proxy, asked, route, request } = *entry;
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
                end,
                took,
                cost,
            });
        }
    }
}

impl Sent {
    fn of(response: &Response, unsent: usize) -> Self {
        let body = response.sent_body_bytes().saturating_sub(unsent as u64);
        Self { status: response.encoded_status(), body, wire: response.sent_bytes() }
    }
}
