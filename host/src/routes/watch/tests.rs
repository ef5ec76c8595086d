//! Which directories are watched, over a system that allows only some.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use notify::{Config, ErrorKind, EventHandler, WatcherKind};

use super::*;

/// A system that watches so many directories.
#[derive(Debug, Default)]
struct Limited {
    room: usize,
    watched: BTreeSet<PathBuf>,
}

impl notify::Watcher for Limited {
    fn new<F: EventHandler>(_: F, _: Config) -> notify::Result<Self> {
        Ok(Self::default())
    }

    fn watch(&mut self, path: &Path, _: RecursiveMode) -> notify::Result<()> {
        if self.watched.len() >= self.room {
            return Err(notify::Error::new(ErrorKind::MaxFilesWatch));
        }
        self.watched.insert(path.to_owned());
        Ok(())
    }

    fn unwatch(&mut self, path: &Path) -> notify::Result<()> {
        self.watched.remove(path);
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

fn limited(root: &Path, room: usize) -> Watcher<Limited> {
    let watcher = Limited { room, ..Limited::default() };
    Watcher {
        root: root.to_owned(),
        is_reported: Arc::default(),
        failed: Arc::default(),
        watched: BTreeMap::new(),
        watcher,
    }
}

/// The names of what is watched.
fn names(watcher: &Watcher<Limited>) -> Vec<String> {
    let names = watcher.watcher.watched.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn what_cannot_be_watched_is_told_until_it_can_be() -> std::io::Result<()> {
    let root = tempfile::tempdir()?;
    let directories = ["a", "b", "c"].map(|name| root.path().join(name));
    directories.iter().try_for_each(fs::create_dir)?;
    let mut watcher = limited(root.path(), 2);
    let first = watcher.watch(&directories);
    let told = first.failed.expect("there is no room for all").to_string();
    assert!(
        first.added && told.starts_with(&format!("changes in {} are not noticed: ", root.path().display())),
        "{told}"
    );
    assert_eq!(names(&watcher), ["a", "b"]);
    let again = watcher.watch(&directories);
    assert!(!again.added && again.failed.is_some());
    watcher.watcher.room = 3;
    let mended = watcher.watch(&directories);
    assert!(mended.added && mended.failed.is_none());
    assert_eq!(names(&watcher), ["a", "b", "c"]);
    let less = watcher.watch(&directories[..1]);
    assert!(!less.added && less.failed.is_none());
    assert_eq!(names(&watcher), ["a"]);
    Ok(())
}

#[test]
fn a_path_that_leads_elsewhere_is_watched_anew() -> std::io::Result<()> {
    let root = tempfile::tempdir()?;
    let [one, other, link] = ["one", "other", "link"].map(|name| root.path().join(name));
    fs::create_dir(&one)?;
    fs::create_dir(&other)?;
    symlink(&one, &link)?;
    let mut watcher = limited(root.path(), 9);
    let all = [one.clone(), other, link.clone()];
    assert!(watcher.watch(&all).added && !watcher.is_stale());
    fs::remove_file(&link)?;
    assert!(watcher.is_stale());
    symlink(&all[1], &link)?;
    assert!(watcher.is_stale());
    // What shares its watch with a path that is given up is watched anew too.
    assert!(watcher.watch(&all).added && !watcher.is_stale());
    assert_eq!(watcher.watched.len(), 3);
    fs::remove_dir(&one)?;
    assert!(watcher.is_stale());
    assert!(!watcher.watch(&all).added && !watcher.is_stale());
    assert_eq!(names(&watcher), ["link", "other"]);
    Ok(())
}
