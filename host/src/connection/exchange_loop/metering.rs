//! Measures how long an exchange waits for its client, if the exchange has a meter.

use std::time::Instant;

use super::ExchangeLoop;
use crate::guest::{CallError, Outcome};
use crate::meter::Stage;

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// Adds the time since the last turn to the meter.
    pub(super) fn measure_turn(&self) {
        if let Some(meter) = self.exchange.meter() {
            meter.leave(Instant::now());
        }
    }

    /// Lets the time until the next turn count as waiting, if the exchange waits for its client.
    pub(super) fn measure_wait(&self) {
        if let Some(meter) = self.exchange.meter()
            && self.waits_for_client()
        {
            meter.enter(Stage::Paced, Instant::now());
        }
    }

    /// Whether nothing can proceed until the client does something or its rate limit allows it.
    fn waits_for_client(&self) -> bool {
        let (pump, body_reader) = (&self.pump, &self.body_reader);
        let handler_rests = !self.is_running() || self.exchange.deadline().is_none();
        let pump_waits = pump.is_stalled() || pump.paced_until().is_some();
        let body_waits = body_reader.waits_until().is_some() || body_reader.paced_until().is_some();
        self.peer_gone.is_none() && handler_rests && (pump_waits || body_waits)
    }
}
