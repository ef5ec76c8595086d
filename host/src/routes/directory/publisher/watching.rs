//! How the publisher notices changes: it watches the source, and checks regularly what the system does not report.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::{CHECK_INTERVAL, MIN_SCAN_INTERVAL, Publisher, PublisherEvent, SETTLE_TIME};
use crate::diagnostic::Diagnostic;
use crate::routes::source::{ChangeWatcher, Listing, Source};
use crate::routes::watch::{WatchError, WatchUpdate};

impl Publisher {
    /// Watches what a listing has found. If not all of it can be watched, the source is listed at each check until it can.
    pub(super) fn watch(&mut self, listing: &Listing) -> Option<Diagnostic> {
        if self.watcher.is_none() && !self.polls {
            return None;
        }
        if self.watcher.as_ref().is_none_or(|watcher| watcher.has_failed()) {
            self.watcher = match watch(&*self.source, &self.events) {
                Ok(watcher) => Some(watcher),
                Err(failed) => return self.note_unwatched(failed),
            };
        }
        let WatchUpdate { added, failed } = self.watcher.as_mut()?.update(listing);
        if added {
            // Finds what was added to them before they were watched.
            self.scan_by(self.scanned_at + MIN_SCAN_INTERVAL);
        }
        match failed {
            Some(failed) => self.note_unwatched(failed),
            None => {
                if std::mem::take(&mut self.polls) {
                    tracing::info!(target: "routes", "changes in {} are noticed again", self.source.location());
                }
                None
            }
        }
    }

    fn note_unwatched(&mut self, failed: WatchError) -> Option<Diagnostic> {
        self.polls = true;
        let remedy = "let the system watch more directories (fs.inotify.max_user_watches)";
        Some(Diagnostic::warning(self.source.location(), failed, remedy))
    }

    /// The source cannot be listed. That is reported once it lasts longer than it takes to replace a directory.
    pub(super) fn note_unreadable(&mut self, failed: &io::Error) {
        self.has_refused = true;
        let tell_at = *self.unreadable_since.get_or_insert(self.scanned_at) + SETTLE_TIME;
        if self.scanned_at < tell_at {
            return self.scan_by(tell_at);
        }
        let remedy = "put a readable directory there; what was loaded serves on";
        if self.catalog.set_source_diagnostics(vec![Diagnostic::error(
            self.source.location(),
            format!("it cannot be read: {failed}"),
            remedy,
        )]) {
            self.publish_soon();
        }
    }

    /// Checks what the system does not report.
    pub(super) fn check(&mut self) {
        let now = Instant::now();
        self.replaced.retain(|route| Arc::strong_count(route) > 1);
        let is_stale = |watcher: &dyn ChangeWatcher| self.has_refused || watcher.has_failed() || watcher.is_stale();
        if self.polls || self.watcher.as_deref().is_some_and(is_stale) {
            self.scan_by(now);
        }
        let watches = self.polls || self.watcher.is_some();
        self.check_at = (watches || !self.replaced.is_empty()).then(|| now + CHECK_INTERVAL);
    }
}

/// Watches a source, and sends its changes as events.
pub(in crate::routes::directory) fn watch(
    source: &dyn Source,
    events: &Sender<PublisherEvent>,
) -> Result<Box<dyn ChangeWatcher>, WatchError> {
    let events = events.clone();
    source.watch(Box::new(move || {
        // If this fails, the directory was dropped.
        let _ = events.send(PublisherEvent::Changed);
    }))
}
