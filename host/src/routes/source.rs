//! Where components come from: what any source can be asked for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use super::component::ComponentKey;
use super::fingerprint::Fingerprint;
use super::site::Site;
use super::watch::{WatchError, WatchUpdate};
use crate::diagnostic::Diagnostic;
use crate::regular_file::ReadError;

#[cfg(test)]
pub(super) mod tests;

/// Something that has components, such as a directory. It is asked by several threads at once.
pub(crate) trait Source: Debug + Send + Sync {
    /// What reports call the source as a whole.
    fn location(&self) -> String;

    /// All components that there are now.
    ///
    /// # Errors
    /// If nothing is known of them. All else that is wrong is a diagnostic of the listing.
    fn list(&self) -> io::Result<Listing>;

    /// The version of a component and its route file that there is now.
    ///
    /// # Errors
    /// If that is not known, which does not mean that the component is gone.
    fn fingerprint(&self, key: &ComponentKey) -> io::Result<Fingerprint>;

    /// The file of a component or script. `None` if there is none, so that only its route file can name it.
    fn file_of(&self, key: &ComponentKey) -> Option<String>;

    /// The bytes of a component.
    ///
    /// # Errors
    /// If they cannot be read, or are more than `max_bytes`.
    fn read(&self, key: &ComponentKey, max_bytes: u64) -> Result<Vec<u8>, ReadError>;

    /// What a script can import, in the order in which it is looked for.
    ///
    /// # Errors
    /// If a file cannot be read, or all have more than `max_bytes`.
    fn read_library(&self, _key: &ComponentKey, _max_bytes: u64) -> Result<Vec<LibraryFile>, ReadError> {
        Ok(Vec::new())
    }

    /// The bytes of a component's route file, or `None` if it has none.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_route_file(&self, key: &ComponentKey, max_bytes: u64) -> Result<Option<Vec<u8>>, ReadError>;

    /// Begins to watch for changes: calls `changed` after one, and not again before [`ChangeWatcher::acknowledge`].
    ///
    /// # Errors
    /// If changes are not reported by the system: then the source is to be listed from time to time.
    fn watch(&self, changed: Box<dyn Fn() + Send>) -> Result<Box<dyn ChangeWatcher>, WatchError>;
}

/// Watches a source for changes until it is dropped.
pub(crate) trait ChangeWatcher: Debug + Send {
    /// Watches what a listing has found, and nothing else.
    fn update(&mut self, listing: &Listing) -> WatchUpdate;

    /// Whether something else is to be watched than at the last update, which the system does not report.
    fn is_stale(&self) -> bool;

    /// Whether the system has failed to report changes, and another watcher is to be started.
    fn has_failed(&self) -> bool;

    /// The changes up to now are being looked at: reports the next one.
    fn acknowledge(&self);
}

/// A file that a script can import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LibraryFile {
    /// Its path in the tree of routes.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
}

/// The components of a source at one time.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Every component and its version, sorted by key.
    pub(super) components: Vec<(ComponentKey, Fingerprint)>,
    /// The parts of the tree that could not be listed. Nothing is known of the components there.
    pub(super) unread: Vec<Unread>,
    /// The sites that have a directory, with components or not.
    pub(super) sites: BTreeSet<Site>,
    /// The directories to watch.
    pub(super) directories: Vec<PathBuf>,
    /// Whether files appear only once they are complete, so that a change counts at once.
    pub(super) is_settled: bool,
    /// What is wrong with directories and names.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// A directory or component of which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its path in the tree.
    pub(super) path: PathBuf,
    /// What reports call it.
    pub(super) location: String,
}

impl Unread {
    /// Whether a path in the tree is this one or below it.
    pub(super) fn covers(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
    }
}
