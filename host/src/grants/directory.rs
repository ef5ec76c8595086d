//! Directories that are granted: which may be, how they are opened, and how much may be written in them.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use super::table::DirectoryAccess;
use crate::text::printable;

/// What each file and directory counts for in a quota beside its bytes: a block of most file systems.
pub const ENTRY_BYTES: u64 = 4096;

/// How often a directory is measured while its quota seems to be used up.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The deepest directory that is measured.
const MAX_DEPTH: usize = 64;

/// Directories of the system, which nobody can grant.
const OF_SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A directory that is granted. It was opened once, and stays the same directory if another takes its path.
#[derive(Debug)]
pub struct GrantedDirectory {
    /// The path that the component sees.
    pub guest_path: String,
    /// The path on this machine, for reports.
    pub path: PathBuf,
    /// The open directory.
    pub directory: File,
    /// What may be written. `None`: nothing.
    pub quota: Option<SpaceQuota>,
}

/// Why a directory cannot be granted.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// It cannot be opened.
    #[error("cannot be opened: {0}")]
    Unopened(#[from] io::Error),
    /// It is no directory.
    #[error("is not a directory")]
    NotDirectory,
    /// It is one of the host's own or of the system, or leads to it.
    #[error("cannot be granted: it is, is in, or has {0}")]
    Forbidden(String),
}

/// A directory of the host that nobody can grant.
#[derive(Debug, Clone)]
pub(super) struct ForbiddenDirectory {
    /// What it is, as in "the routes directory".
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
}

impl GrantedDirectory {
    pub(super) fn open(
        guest_path: &str,
        path: &Path,
        access: DirectoryAccess,
        forbidden: &[ForbiddenDirectory],
    ) -> Result<Self, DirectoryError> {
        let real = fs::canonicalize(path)?;
        check(&real, forbidden)?;
        // The path has no links. If somebody puts one there now, the directory is not opened.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(&real, flags, Mode::empty()) {
            Ok(directory) => File::from(directory),
            Err(rustix::io::Errno::NOTDIR) => return Err(DirectoryError::NotDirectory),
            Err(error) => return Err(DirectoryError::Unopened(error.into())),
        };
        let quota = match access {
            DirectoryAccess::Read => None,
            DirectoryAccess::Write { max_bytes } => Some(SpaceQuota::new(real, max_bytes, Instant::now())),
        };
        Ok(Self { guest_path: guest_path.to_owned(), path: path.to_owned(), directory, quota })
    }
}

/// As in a route file.
impl fmt::Display for GrantedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = printable(&self.path.display().to_string());
        match &self.quota {
            None => write!(f, "\"{path}\""),
            Some(quota) => write!(f, "{{ path = \"{path}\", write = true, max_bytes = {} }}", quota.max_bytes()),
        }
    }
}

/// Checks that a path without links is none of the host's own directories, nor in one of them, nor above one.
fn check(real: &Path, forbidden: &[ForbiddenDirectory]) -> Result<(), DirectoryError> {
    if real == Path::new("/") {
        return Err(DirectoryError::Forbidden("the root of the file system".to_owned()));
    }
    if let Some(of_system) = OF_SYSTEM.iter().find(|path| real.starts_with(path)) {
        return Err(DirectoryError::Forbidden(of_system.to_string()));
    }
    for ForbiddenDirectory { what, path } in forbidden {
        // One that is not there yet is compared as it is written.
        let own = fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
        if own.starts_with(real) || real.starts_with(&own) {
            return Err(DirectoryError::Forbidden((*what).to_owned()));
        }
    }
    Ok(())
}

/// How much may be written in a directory. What is written and removed by components is counted. What else happens there is
/// found when the directory is measured, which is done while there seems to be no space, at most once a second.
///
/// A file that is removed while it is open takes space that is not counted until it is closed.
#[derive(Debug)]
pub struct SpaceQuota {
    path: PathBuf,
    max_bytes: u64,
    state: Mutex<SpaceState>,
}

#[derive(Debug)]
struct SpaceState {
    /// The bytes that are there, as far as is known.
    used: u64,
    measured: Instant,
}

/// There is no space left in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSpace;

impl SpaceQuota {
    /// The bytes that all that is there may take.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Measures the directory, which blocks.
    fn new(path: PathBuf, max_bytes: u64, now: Instant) -> Self {
        let state = Mutex::new(SpaceState { used: measure(&path, 0), measured: now });
        Self { path, max_bytes, state }
    }

