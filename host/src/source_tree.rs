//! The sources of a project: which files they are, and when they have changed.
//!
//! What a build makes is none of them: what git ignores, the directories of tools, and components. A file counts as
//! changed when its content has, so that a build that writes a file anew does not start another.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use ignore::{DirEntry, WalkBuilder};

use crate::regular_file;
use crate::routes::Watcher;

#[cfg(test)]
mod tests;

/// Directories that are none of the sources, whatever git says.
const NOT_SOURCES: [&str; 4] = ["target", "node_modules", "venv", "__pycache__"];

/// What builds make.
const BUILT_EXTENSIONS: [&str; 4] = ["wasm", "core", "pyc", "swp"];

/// A hidden directory that has sources nevertheless: cargo's configuration.
const HIDDEN_SOURCES: &str = ".cargo";

/// The most files that are watched.
const MAX_FILES: usize = 20_000;

/// The largest file whose content is compared. Of larger ones the time of the last change counts.
const MAX_COMPARED_BYTES: u64 = 1 << 20;

/// How long the files must rest before a change counts: an editor that saves several writes them within this time. If it takes
/// longer, another build follows.
const REST_TIME: Duration = Duration::from_millis(60);

/// How often the tree is looked at if the system does not report changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The sources in a directory and below.
#[derive(Debug)]
pub struct SourceTree {
    root: PathBuf,
    files: BTreeMap<PathBuf, WatchedFile>,
    /// `None` if the system does not report changes.
    watcher: Option<Watcher>,
    events: Receiver<TreeEvent>,
    sender: Sender<TreeEvent>,
}

/// Ends the wait for a change.
#[derive(Debug, Clone)]
pub struct StopWaiting(Sender<TreeEvent>);

#[derive(Debug)]
enum TreeEvent {
    Changed,
    Stop,
}

/// One version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WatchedFile {
    /// Differs if the file may have been written.
    stamp: [u64; 5],
    /// The content, if it is compared.
    content: Option<[u8; 32]>,
}

impl SourceTree {
    /// The sources below `root`, as they are now.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let (sender, events) = channel();
        let changed = sender.clone();
        let watcher = Watcher::start(root, move || {
            // If this fails, nobody waits any more.
            let _ = changed.send(TreeEvent::Changed);
        });
        let watcher = watcher.inspect_err(|error| tracing::warn!(target: "dev", "{error}")).ok();
        let mut tree = Self { root: root.to_owned(), files: BTreeMap::new(), watcher, events, sender };
        tree.scan();
        tree
    }

    /// Ends [`Self::wait`] from another thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopWaiting {
        StopWaiting(self.sender.clone())
    }

    /// Waits until files have changed and then rest, and returns which. Changes since the last wait count. `None` if the wait
    /// was ended.
    pub fn wait(&mut self) -> Option<Vec<PathBuf>> {
        loop {
            let changed = self.take_changes()?;
            if !changed.is_empty() {
                return Some(changed);
            }
            let polls = self.watcher.as_ref().is_none_or(|watcher| watcher.misses_changes());
            match polls {
                true => self.pause(POLL_INTERVAL)?,
                false => match self.events.recv() {
                    Ok(TreeEvent::Changed) => {}
                    Ok(TreeEvent::Stop) | Err(_) => return None,
                },
            }
        }
    }

    /// The files that have changed since that was last asked, once they rest; none, without a wait, if none has. `None` if the
    /// wait was ended.
    pub fn take_changes(&mut self) -> Option<Vec<PathBuf>> {
        let mut changed = self.scan();
        if changed.is_empty() {
            return Some(changed);
        }
        loop {
            self.pause(REST_TIME)?;
            match self.scan() {
                more if more.is_empty() => break,
                more => changed.extend(more),
            }
        }
        changed.sort();
        changed.dedup();
        Some(changed)
    }

    /// Waits for this long, whatever changes. `None` if the wait was ended.
    fn pause(&self, pause: Duration) -> Option<()> {
        let until = Instant::now() + pause;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(TreeEvent::Changed) => {}
                Ok(TreeEvent::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => return Some(()),
            }
        }
    }

    /// Looks at all files. Returns those that differ from the last time.
    fn scan(&mut self) -> Vec<PathBuf> {
        if let Some(watcher) = &self.watcher {
            watcher.expect_changes();
        }
        let mut changed = Vec::new();
        loop {
            let (directories, found) = self.list();
            let mut files = BTreeMap::new();
            for (path, metadata) in found {
                let file = WatchedFile::read(&path, &metadata, self.files.get(&path));
                if self.files.get(&path).is_none_or(|before| before.content_differs(&file)) {
                    changed.push(path.clone());
                }
                files.insert(path, file);
            }
            changed.extend(self.files.keys().filter(|path| !files.contains_key(*path)).cloned());
            self.files = files;
            // What was added to a directory before it was watched is found by another look.
            match self.watcher.as_mut().map(|watcher| watcher.watch(&directories)) {
                Some(update) if update.has_added() => {}
                Some(_) | None => return changed,
            }
        }
    }

    /// All directories, and all files with what the system says of them.
    fn list(&self) -> (Vec<PathBuf>, Vec<(PathBuf, Metadata)>) {
        let (mut directories, mut files) = (vec![self.root.clone()], Vec::new());
        let walk = WalkBuilder::new(&self.root)
            .hidden(false)
            .parents(false)
            .require_git(false)
            .filter_entry(|entry| entry.depth() == 0 || is_source(entry))
            .build();
        // What cannot be read is as if it were not there: the build reports it.
        for entry in walk.flatten().filter(|entry| entry.depth() > 0) {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                directories.push(entry.into_path());
            } else if metadata.is_file() {
                files.push((entry.into_path(), metadata));
            }
            if files.len() + directories.len() >= MAX_FILES {
                break;
            }
        }
        (directories, files)
    }
}

impl StopWaiting {
    /// Ends the wait, and each later one.
    pub fn stop(&self) {
        // If nobody waits any more, there is nothing to end.
        let _ = self.0.send(TreeEvent::Stop);
    }
}

impl WatchedFile {
    /// The version of a file. Its content is read only if it may be another than `before`.
    fn read(path: &Path, metadata: &Metadata, before: Option<&Self>) -> Self {
        let number = i64::cast_unsigned;
        let stamp = [
            metadata.len(),
            metadata.ino(),
            number(metadata.mtime()),
            number(metadata.mtime_nsec()),
            number(metadata.ctime()) ^ number(metadata.ctime_nsec()).rotate_left(32),
        ];
        if let Some(before) = before.filter(|before| before.stamp == stamp) {
            return *before;
        }
        let content = || Some(*blake3::hash(&regular_file::read(path, MAX_COMPARED_BYTES).ok()?).as_bytes());
        let content = if metadata.len() > MAX_COMPARED_BYTES { None } else { content() };
        Self { stamp, content }
    }

    fn content_differs(&self, other: &Self) -> bool {
        match (self.content, other.content) {
            (Some(one), Some(other)) => one != other,
            _ => self.stamp != other.stamp,
        }
    }
}

/// Whether an entry may be one of the sources.
fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
    let bytes = name.as_encoded_bytes();
    if bytes.starts_with(b".") {
        return is_directory && name == HIDDEN_SOURCES;
    }
    match is_directory {
        true => !NOT_SOURCES.iter().any(|other| name == *other),
        false => {
            let extension = Path::new(name).extension().and_then(OsStr::to_str);
            !bytes.ends_with(b"~") && !extension.is_some_and(|extension| BUILT_EXTENSIONS.contains(&extension))
        }
    }
}
