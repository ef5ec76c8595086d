//! Watches a tree of directories for changes.
//!
//! Owns which events are changes: reading is not one. Each directory is watched by itself, so that it is known of each one
//! whether the system reports its changes, also if it is added later.

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

/// Watches directories until it is dropped. `W` is [`RecommendedWatcher`] except in tests.
#[derive(Debug)]
pub(crate) struct Watcher<W = RecommendedWatcher> {
    /// The directory, for reports.
    root: PathBuf,
    /// Whether a change was reported and not acknowledged yet.
    is_reported: Arc<AtomicBool>,
    /// Whether the system has reported a failure: then it does not report all changes.
    failed: Arc<AtomicBool>,
    /// The paths that are watched, and which directory each one led to at that time.
    watched: BTreeMap<PathBuf, DirectoryIdentity>,
    watcher: W,
}

/// The result of watching all directories.
#[derive(Debug)]
pub(crate) struct WatchUpdate {
    /// Whether directories were added. Changes in them until now were not reported.
    pub(super) added: bool,
    /// Why some of them are not watched.
    pub(super) failed: Option<WatchError>,
}

impl Watcher {
    /// Calls `changed` after a change, and not again before it is acknowledged. Begins with one directory.
    pub(crate) fn start(directory: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
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

impl WatchUpdate {
    /// Whether directories were added. Changes in them until now were not reported.
    pub(crate) fn has_added(&self) -> bool {
        self.added
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
        self.misses_changes()
    }

    fn acknowledge(&self) {
        self.expect_changes();
    }
}

impl<W> Watcher<W> {
    /// Whether the system has failed to report changes.
    pub(crate) fn misses_changes(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The changes up to now are being looked at: reports the next one.
    pub(crate) fn expect_changes(&self) {
        self.is_reported.store(false, Ordering::Release);
    }
}

impl<W: notify::Watcher> Watcher<W> {
    /// Watches these directories and no others. Those that are watched already, and still are the same directory, stay so. If
    /// one cannot be watched, the others are.
    pub(crate) fn watch(&mut self, directories: &[PathBuf]) -> WatchUpdate {
        let now: BTreeMap<&PathBuf, DirectoryIdentity> =
            directories.iter().filter_map(|path| Some((path, DirectoryIdentity::at(path)?))).collect();
        let stale = self.watched.iter().filter(|(path, identity)| now.get(path) != Some(identity));
        let stale: Vec<(PathBuf, DirectoryIdentity)> =
            stale.map(|(path, identity)| (path.clone(), *identity)).collect();
        for (path, identity) in stale {
            self.watched.remove(&path);
            // It fails if the directory was removed: then nothing is watched there.
            let _ = self.watcher.unwatch(&path);
            // Paths that lead to the same directory share a watch.
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
                // It was removed since it was found: the watch of its parent reports that.
                Err(_) if DirectoryIdentity::at(path) != Some(identity) => update.added = true,
                Err(reason) => {
                    update.failed.get_or_insert(WatchError { directory: self.root.display().to_string(), reason });
                }
            }
        }
        update
    }
}

/// Whether an event is a change. The host itself opens and reads files: that is not one. Lost events are.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
