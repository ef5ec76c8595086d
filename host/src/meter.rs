//! Measures what an exchange costs, for the access log, `Server-Timing` and `host call`.
//!
//! Defines each duration:
//!
//! - `queued`: from the complete head until the handler is called. A request waits for its route to be loaded during
//!   startup; it does not wait for a permit, but gets 503.
//! - `instantiate`: processor time for creating the instance; zero if the route's `reuse` provides an idle one.
//!   Instances of middleware count too.
//! - `run`: processor time of the handler and its middleware, including host functions. Time that they wait for a
//!   client or a clock does not count.
//! - `paced`: time in which nothing moved because of the client: it accepted nothing of what was written, it sent
//!   nothing of a body that the handler waits for, or the rate allowed nothing.
//! - `upstream`: time in which the handler waited for another server, and not its client.
//!
//! No two of them count the same moment. The remainder of the total is time that the handler waited for other things,
//! that others used the same core, and the host's own work.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The cost of one exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time waiting for the route.
    pub queued: Duration,
    /// Time for creating the instance.
    pub instantiate: Duration,
    /// Time running the handler, including host functions, excluding waits.
    pub run: Duration,
    /// Time waiting for the client or its rate.
    pub paced: Duration,
    /// Time waiting for other servers.
    pub upstream: Duration,
    /// Bytes of all memories of the instance at its end. Memories never shrink.
    pub memory: usize,
}

/// A stage of an exchange that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// See [`Cost::queued`].
    Queued,
    /// See [`Cost::instantiate`].
    Instantiate,
    /// See [`Cost::run`].
    Run,
    /// See [`Cost::paced`].
    Paced,
    /// See [`Cost::upstream`].
    Upstream,
}

/// Measures one exchange. Clones share one measurement.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<MeterReading>>);

#[derive(Debug, Default)]
struct MeterReading {
    /// `None` until a handler is called.
    cost: Option<Cost>,
    /// The current stage and when it was entered.
    current: Option<(Stage, Instant)>,
}

impl Meter {
    /// The cost until `now`. `None` if no handler was called.
    #[must_use]
    pub fn read(&self, now: Instant) -> Option<Cost> {
        let reading = self.lock();
        let mut cost = reading.cost?;
        if let Some((stage, since)) = reading.current {
            *cost.duration_mut(stage) += now.saturating_duration_since(since);
        }
        Some(cost)
    }

    /// Adds a duration to a stage.
    pub fn add(&self, stage: Stage, took: Duration) {
        *self.lock().cost.get_or_insert_default().duration_mut(stage) += took;
    }

    /// Enters a stage.
    pub fn enter(&self, stage: Stage, now: Instant) {
        let reading = &mut *self.lock();
        reading.cost.get_or_insert_default();
        reading.current = Some((stage, now));
    }

    /// Leaves the current stage.
    pub fn leave(&self, now: Instant) {
        let current = self.lock().current.take();
        if let Some((stage, since)) = current {
            self.add(stage, now.saturating_duration_since(since));
        }
    }

    /// Records the size of the memories, in bytes.
    pub fn note_memory(&self, bytes: usize) {
        self.lock().cost.get_or_insert_default().memory = bytes;
    }

    /// The cost until `now` as a value of `Server-Timing`, in milliseconds.
    #[must_use]
    pub fn server_timing(&self, now: Instant) -> String {
        let Cost { queued, instantiate, run, upstream, .. } = self.read(now).unwrap_or_default();
        let mut value = String::new();
        // Most handlers call no other server.
        let upstream = Some(("upstream", upstream)).filter(|(_, took)| !took.is_zero());
        for (name, took) in [("queue", queued), ("instantiate", instantiate), ("run", run)].into_iter().chain(upstream)
        {
            let separator = if value.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(value, "{separator}{name};dur={:.3}", took.as_secs_f64() * 1e3);
        }
        value
    }

    fn lock(&self) -> MutexGuard<'_, MeterReading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Instantiate, Self::Run, Self::Paced, Self::Upstream];

    /// Its name in the access log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Instantiate => "instantiate",
            Self::Run => "run",
            Self::Paced => "paced",
            Self::Upstream => "upstream",
        }
    }
}

impl Cost {
    /// The time in a stage.
    #[must_use]
    pub fn duration(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Queued => self.queued,
            Stage::Instantiate => self.instantiate,
            Stage::Run => self.run,
            Stage::Paced => self.paced,
            Stage::Upstream => self.upstream,
        }
    }

    fn duration_mut(&mut self, stage: Stage) -> &mut Duration {
        match stage {
            Stage::Queued => &mut self.queued,
            Stage::Instantiate => &mut self.instantiate,
            Stage::Run => &mut self.run,
            Stage::Paced => &mut self.paced,
            Stage::Upstream => &mut self.upstream,
        }
    }
}
