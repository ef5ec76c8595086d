//! The routes directory on disk: which files there are, how they look, and their bytes.
//!
//! Owns that no file or link of it keeps the host from starting. It must not know what is in a file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use thiserror::Error;

use super::middleware::is_layer;
use crate::diagnostic::Diagnostic;

#[cfg(test)]
mod tests;

/// The deepest directory that is looked into, the routes directory being the first.
const MAX_DEPTH: usize = 16;

/// The files of a routes directory.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Every `.wasm` and how it looks, sorted.
    pub(super) components: Vec<(PathBuf, Fingerprint)>,
    /// The directories that were looked into, and the root whatever it is.
    pub(super) directories: Vec<PathBuf>,
    /// What the system refused to show: of these, and of all below them, nothing is known.
    pub(super) unread: Vec<PathBuf>,
    /// What is wrong with directories and names.
    pub(super) diagnostics: Vec<Diagnostic>,
    route_files: Vec<PathBuf>,
}

/// How a component and its route file look from outside: as long as this stays the same, so do their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    component: Option<FileStamp>,
    route_file: Option<FileStamp>,
}

/// Which directory a path leads to. An inode's number is given to another soon after the directory is removed: with the
/// time it was made, where the system knows that, it is told from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    made: Option<SystemTime>,
}

/// What the system says of a file: writing to it, replacing it and changing who may read it all show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error("it cannot be read: {0}")]
    System(#[from] io::Error),
    /// A pipe, a device, a directory: reading it may never end.
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl Files {
    /// Finds the files below `root`, or takes it for the only one where it is no directory.
    ///
    /// # Errors
    /// Where the root itself cannot be read.
    pub(super) fn find(root: &Path) -> io::Result<Self> {
        let mut files = Self { directories: vec![root.to_owned()], ..Self::default() };
        if !fs::metadata(root)?.is_dir() {
            files.components.push((root.to_owned(), Fingerprint::at(root)?));
            return Ok(files);
        }
        let entries = entries(root)?;
        files.collect(entries, &mut vec![fs::canonicalize(root)?]);
        files.components.sort_by(|(one, _), (other, _)| one.cmp(other));
        files.report_orphans();
        Ok(files)
    }

    /// Takes in the entries of a directory, which is the last of `way`: the real paths of those that lead to it. Names
    /// that begin with a dot are passed over; of those that begin with an underscore all but middleware, which is taken
    /// in whatever it is: what cannot be loaded must not be as if it were not there.
    fn collect(&mut self, entries: Vec<PathBuf>, way: &mut Vec<PathBuf>) {
        for path in entries {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let is = |wanted| path.extension().is_some_and(|extension| extension == wanted);
            if name.starts_with(b".") || (is_layer(&path) && !is("wasm")) {
                continue;
            }
            match path.metadata() {
                Ok(_) | Err(_) if is_layer(&path) => self.take_in(path),
                Ok(metadata) if metadata.is_dir() => self.descend(&path, way),
                Ok(_) | Err(_) if is("wasm") => self.take_in(path),
                Ok(_) | Err(_) if is("toml") => self.route_files.push(path),
                Ok(_) => {}
                Err(failed) => self.report_unread(path, failed),
            }
        }
    }

    fn take_in(&mut self, component: PathBuf) {
        match Fingerprint::at(&component) {
            Ok(look) => self.components.push((component, look)),
            Err(failed) => self.report_unread(component, failed),
        }
    }

    fn descend(&mut self, directory: &Path, way: &mut Vec<PathBuf>) {
        self.directories.push(directory.to_owned());
        let read = || Ok::<_, io::Error>((fs::canonicalize(directory)?, entries(directory)?));
        let (real, entries) = match read() {
            Ok(read) => read,
            Err(failed) => return self.report_unread(directory.to_owned(), failed),
        };
        if way.contains(&real) {
            let reason = format!("it leads back to {}, which it is in", real.display());
            return self.diagnostics.push(Diagnostic::error(directory.display(), reason, "remove the link"));
        }
        if way.len() == MAX_DEPTH {
            let reason = format!("it is deeper than {MAX_DEPTH} directories, and not looked into");
            let remedy = "move it up, or declare longer paths";
            return self.diagnostics.push(Diagnostic::error(directory.display(), reason, remedy));
        }
        way.push(real);
        self.collect(entries, way);
        way.pop();
    }

    /// Takes in that the system does not show a file or directory; what is gone by now is none.
    fn report_unread(&mut self, path: PathBuf, failed: io::Error) {
        if failed.kind() == io::ErrorKind::NotFound {
            return;
        }
        let remedy = "make it readable, or begin its name with `_`";
        self.diagnostics.push(Diagnostic::error(path.display(), ReadError::from(failed), remedy));
        self.unread.push(path);
    }

    /// Reports route files without a component.
    fn report_orphans(&mut self) {
        let unread = |component: &PathBuf| self.unread.contains(component);
        let found = |component: &PathBuf| self.components.binary_search_by_key(&component, |(file, _)| file).is_ok();
        let orphan = |file: &&PathBuf| {
            let component = file.with_extension("wasm");
            !found(&component) && !unread(&component)
        };
        let report = |file: &PathBuf| {
            let remedy = "put the component there, or rename this file after its component";
            Diagnostic::warning(file.display(), "there is no component of that name beside it", remedy)
        };
        self.diagnostics.extend(self.route_files.iter().filter(orphan).map(report));
    }
}

impl Fingerprint {
    /// The look of a component that is not there, nor anything beside it.
    pub(super) const GONE: Self = Self { component: None, route_file: None };

    /// The bytes of the component; none where there is none.
    pub(super) fn length(self) -> u64 {
        self.component.map_or(0, |stamp| stamp.length)
    }

    /// Whether there is no component.
    pub(super) fn is_gone(self) -> bool {
        self.component.is_none()
    }

    /// Whether there is a file beside the component.
    pub(super) fn has_route_file(self) -> bool {
        self.route_file.is_some()
    }

    /// Whether the component is the same file as the one that looked so, wherever it lies.
    pub(super) fn is_same_component(self, other: Self) -> bool {
        let bytes = |look: Self| look.component.map(|it| (it.device, it.inode, it.length, it.modified));
        bytes(self).is_some() && bytes(self) == bytes(other)
    }

    /// How a component looks now.
    ///
    /// # Errors
    /// Where the system does not say, which is not that it is gone.
    pub(super) fn at(component: &Path) -> io::Result<Self> {
        let stamp = |file: &Path| match file.metadata().or_else(|_| file.symlink_metadata()) {
            Ok(metadata) => Ok(Some(FileStamp::of(&metadata))),
            Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(failed) => Err(failed),
        };
        Ok(Self { component: stamp(component)?, route_file: stamp(&component.with_extension("toml"))? })
    }
}

impl Identity {
    /// That of the directory that `path` leads to now; none where it leads to none.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino(), made: metadata.created().ok() })
    }
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

/// The bytes of a regular file that has at most `most`.
pub(super) fn read(file: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    // Before it is opened, which a device may notice, and after, for it may be another file by then.
    if !fs::metadata(file)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let opened = open(file)?;
    if !opened.metadata()?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let mut bytes = Vec::new();
    opened.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(ReadError::TooLarge(most)) } else { Ok(bytes) }
}

/// Opens a file to be read, without waiting for the other end of a pipe.
fn open(file: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file)
}
