//! How long an exchange waits for its client, for who wants to know.

use std::task::{Context, Poll};
use std::time::Instant;

use super::ExchangeLoop;
use crate::guest::{CallError, Outcome};
use crate::meter::{Meter, Stage};

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// As [`Self::poll`]; what passes until the next turn is measured where the client is waited for.
    pub(super) fn poll_measured(&mut self, cx: &mut Context<'_>, meter: &Meter) -> Poll<()> {
        meter.leave(Instant::now());
        let polled = self.poll(cx);
        if polled.is_pending() && self.waits_for_client() {
            meter.enter(Stage::Paced, Instant::now());
        }
        polled
    }

    /// Whether nothing moves until the client does, or its rate allows it.
    fn waits_for_client(&self) -> bool {
        let (pump, body_reader) = (&self.pump, &self.body_reader);
        let handler_rests = !self.is_running() || self.exchange.deadline().is_none();
        let pump_waits = pump.is_stalled() || pump.paced_until().is_some();
        let intake_waits = body_reader.waits_until().is_some() || body_reader.paced_until().is_some();
        self.peer_gone.is_none() && handler_rests && (pump_waits || intake_waits)
    }
}
