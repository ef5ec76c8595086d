//! Follows one request from its head to the last byte of its response, for those who observe requests.
//!
//! Owns that each request which is to be logged is logged once, however its connection ends.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::client::Client;
use super::request_terms::RequestTerms;
use crate::exchange::{Exchange, ExchangeEnd};
use crate::http::head::RequestHead;
use crate::meter::Cost;
use crate::net::PeerAddress;
use crate::observe::{EndedRequest, LoggedRequestLine, Observers};
use crate::response::Response;

/// A request that is logged when this is closed, or dropped.
#[derive(Debug)]
pub(super) struct RequestLog {
    observers: Observers,
    asking: RequestInfo,
    response: ResponseSource,
    end: ExchangeEnd,
}

/// The source of what was sent of a response, and what that cost.
#[derive(Debug)]
enum ResponseSource {
    /// It is served.
    Served(Arc<Exchange>),
    /// It is parked, and the exchange is over.
    Parked(Sent, Cost),
}

/// What was sent of a response.
#[derive(Debug, Clone, Copy)]
struct Sent {
    status: Option<u16>,
    body: u64,
    wire: u64,
}

/// What is known of a request before it is answered.
#[derive(Debug)]
struct RequestInfo {
    client: PeerAddress,
    /// None if the head could not be read.
    asked: Option<LoggedRequestLine>,
    /// When the head was complete, if it was.
    arrival: Option<Instant>,
    /// None if the host answers by itself.
    route: Option<Arc<str>>,
    /// Its number.
    request: u64,
}

impl RequestLog {
    /// Follows a request whose response `exchange` has to the access log, if there is one. If it is dropped before it is
    /// closed, the host has stopped.
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
            client: client.peer.address(),
            asked: head.map(LoggedRequestLine::of),
            arrival: terms.arrival,
            route: route.cloned(),
            request,
        };
        let response = ResponseSource::Served(exchange.clone());
        Some(Box::new(Self { observers: observers.clone(), asking, response, end: ExchangeEnd::Stopped }))
    }

    /// Notes what was sent of a parked response, which is no longer in its exchange. `unsent` bytes of its chunks wait to
    /// be sent.
    pub(super) fn note(&mut self, response: &Response, unsent: usize) {
        let (_, cost) = self.response.read(Instant::now());
        self.response = ResponseSource::Parked(Sent::of(response, unsent), cost);
    }

    /// The response has ended so.
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
