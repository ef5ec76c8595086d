//! The deadline of a request's body once the server stops. The drain timeout limits it, as for every part of a request.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::worker::Shutdown;

/// What shortens the wait for a body when the server stops.
pub(super) struct BodyDeadline<'c> {
    /// Ready once the server stops and connections have to end.
    stopping: Pin<Box<dyn Future<Output = ()> + Send + 'c>>,
    /// The deadline of the body once the server stops.
    by: Option<Instant>,
}

impl<'c> BodyDeadline<'c> {
    /// No deadline before `stopping` says that connections have to end.
    pub(super) fn new(stopping: &'c Shutdown) -> Self {
        Self { stopping: Box::pin(stopping.wait()), by: None }
    }

    /// The deadline of the body: `until`, or an earlier moment once the server stops. From then on the body has
    /// `drain_timeout`.
    pub(super) fn earliest(&mut self, cx: &mut Context<'_>, until: Instant, drain_timeout: Duration) -> Instant {
        if self.by.is_none() && self.stopping.as_mut().poll(cx).is_ready() {
            self.by = Some(Instant::now() + drain_timeout);
        }
        self.by.map_or(until, |by| by.min(until))
    }
}
