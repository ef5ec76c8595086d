//! One request on its way to the access log: followed from its head to the last byte of its response.
//!
//! Owns that each request which is to be logged is logged once, however its connection ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::drive::Served;
use crate::access_log::{AccessLog, Asked, End, Entry};
use crate::close_reason::CloseReason;
use crate::exchange::Exchange;
use crate::http::head::RequestHead;

/// A request that is logged when this is closed, or dropped.
#[derive(Debug)]
pub(super) struct Account {
    log: AccessLog,
    exchange: Arc<Exchange>,
    end: End,
    client: IpAddr,
    request: u64,
    asked: Option<Asked>,
    /// When the head was complete, where it was.
    arrival: Option<Instant>,
    route: Option<Arc<str>>,
}

impl Account {
    /// Of a request whose response `exchange` has. Where it is dropped before it is closed the host has stopped.
    pub(super) fn new(log: &AccessLog, exchange: &Arc<Exchange>, client: IpAddr, request: u64) -> Self {
        let (log, exchange, end) = (log.clone(), exchange.clone(), End::Stopped);
        Self { log, exchange, end, client, asked: None, route: None, request, arrival: None }
    }

    /// The head of the request, where it could be read, and when it was complete.
    pub(super) fn of_head(mut self, head: Option<&RequestHead>, arrival: Option<Instant>) -> Self {
        (self.asked, self.arrival) = (head.map(Asked::of), arrival);
        self
    }

    /// The route that answers.
    pub(super) fn of_route(mut self, name: &Arc<str>) -> Self {
        self.route = Some(name.clone());
        self
    }

    /// The response has ended so.
    pub(super) fn close(mut self, served: &Result<Served, CloseReason>) {
        self.end = match served {
            Ok(Served::Complete) => End::Complete,
            Ok(Served::LeftOpen) => End::LeftOpen,
            Err(reason) => End::from(*reason),
        };
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let now = Instant::now();
        let (status, body, wire) = self
            .exchange
            .response(|response| (response.decided_status(), response.sent_body_bytes(), response.sent_bytes()));
        self.log.log(Entry {
            time: SystemTime::now(),
            client: self.client,
            asked: self.asked.take(),
            status,
            body,
            wire,
            route: self.route.take(),
            request: self.request,
            end: self.end,
            took: self.arrival.map(|arrival| now.saturating_duration_since(arrival)).unwrap_or_default(),
            cost: self.exchange.meter().and_then(|meter| meter.read(now)).unwrap_or_default(),
        });
    }
}
