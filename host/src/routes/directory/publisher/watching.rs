//! What the publisher does so that no change goes unnoticed: it watches the directories, and looks at what the system tells
//! nothing of.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::{CHECK_INTERVAL, MIN_SCAN_INTERVAL, Publisher, PublisherEvent, SETTLE_TIME};
use crate::diagnostic::Diagnostic;
use crate::routes::source::{ChangeWatcher, Listing, Source};
use crate::routes::watch::{WatchError, WatchUpdate};

impl Publisher {
    /// Watches the directories that there are by now. Where the system does not let all of them be watched they are looked
    /// at as time passes, until it does.
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
            // What came into them before they were watched.
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

    /// The directory cannot be read: that is worth telling once it has lasted longer than it takes to replace one.
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

    /// Sees to what the system tells nothing of.
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

/// Tells of changes through `events`.
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
