//! The first load: lets others wait until all components that were found at first are loaded.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::diagnostic::Diagnostic;

/// The first load of a source, with its diagnostics once it has ended.
#[derive(Debug, Default)]
pub(super) struct FirstLoad {
    diagnostics: Mutex<Option<Vec<Diagnostic>>>,
    done: Condvar,
}

impl FirstLoad {
    /// Marks it as ended. Returns whether it was not ended before.
    pub(super) fn end(&self, diagnostics: &[Diagnostic]) -> bool {
        let mut ended = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ended.is_none();
        ended.get_or_insert_with(|| diagnostics.to_owned());
        self.done.notify_all();
        first
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits until it has ended, and returns its diagnostics. `None` after `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Vec<Diagnostic>> {
        let ended = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.done.wait_timeout_while(ended, timeout, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
