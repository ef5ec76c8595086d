//! Progress reports of a load that takes long. It reads no clock.

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

/// The progress of a load, from its first component until none is being loaded.
#[derive(Debug, Default)]
pub(super) struct Progress {
    tell_at: Option<Instant>,
    done: usize,
}

/// One report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProgressReport {
    /// Components that are loaded or have failed.
    pub(super) done: usize,
    /// All components of the load.
    pub(super) total: usize,
    /// Those that are being loaded.
    pub(super) compiling: Vec<ComponentKey>,
}

impl Progress {
    /// Loading a component was started.
    pub(super) fn begin(&mut self, now: Instant) {
        self.tell_at.get_or_insert(now + FIRST_REPORT_AFTER);
    }

    /// Loading a component has ended. `left` are being loaded or wait.
    pub(super) fn end(&mut self, left: usize) {
        self.done += 1;
        if left == 0 {
            *self = Self::default();
        }
    }

    /// When the next report is due.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        self.tell_at
    }

    /// The report that is due now.
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
