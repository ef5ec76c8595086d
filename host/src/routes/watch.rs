//! Watches the directories of a routes directory for changes.
//!
//! Owns which events are changes: reading is none. Each directory is watched by itself, so that of each it is known
//! whether the system tells of its changes, also of one that comes later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode};
use thiserror::Error;

use super::disk::Identity;

#[cfg(test)]
mod tests;

/// Why a directory cannot be watched, or not all of it.
#[derive(Debug, Error)]
#[error("changes in {directory} are not noticed: {reason}; it is looked at every second instead")]
pub struct WatchError {
    directory: String,
    reason: notify::Error,
}

/// Watches directories until dropped. `W` is [`RecommendedWatcher`] but in tests of what needs none.
#[derive(Debug)]
pub(super) struct Watcher<W = RecommendedWatcher> {
    unseen: Arc<AtomicBool>,
    /// Whether the system has said that it fails. What it tells then is not all.
    failed: Arc<AtomicBool>,
    /// What is watched, and which directory each path led to when that began.
    watched: BTreeMap<PathBuf, Identity>,
    watcher: W,
}

/// What became of an attempt to watch all directories.
#[derive(Debug)]
pub(super) struct Watched {
    /// Whether there were others than before: what came into them meanwhile was told to nobody.
    pub(super) more: bool,
    /// Why some of them are not watched.
    pub(super) failed: Option<WatchError>,
}

impl Watcher {
    /// Calls `changed` after a change, and not again before [`Watcher::seen`]. Begins with one directory.
    pub(super) fn start(directory: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let (unseen, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (told, failing) = (unseen.clone(), failed.clone());
        let handler = move |event: notify::Result<Event>| {
            match event {
                Ok(event) if !is_change(&event) => return,
                Ok(_) => {}
                Err(_) => failing.store(true, Ordering::Release),
            }
            if !told.swap(true, Ordering::AcqRel) {
                changed();
            }
        };
        let failed_with = |reason| WatchError { directory: directory.display().to_string(), reason };
        let watcher = notify::recommended_watcher(handler).map_err(failed_with)?;
        let mut watcher = Self { unseen, failed, watched: BTreeMap::new(), watcher };
        match watcher.watch(directory, &[directory.to_owned()]).failed {
            Some(error) => Err(error),
            None => Ok(watcher),
        }
    }
}

impl<W: notify::Watcher> Watcher<W> {
    /// Watches these directories, of those below `root`, and no others. What is watched already, and is the directory
    /// that it was, stays so; where one cannot be, others still are.
    pub(super) fn watch(&mut self, root: &Path, directories: &[PathBuf]) -> Watched {
        let now: BTreeMap<&PathBuf, Identity> =
            directories.iter().filter_map(|path| Some((path, Identity::at(path)?))).collect();
        let stale = self.watched.iter().filter(|(path, identity)| now.get(path) != Some(identity));
        let stale: Vec<(PathBuf, Identity)> = stale.map(|(path, identity)| (path.clone(), *identity)).collect();
        for (path, identity) in stale {
            self.watched.remove(&path);
            // It may be gone, and then nothing is watched there.
            let _ = self.watcher.unwatch(&path);
            // Paths that lead to one directory have one watch.
            self.watched.retain(|_, other| *other != identity);
        }
        let mut watched = Watched { more: false, failed: None };
        for (path, identity) in now {
            if self.watched.contains_key(path) {
                continue;
            }
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path.clone(), identity);
                    watched.more = true;
                }
                // It is gone since it was found, which is told of the one that it was in.
                Err(_) if Identity::at(path) != Some(identity) => watched.more = true,
                Err(reason) => {
                    watched.failed.get_or_insert(WatchError { directory: root.display().to_string(), reason });
                }
            }
        }
        watched
    }

    /// Whether some path leads to another directory than the one that is watched there. The system does not tell of all
    /// of that: a link may lead elsewhere.
    pub(super) fn is_stale(&self) -> bool {
        self.watched.iter().any(|(path, identity)| Identity::at(path) != Some(*identity))
    }

    /// Whether the system has failed to tell of changes, and another watcher is to be started.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The changes up to now are being looked at.
    pub(super) fn seen(&self) {
        self.unseen.store(false, Ordering::Release);
    }
}

/// What the host does itself, opening and reading, must not make it look again. That events were lost is a change.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
