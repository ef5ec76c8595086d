//! When it is worth telling that components are still being compiled, and what is told.
//!
//! It reads no clock, and must not know what loads them.

use std::fmt;
use std::time::{Duration, Instant};

use crate::routes::component::ComponentKey;
use crate::text::printable;

#[cfg(test)]
mod tests;

/// How long a load lasts before its progress is first logged.
const FIRST_REPORT_AFTER: Duration = Duration::from_secs(1);

/// The time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The most files that one report names.
const MAX_NAMED: usize = 4;

/// How far a load has come, from the first component that is being loaded to when none is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    tell_at: Option<Instant>,
    done: usize,
}

/// What is told of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProgressReport {
    /// Components that are loaded, or could not be.
    pub(super) done: usize,
    /// These, those that are being loaded and those that wait for it.
    pub(super) total: usize,
    /// Those that are being loaded.
    pub(super) compiling: Vec<ComponentKey>,
}

impl Progress {
    /// A component is begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.tell_at.get_or_insert(now + FIRST_REPORT_AFTER);
    }

    /// A component is done, and so many are still being loaded or wait for it.
    pub(super) fn end(&mut self, left: usize) {
        self.done += 1;
        if left == 0 {
            *self = Self::default();
        }
    }

    /// When something is to be told.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        self.tell_at
    }

    /// What is told now, where some are `compiling` and others are `waiting`.
    pub(super) fn tell(&mut self, compiling: &[ComponentKey], waiting: usize, now: Instant) -> ProgressReport {
        self.tell_at = Some(now + REPORT_INTERVAL);
        ProgressReport {
            done: self.done,
            total: self.done + compiling.len() + waiting,
            compiling: compiling.to_owned(),
        }
    }
}

/// `compiling: 3 of 9 files are done, still at a.wasm, b.wasm`
impl fmt::Display for ProgressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compiling: {} of {} files are done, still at ", self.done, self.total)?;
        let name = |key: &ComponentKey| printable(&key.path().file_name().unwrap_or_default().to_string_lossy());
        let names: Vec<String> = self.compiling.iter().take(MAX_NAMED).map(name).collect();
        f.write_str(&names.join(", "))?;
        match self.compiling.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
