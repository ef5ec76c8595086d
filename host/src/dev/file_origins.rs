//! Where the files of a routes directory were copied from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where the files of a routes directory were copied from, so that reports name the files that a person writes. Copies
/// appear as a whole. It is empty if nothing was copied.
#[derive(Debug, Default)]
pub struct FileOrigins(Mutex<HashMap<PathBuf, FileOrigin>>);

/// Where one component of a routes directory was copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrigin {
    /// Its file.
    pub component: PathBuf,
    /// Where its route file is, or would be.
    pub route_file: PathBuf,
}

impl FileOrigins {
    /// Replaces all that is known. Each component is named by its path in the routes directory.
    pub fn set(&self, origins: impl IntoIterator<Item = (PathBuf, FileOrigin)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = origins.into_iter().collect();
    }

    /// Whether nothing was copied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Where the component at `path` in the routes directory was copied from. `None` if it was not.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<FileOrigin> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}
