//! Says when key-value stores cannot be used because the engine is away, and when they can be again.

use std::time::{Duration, Instant};

use crate::fleet::redis::{EngineSettings, FleetError};

/// The shortest time between two log lines about an engine that is away.
const REPORTS: Duration = Duration::from_secs(60);

/// What was said of the engine.
#[derive(Debug)]
pub(super) struct OutageLog {
    engine: EngineSettings,
    /// When it was said that it is away. `None` while it is there.
    reported: Option<Instant>,
}

impl OutageLog {
    pub(super) fn new(engine: EngineSettings) -> Self {
        Self { engine, reported: None }
    }

    /// It cannot be connected to.
    pub(super) fn note_away(&mut self, error: &FleetError) {
        if self.reported.is_none_or(|reported| reported.elapsed() >= REPORTS) {
            self.reported = Some(Instant::now());
            let engine = &self.engine;
            tracing::warn!(target: "fleet", "the engine {engine} is away: {error}; key-value stores there cannot be used until it is back");
        }
    }

    /// It is connected.
    pub(super) fn note_connected(&mut self) {
        if self.reported.take().is_some() {
            tracing::info!(target: "fleet", "the engine {} is back for key-value stores", self.engine);
        }
    }
}
