//! Whether all components that were found at first are loaded, to be waited for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::diagnostic::Diagnostic;

/// The first load of a directory: what was wrong, once it is over.
#[derive(Debug, Default)]
pub(super) struct FirstLoad {
    diagnostics: Mutex<Option<Vec<Diagnostic>>>,
    done: Condvar,
}

impl FirstLoad {
    /// It is over; another time is passed over. Whether this was the first.
    pub(super) fn end(&self, diagnostics: &[Diagnostic]) -> bool {
        let mut ended = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ended.is_none();
        ended.get_or_insert_with(|| diagnostics.to_owned());
        self.done.notify_all();
        first
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits until it is over; none where `timeout` has passed before.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Vec<Diagnostic>> {
        let ended = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.done.wait_timeout_while(ended, timeout, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
