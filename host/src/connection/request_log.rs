//! Follows one request from its head to the last byte of its response, for those who observe requests.
//!
//! Owns that each request which is to be logged is logged once, however its connection ends.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::exchange_loop::Served;
use crate::close_reason::CloseReason;
use crate::exchange::Exchange;
use crate::meter::Cost;
use crate::net::PeerAddress;
use crate::observe::{EndedRequest, LoggedRequestLine, Observers, ResponseEnd};
use crate::response::Response;

/// A request that is logged when this is closed, or dropped.
#[derive(Debug)]
pub(super) struct RequestLog {
    observers: Observers,
    asking: RequestInfo,
    response: ResponseSource,
    end: ResponseEnd,
}

/// Where it is known what was sent of a response, and what that cost.
#[derive(Debug)]
enum ResponseSource {
    /// It is served.
    Served(Arc<Exchange>),
    /// It was left open, and the exchange is over.
    LeftOpen(Sent, Cost),
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
pub(super) struct RequestInfo {
    pub(super) client: PeerAddress,
    /// None where the head could not be read.
    pub(super) asked: Option<LoggedRequestLine>,
    /// When the head was complete, where it was.
    pub(super) arrival: Option<Instant>,
    /// None where the host answers by itself.
    pub(super) route: Option<Arc<str>>,
    /// Its number.
    pub(super) request: u64,
}

impl RequestLog {
    /// Of a request whose response `exchange` has. Where it is dropped before it is closed the host has stopped.
    pub(super) fn new(observers: Observers, exchange: Arc<Exchange>, asking: RequestInfo) -> Self {
        Self { observers, asking, response: ResponseSource::Served(exchange), end: ResponseEnd::Stopped }
    }

    /// What was sent of a response that was left open, which is no longer where the others are. So many bytes of chunks
    /// that others share too wait to be sent.
    pub(super) fn note(&mut self, response: &Response, unsent: usize) {
        let (_, cost) = self.response.read(Instant::now());
        self.response = ResponseSource::LeftOpen(Sent::of(response, unsent), cost);
    }

    /// The response has ended so.
    pub(super) fn close(mut self, served: &Result<Served, CloseReason>) {
        self.end = match served {
            Ok(Served::Complete | Served::LeftOpen(_)) => ResponseEnd::Complete,
            Ok(Served::Upgraded(_)) => ResponseEnd::Upgraded,
            Err(reason) => ResponseEnd::from(*reason),
        };
    }
}

impl ResponseSource {
    fn read(&self, now: Instant) -> (Sent, Cost) {
        match self {
            Self::Served(exchange) => {
                let cost = exchange.meter().and_then(|meter| meter.read(now)).unwrap_or_default();
                (exchange.response(|response| Sent::of(response, 0)), cost)
            }
            Self::LeftOpen(sent, cost) => (*sent, *cost),
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
