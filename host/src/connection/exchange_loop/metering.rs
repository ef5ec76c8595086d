//! How long an exchange waits for its client, if somebody wants to know.

use std::time::Instant;

use super::ExchangeLoop;
use crate::guest::{CallError, Outcome};
use crate::meter::Stage;

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// The time since the last turn has passed.
    pub(super) fn measure_turn(&self) {
        if let Some(meter) = self.exchange.meter() {
            meter.leave(Instant::now());
        }
    }

    /// What passes until the next turn counts as waiting, if the client is waited for.
    pub(super) fn measure_wait(&self) {
        if let Some(meter) = self.exchange.meter()
            && self.waits_for_client()
        {
            meter.enter(Stage::Paced, Instant::now());
        }
    }

    /// Whether nothing moves until the client does, or its rate allows it.
    fn waits_for_client(&self) -> bool {
        let (pump, body_reader) = (&self.pump, &self.body_reader);
        let handler_rests = !self.is_running() || self.exchange.deadline().is_none();
        let pump_waits = pump.is_stalled() || pump.paced_until().is_some();
        let body_waits = body_reader.waits_until().is_some() || body_reader.paced_until().is_some();
        self.peer_gone.is_none() && handler_rests && (pump_waits || body_waits)
    }
}