    fn state(&self) -> MutexGuard<'_, SpaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// If there is no space for them. Then nothing was counted, and it may help to [measure](Self::measure).
    pub fn take(&self, bytes: u64) -> Result<(), NoSpace> {
        let mut state = self.state();
        let used = state.used.checked_add(bytes).filter(|used| *used <= self.max_bytes);
        state.used = used.ok_or(NoSpace)?;
        Ok(())
    }

    /// Counts bytes that were removed, or not written after all.
    pub fn give_back(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Measures the directory, unless that was done within a second. It reads all of it, which blocks.
    pub fn measure(&self, now: Instant) {
        {
            let mut state = self.state();
            if now.saturating_duration_since(state.measured) < MEASURE_INTERVAL {
                return;
            }
            state.measured = now;
        }
        let used = measure(&self.path, 0);
        self.state().used = used;
    }
}

/// The bytes of all that is in a directory. What cannot be read counts for an entry.
fn measure(directory: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let mut total: u64 = 0;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let bytes = match metadata.is_dir() {
            true if depth < MAX_DEPTH => measure(&entry.path(), depth + 1),
            true => 0,
            false => metadata.size(),
        };
        total = total.saturating_add(bytes).saturating_add(ENTRY_BYTES);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_the_host_and_the_system_and_what_is_above_or_in_them_cannot_be_granted() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let root = root.path();
        fs::create_dir_all(root.join("app/routes/in")).expect("a directory can be made");
        fs::create_dir_all(root.join("data")).expect("a directory can be made");
        std::os::unix::fs::symlink(root.join("app/routes"), root.join("link")).expect("a link can be made");
        let forbidden = [ForbiddenDirectory { what: "the routes directory", path: root.join("app/routes") }];
        let open = |path: PathBuf| {
            let opened = GrantedDirectory::open("/data", &path, DirectoryAccess::Read, &forbidden);
            opened.map(drop).map_err(|error| error.to_string())
        };
        let refused = |what: &str| Err(format!("cannot be granted: it is, is in, or has {what}"));
        for (path, expected) in [
            (root.join("data"), Ok(())),
            (root.join("data/../data/."), Ok(())),
            (root.join("app"), refused("the routes directory")),
            (root.join("app/routes"), refused("the routes directory")),
            (root.join("app/routes/in"), refused("the routes directory")),
            (root.join("link"), refused("the routes directory")),
            (root.join("link/in"), refused("the routes directory")),
            (root.join("data/../app"), refused("the routes directory")),
            (PathBuf::from("/"), refused("the root of the file system")),
            (PathBuf::from("/proc/self"), refused("/proc")),
            (PathBuf::from("/dev"), refused("/dev")),
            (root.join("none"), Err("cannot be opened: No such file or directory (os error 2)".to_owned())),
        ] {
            assert_eq!(open(path.clone()), expected, "{}", path.display());
        }
        fs::write(root.join("file"), "").expect("a file can be written");
        assert_eq!(open(root.join("file")), Err("is not a directory".to_owned()));
    }

    #[test]
    fn what_may_be_written_is_what_the_quota_has_beside_what_is_there() {
        let root = tempfile::tempdir().expect("a directory can be made");
        fs::write(root.path().join("file"), [0; 1000]).expect("a file can be written");
        let now = Instant::now();
        let quota = SpaceQuota::new(root.path().to_owned(), 10_000, now);
        assert_eq!(quota.take(u64::MAX), Err(NoSpace));
        assert_eq!(quota.take(4905), Err(NoSpace));
        assert_eq!(quota.take(4904), Ok(()), "beside 1000 bytes and their file of 4096");
        assert_eq!(quota.take(1), Err(NoSpace));
        quota.give_back(4);
        assert_eq!(quota.take(4), Ok(()));
        quota.measure(now);
        assert_eq!(quota.take(1), Err(NoSpace), "it was measured just now");
        // Nothing of it was written, which is found when the directory is measured again.
        quota.measure(now + MEASURE_INTERVAL);
        assert_eq!(quota.take(4904), Ok(()));
        fs::remove_file(root.path().join("file")).expect("a file can be removed");
        quota.measure(now + 2 * MEASURE_INTERVAL);
        assert_eq!(quota.take(10_000), Ok(()));
    }
}
