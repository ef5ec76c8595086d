//! Collects what is logged about one request, from its head to the last byte of its response.
//!
//! Owns the rule that each such request is logged exactly once, however its connection ends.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::client::Client;
use super::request_terms::RequestTerms;
use crate::exchange::{Exchange, ExchangeEnd};
use crate::http::head::RequestHead;
use crate::meter::Cost;
use crate::net::{Peer, PeerAddress};
use crate::observe::{EndedRequest, LoggedRequestLine, Observers};
use crate::response::Response;

/// The log entry of one request. It is written when this is closed or dropped.
#[derive(Debug)]
pub(super) struct RequestLog {
    observers: Observers,
    asking: RequestInfo,
    response: ResponseSource,
    end: ExchangeEnd,
}

/// Where the sent bytes and the cost of a response are taken from.
#[derive(Debug)]
enum ResponseSource {
    /// The exchange, while the response belongs to it.
    Served(Arc<Exchange>),
    /// The counters of a parked response, whose exchange is over.
    Parked(Sent, Cost),
}

/// How much of a response was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    status: Option<u16>,
    body: u64,
    wire: u64,
}

/// What is known about a request before its response.
#[derive(Debug)]
struct RequestInfo {
    client: PeerAddress,
    /// The trusted proxy that has named the client.
    proxy: Option<PeerAddress>,
    /// The request line. It is `None` if the head could not be parsed.
    asked: Option<LoggedRequestLine>,
    /// When the head was complete, if it was.
    arrival: Option<Instant>,
    /// The name of the route. It is `None` if the host responds by itself.
    route: Option<Arc<str>>,
    /// The number of the request.
    request: u64,
}

impl RequestLog {
    /// Begins the log entry of a request whose response is in `exchange`, if there is an access log. If the entry is
    /// dropped before it is closed, the host has stopped.
    pub(super) fn follow(
        client: &Client,
        exchange: &Arc<Exchange>,
        terms: &RequestTerms,
        head: Option<&RequestHead>,
        route: Option<&Arc<str>>,
        request: u64,
    ) -> Option<Box<Self>> {
        let observers = client.worker.observers();
        if !observers.want_requests() {
            return None;
        }
        let asking = RequestInfo {
            client: client.requester().address(),
            proxy: client.proxy().map(Peer::address),
            asked: head.map(LoggedRequestLine::of),
            arrival: terms.arrival,
            route: route.cloned(),
            request,
        };
        let response = ResponseSource::Served(exchange.clone());
        Some(Box::new(Self { observers: observers.clone(), asking, response, end: ExchangeEnd::Stopped }))
    }

    /// Updates the counters from a parked response, which is no longer in its exchange. `unsent` is the number of bytes
    /// of its chunks that wait to be sent.
    pub(super) fn note(&mut self, response: &Response, unsent: usize) {
        let (_, cost) = self.response.read(Instant::now());
        self.response = ResponseSource::Parked(Sent::of(response, unsent), cost);
    }

    /// Writes the entry. `end` is how the exchange has ended.
    pub(super) fn close(mut self, end: ExchangeEnd) {
        self.end = end;
    }
}

impl ResponseSource {
    fn read(&self, now: Instant) -> (Sent, Cost) {
        match self {
            Self::Served(exchange) => {
                let cost = exchange.meter().and_then(|meter| meter.read(now)).unwrap_or_default();
                (exchange.response(|response| Sent::of(response, 0)), cost)
            }
            Self::Parked(sent, cost) => (*sent, *cost),
        }
    }
}

impl Sent {
    fn of(response: &Response, unsent: usize) -> Self {
        let body = response.sent_body_bytes().saturating_sub(unsent as u64);
        Self { status: response.encoded_status(), body, wire: response.sent_bytes() }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let now = Instant::now();
        let (Sent { status, body, wire }, cost) = self.response.read(now);
        self.observers.request_ended(EndedRequest {
            time: SystemTime::now(),
            client: self.asking.client,
            proxy: self.asking.proxy,
            asked: self.asking.asked.take(),
            status,
            body,
            wire,
            route: self.asking.route.take(),
            request: self.asking.request,
            end: self.end,
            took: self.asking.arrival.map(|arrival| now.saturating_duration_since(arrival)).unwrap_or_default(),
            cost,
        });
    }
}
