//! The time that a handler may use: it stands still while the handler waits for nothing but its client.

use std::time::{Duration, Instant};

use super::{ClientLoss, Exchange, Inner};

/// The clock of a handler. It stands still only between two polls of the handler, and only while all of the handler's
/// waits are for its client: a handler that runs, or waits for anything else besides, uses its own time.
#[derive(Debug)]
pub(super) struct HandlerClock {
    pub(super) deadline: Instant,
    /// Since when it stands still.
    stopped_at: Option<Instant>,
}

impl HandlerClock {
    /// A clock that runs.
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, stopped_at: None }
    }
}

impl Inner {
    /// When the time of the handler or middleware that runs is used up.
    fn deadline(&self) -> Instant {
        let until = self.middleware.as_ref().and_then(|state| state.until);
        until.map_or(self.clock.deadline, |until| until.min(self.clock.deadline))
    }

    /// The clock runs from now on. The time that it stood still is added to the deadlines.
    pub(super) fn run_clock(&mut self) {
        if let Some(since) = self.clock.stopped_at.take() {
            self.extend_deadline(since.elapsed());
        }
    }

    /// The handler rests: its clock stands still from now on, if the handler waits for nothing but its client.
    pub(super) fn rest_clock(&mut self) {
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

    /// The handler has at most `grace` from now on, whatever it waits for.
    pub(super) fn limit_to_grace(&mut self, grace: Duration) {
        let (clock, now) = (&mut self.clock, Instant::now());
        // The time that it has waited so far was not its own.
        if let Some(since) = &mut clock.stopped_at {
            clock.deadline += now.saturating_duration_since(*since);
            *since = now;
        }
        clock.deadline = clock.deadline.min(now + grace);
    }
}

impl Exchange {
    /// Whether the handler has used up its time.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }

    /// When the handler's time is used up; none while its clock stands still.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let inner = &*self.lock();
        inner.clock.stopped_at.is_none().then(|| inner.deadline())
    }

    /// The handler has time until `end` at most, because of its client.
    pub fn cut_short(&self, end: Instant, lost: ClientLoss) {
        let inner = &mut *self.lock();
        inner.clock.deadline = inner.clock.deadline.min(end);
        inner.lost = Some(lost);
    }
}
