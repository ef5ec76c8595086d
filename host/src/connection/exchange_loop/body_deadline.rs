//! The deadline of a request's body once the server stops. The drain timeout limits it, as for every part of a request.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use super::ExchangeLoop;
use crate::guest::{CallError, Outcome};
use crate::worker::Shutdown;

/// What shortens the wait for a body when the server stops.
pub(super) struct BodyDeadline<'c> {
    /// Ready once the server stops and connections have to end.
    stopping: Pin<Box<dyn Future<Output = ()> + Send + 'c>>,
    /// The deadline of the body once the server stops.
    by: Option<Instant>,
}

impl<'c> BodyDeadline<'c> {
    fn new(stopping: &'c Shutdown) -> Self {
        Self { stopping: Box::pin(stopping.wait()), by: None }
    }
}

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// The deadline of the body: `until`, or an earlier moment once the server stops.
    pub(super) fn body_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Instant {
        let (stopping, timeouts) = (self.io.stopping, self.io.timeouts);
        let body_deadline = self.body_deadline.get_or_insert_with(|| Box::new(BodyDeadline::new(stopping)));
        if body_deadline.by.is_none() && body_deadline.stopping.as_mut().poll(cx).is_ready() {
            body_deadline.by = Some(Instant::now() + timeouts.drain_request);
        }
        body_deadline.by.map_or(until, |by| by.min(until))
    }
}
