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

/// A request that is logged when this is closed, or dropped.
#[derive(Debug)]
pub(super) struct Account {
    log: AccessLog,
    exchange: Arc<Exchange>,
    asking: Asking,
    end: End,
}

/// What is known of a request before it is answered.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) client: IpAddr,
    /// None where the head could not be read.
    pub(super) asked: Option<Asked>,
    /// When the head was complete, where it was.
    pub(super) arrival: Option<Instant>,
    /// None where the host answers by itself.
    pub(super) route: Option<Arc<str>>,
    /// Its number.
    pub(super) request: u64,
}

impl Account {
    /// Of a request whose response `exchange` has. Where it is dropped before it is closed the host has stopped.
    pub(super) fn new(log: AccessLog, exchange: Arc<Exchange>, asking: Asking) -> Self {
        Self { log, exchange, asking, end: End::Stopped }
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
            client: self.asking.client,
            asked: self.asking.asked.take(),
            status,
            body,
            wire,
            route: self.asking.route.take(),
            request: self.asking.request,
            end: self.end,
            took: self.asking.arrival.map(|arrival| now.saturating_duration_since(arrival)).unwrap_or_default(),
            cost: self.exchange.meter().and_then(|meter| meter.read(now)).unwrap_or_default(),
        });
    }
}
