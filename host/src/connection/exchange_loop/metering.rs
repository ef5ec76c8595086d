//! Measures how long an exchange waits for its client, if the exchange has a meter.

use std::time::Instant;

use crate::body_reader::BodyReader;
use crate::exchange::Exchange;
use crate::meter::Stage;
use crate::pump::Pump;

/// Adds the time since the last turn to the meter.
pub(super) fn measure_turn(exchange: &Exchange) {
    if let Some(meter) = exchange.meter() {
        meter.leave(Instant::now());
    }
}

/// Lets the time until the next turn count as waiting for the client.
pub(super) fn measure_wait(exchange: &Exchange) {
    if let Some(meter) = exchange.meter() {
        meter.enter(Stage::Paced, Instant::now());
    }
}

/// Lets the time until the next turn count as waiting for another server, if the handler does.
pub(super) fn measure_upstream(exchange: &Exchange) {
    if let Some(meter) = exchange.meter()
        && exchange.waits_for_upstream()
    {
        meter.enter(Stage::Upstream, Instant::now());
    }
}

/// Whether the client or its rate limit delays the response or the request's body.
pub(super) fn is_delayed_by_client(pump: &Pump, body_reader: &BodyReader) -> bool {
    let pump_waits = pump.is_stalled() || pump.paced_until().is_some();
    pump_waits || body_reader.waits_until().is_some() || body_reader.paced_until().is_some()
}
