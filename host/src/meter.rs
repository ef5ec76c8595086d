//! What an exchange costs, measured for who asks: the access log, `Server-Timing`, `host call`.
//!
//! Owns what each duration means, and nothing else says so:
//!
//! - `queued`: from the head being complete until its handler is called. A request waits for its route to be loaded
//!   while the host starts; for a place it does not wait, but is told 503.
//! - `instantiate`: making the instance, on the processor; nothing where the route's `reuse` has one that waits. Those of
//!   middleware count too.
//! - `run`: the handler and its middleware on the processor, host functions included. What they wait for, a client or a
//!   clock, is no part of it.
//! - `paced`: nothing moved because the client did not: it took nothing of what was written, it sent nothing of a body
//!   that the handler waits for, or the rate let nothing pass.
//!
//! No two of them ever count the same moment. What is left of the whole time is what the handler waited for by itself,
//! what others ran meanwhile on the same core, and the host's own work. It must not know who runs, nor who asks.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// What one exchange has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Waiting for the route.
    pub queued: Duration,
    /// Making the instance.
    pub instantiate: Duration,
    /// Running the handler, host functions included, waiting excluded.
    pub run: Duration,
    /// Waiting for the client or its rate.
    pub paced: Duration,
    /// The bytes of all memories of the instance at its end, when they are largest: they never shrink.
    pub memory: usize,
}

/// A part of an exchange that is measured.
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
}

/// Measures one exchange. A clone is the same meter.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<MeterReading>>);

#[derive(Debug, Default)]
struct MeterReading {
    /// None until a handler is called.
    cost: Option<Cost>,
    /// What goes on, and since when.
    turn: Option<(Stage, Instant)>,
}

impl Meter {
    /// What the exchange has cost until `now`; none where no handler was called.
    #[must_use]
    pub fn read(&self, now: Instant) -> Option<Cost> {
        let reading = self.lock();
        let mut cost = reading.cost?;
        if let Some((stage, since)) = reading.turn {
            *cost.of(stage) += now.saturating_duration_since(since);
        }
        Some(cost)
    }

    /// Adds what has passed already.
    pub fn add(&self, stage: Stage, took: Duration) {
        *self.lock().cost.get_or_insert_default().of(stage) += took;
    }

    /// A stage goes on from `now` on.
    pub fn enter(&self, stage: Stage, now: Instant) {
        let reading = &mut *self.lock();
        reading.cost.get_or_insert_default();
        reading.turn = Some((stage, now));
    }

    /// What went on rests, or has ended.
    pub fn leave(&self, now: Instant) {
        let turn = self.lock().turn.take();
        if let Some((stage, since)) = turn {
            self.add(stage, now.saturating_duration_since(since));
        }
    }

    /// The memories have so many bytes.
    pub fn note_memory(&self, bytes: usize) {
        self.lock().cost.get_or_insert_default().memory = bytes;
    }

    /// The cost until `now` as the value of `Server-Timing`, which has durations in milliseconds.
    #[must_use]
    pub fn server_timing(&self, now: Instant) -> String {
        let Cost { queued, instantiate, run, .. } = self.read(now).unwrap_or_default();
        let mut value = String::new();
        for (name, took) in [("queue", queued), ("instantiate", instantiate), ("run", run)] {
            let separator = if value.is_empty() { "" } else { ", " };
            // A text grows as it has to.
            let _ = write!(value, "{separator}{name};dur={:.3}", took.as_secs_f64() * 1e3);
        }
        value
    }

    fn lock(&self) -> MutexGuard<'_, MeterReading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cost {
    fn of(&mut self, stage: Stage) -> &mut Duration {
        match stage {
            Stage::Queued => &mut self.queued,
            Stage::Instantiate => &mut self.instantiate,
            Stage::Run => &mut self.run,
            Stage::Paced => &mut self.paced,
        }
    }
}
