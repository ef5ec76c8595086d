//! Watches a routes directory for changes.
//!
//! Owns which events are changes: reading is none. It must not know what is done about one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use thiserror::Error;

use super::disk::Identity;

/// Why a directory cannot be watched.
#[derive(Debug, Error)]
#[error("changes in {directory} are not noticed: {reason}; reload them with SIGHUP")]
pub struct WatchError {
    directory: String,
    reason: notify::Error,
}

/// Watches a directory and those below it until dropped.
#[derive(Debug)]
pub(super) struct Watcher {
    unseen: Arc<AtomicBool>,
    /// The directory that its path led to.
    directory: Option<Identity>,
    _watcher: RecommendedWatcher,
}

impl Watcher {
    /// Calls `changed` after a change, and not again before [`Watcher::seen`].
    pub(super) fn start(directory: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        // Before it is watched: where it is another by then, that shows at the next comparison.
        let identity = Identity::at(directory);
        let unseen = Arc::new(AtomicBool::new(false));
        let told = unseen.clone();
        let handler = move |event: notify::Result<Event>| {
            // After an error some events may be lost.
            if event.is_ok_and(|event| !is_change(&event)) {
                return;
            }
            if !told.swap(true, Ordering::AcqRel) {
                changed();
            }
        };
        let watch = || {
            let mut watcher = notify::recommended_watcher(handler)?;
            watcher.watch(directory, RecursiveMode::Recursive)?;
            Ok(watcher)
        };
        let watcher = watch().map_err(|reason| WatchError { directory: directory.display().to_string(), reason })?;
        Ok(Self { unseen, directory: identity, _watcher: watcher })
    }

    /// Whether `path` still leads to the directory that is watched. Where it does not the system tells of nothing more
    /// that matters, and not always of that: a link may lead elsewhere.
    pub(super) fn watches(&self, path: &Path) -> bool {
        self.directory.is_some() && self.directory == Identity::at(path)
    }

    /// The changes up to now are being looked at.
    pub(super) fn seen(&self) {
        self.unseen.store(false, Ordering::Release);
    }
}

/// What the host does itself, opening and reading, must not make it look again.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
