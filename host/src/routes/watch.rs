//! Watches the directories of a routes directory for changes.
//!
//! Owns which events are changes: reading is none. Each directory is watched by itself, so that of each it is known
//! whether the system tells of its changes, also of one that comes later.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode};
use thiserror::Error;

use super::disk::DirectoryIdentity;
use super::source::{ChangeWatcher, Listing};

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
    /// The directory, for reports.
    root: PathBuf,
    /// Whether a change was reported and not acknowledged yet.
    is_reported: Arc<AtomicBool>,
    /// Whether the system has reported a failure: then it does not report all changes.
    failed: Arc<AtomicBool>,
    /// What is watched, and which directory each path led to when that began.
    watched: BTreeMap<PathBuf, DirectoryIdentity>,
    watcher: W,
}

/// What became of an attempt to watch all directories.
#[derive(Debug)]
pub(crate) struct WatchUpdate {
    /// Whether there were others than before: what came into them meanwhile was told to nobody.
    pub(super) added: bool,
    /// Why some of them are not watched.
    pub(super) failed: Option<WatchError>,
}

impl Watcher {
    /// Calls `changed` after a change, and not again before it is acknowledged. Begins with one directory.
    pub(super) fn start(directory: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let (is_reported, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (reported, failing) = (is_reported.clone(), failed.clone());
        let handler = move |event: notify::Result<Event>| {
            match event {
                Ok(event) if !is_change(&event) => return,
                Ok(_) => {}
                Err(_) => failing.store(true, Ordering::Release),
            }
            if !reported.swap(true, Ordering::AcqRel) {
                changed();
            }
        };
        let failed_with = |reason| WatchError { directory: directory.display().to_string(), reason };
        let watcher = notify::recommended_watcher(handler).map_err(failed_with)?;
        let mut watcher = Self { root: directory.to_owned(), is_reported, failed, watched: BTreeMap::new(), watcher };
        match watcher.watch(&[directory.to_owned()]).failed {
            Some(error) => Err(error),
            None => Ok(watcher),
        }
    }
}

impl<W: notify::Watcher + Debug + Send> ChangeWatcher for Watcher<W> {
    fn update(&mut self, listing: &Listing) -> WatchUpdate {
        self.watch(&listing.directories)
    }

    fn is_stale(&self) -> bool {
        self.watched.iter().any(|(path, identity)| DirectoryIdentity::at(path) != Some(*identity))
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn acknowledge(&self) {
        self.is_reported.store(false, Ordering::Release);
    }
}

impl<W: notify::Watcher> Watcher<W> {
    /// Watches these directories, of those below `root`, and no others. What is watched already, and is the directory
    /// that it was, stays so; where one cannot be, others still are.
    fn watch(&mut self, directories: &[PathBuf]) -> WatchUpdate {
        let now: BTreeMap<&PathBuf, DirectoryIdentity> =
            directories.iter().filter_map(|path| Some((path, DirectoryIdentity::at(path)?))).collect();
        let stale = self.watched.iter().filter(|(path, identity)| now.get(path) != Some(identity));
        let stale: Vec<(PathBuf, DirectoryIdentity)> =
            stale.map(|(path, identity)| (path.clone(), *identity)).collect();
        for (path, identity) in stale {
            self.watched.remove(&path);
            // It may be gone, and then nothing is watched there.
            let _ = self.watcher.unwatch(&path);
            // Paths that lead to one directory have one watch.
            self.watched.retain(|_, other| *other != identity);
        }
        let mut update = WatchUpdate { added: false, failed: None };
        for (path, identity) in now {
            if self.watched.contains_key(path) {
                continue;
            }
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path.clone(), identity);
                    update.added = true;
                }
                // It is gone since it was found, which is told of the one that it was in.
                Err(_) if DirectoryIdentity::at(path) != Some(identity) => update.added = true,
                Err(reason) => {
                    update.failed.get_or_insert(WatchError { directory: self.root.display().to_string(), reason });
                }
            }
        }
        update
    }
}

/// What the host does itself, opening and reading, must not make it look again. That events were lost is a change.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
