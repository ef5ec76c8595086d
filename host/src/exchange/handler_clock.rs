//! The clock that limits a handler's time. It is stopped while the handler waits only for its client.

use std::time::{Duration, Instant};

use super::{ClientLoss, Exchange, Inner};

/// The clock of a handler. It is stopped only between two polls of the handler, and only while all of the handler's
/// waits are for its client. While the handler runs, or waits for anything else, the clock runs.
#[derive(Debug)]
pub(super) struct HandlerClock {
    pub(super) deadline: Instant,
    /// When the clock was stopped. It is `None` while the clock runs.
    stopped_at: Option<Instant>,
}

impl HandlerClock {
    /// A running clock.
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, stopped_at: None }
    }
}

impl Inner {
    /// The deadline of the handler or middleware that runs.
    fn deadline(&self) -> Instant {
        let until = self.middleware.as_ref().and_then(|state| state.until);
        until.map_or(self.clock.deadline, |until| until.min(self.clock.deadline))
    }

    /// Starts the clock again. The deadlines move by the time for which it was stopped.
    pub(super) fn run_clock(&mut self) {
        if let Some(since) = self.clock.stopped_at.take() {
            self.extend_deadline(since.elapsed());
        }
    }

    /// Stops the clock if the handler waits only for its client.
    pub(super) fn stop_clock(&mut self) {
        if self.waits.are_for_client() {
            self.clock.stopped_at.get_or_insert_with(Instant::now);
        }
    }

    fn extend_deadline(&mut self, by: Duration) {
        self.clock.deadline += by;
        if let Some(until) = self.middleware.as_mut().and_then(|state| state.until.as_mut()) {
            *until += by;
        }
    }

    /// Limits the handler to `grace` from now on, even if it waits only for its client.
    pub(super) fn limit_to_grace(&mut self, grace: Duration) {
        let (clock, now) = (&mut self.clock, Instant::now());
        // The time for which the clock was stopped so far does not count.
        if let Some(since) = &mut clock.stopped_at {
            clock.deadline += now.saturating_duration_since(*since);
            *since = now;
        }
        clock.deadline = clock.deadline.min(now + grace);
    }
}

impl Exchange {
    /// How much of its time the handler has left, if its clock ran from now on.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.lock().deadline().saturating_duration_since(Instant::now())
    }

    /// Whether the handler's deadline has passed.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }

    /// The handler's deadline. It is `None` while the clock is stopped.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let inner = &*self.lock();
        inner.clock.stopped_at.is_none().then(|| inner.deadline())
    }

    /// Shortens the handler's deadline to `deadline`, because of what has become of its client.
    pub fn shorten_deadline(&self, deadline: Instant, loss: ClientLoss) {
        let inner = &mut *self.lock();
        inner.clock.deadline = inner.clock.deadline.min(deadline);
        inner.client_loss = Some(loss);
    }
}
