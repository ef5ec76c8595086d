//! The routes directory of a project that is built: what is served is a copy, so that a build that writes, or fails, does
//! not touch it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use host::dev::{FileOrigin, FileOrigins};

/// The directory in the project, which git ignores.
const DIRECTORY: &str = ".vibrato";

/// A component that a build has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuiltComponent {
    /// Its name in the routes directory, without an extension.
    pub(super) name: String,
    /// Its file.
    pub(super) file: PathBuf,
    /// Where its route file is, if it has one.
    pub(super) route_file: PathBuf,
}

/// A routes directory of its own, removed at the end.
#[derive(Debug)]
pub(super) struct Staging {
    directory: PathBuf,
    routes: PathBuf,
    /// Is told what the copies are copies of.
    origins: Arc<FileOrigins>,
    /// Locked, so that no other process uses the directory.
    _lock: File,
}

impl Staging {
    /// An empty one in the project at `root`. `origins` is told what it has copies of.
    ///
    /// # Errors
    /// If it cannot be made, or another process has it.
    pub(super) fn new(root: &Path, origins: Arc<FileOrigins>) -> anyhow::Result<Self> {
        let directory = root.join(DIRECTORY);
        let make = || {
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(".gitignore"), "*\n")?;
            File::options().create(true).truncate(false).write(true).open(directory.join("lock"))
        };
        let lock = make().with_context(|| format!("cannot write to {}", directory.display()))?;
        lock.try_lock().with_context(|| {
            format!("another `host dev` serves {}; stop that, or open its page in a browser", root.display())
        })?;
        let routes = directory.join("routes");
        let empty = || {
            match fs::remove_dir_all(&routes) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            fs::create_dir(&routes)
        };
        empty().with_context(|| format!("cannot write to {}", routes.display()))?;
        Ok(Self { directory, routes, origins, _lock: lock })
    }

    pub(super) fn routes(&self) -> &Path {
        &self.routes
    }

    /// Makes the directory have these components and their route files, and nothing else. What is the same stays untouched.
    ///
    /// # Errors
    /// That of the system, with the file.
    pub(super) fn publish(&self, components: &[BuiltComponent]) -> anyhow::Result<()> {
        let origin = |it: &BuiltComponent| {
            let origin = FileOrigin { component: it.file.clone(), route_file: it.route_file.clone() };
            (PathBuf::from(format!("{}.wasm", it.name)), origin)
        };
        self.origins.set(components.iter().map(origin));
        let mut wanted = Vec::new();
        for component in components {
            // The route file first: the component must not be served for a moment without it.
            let route_file = format!("{}.toml", component.name);
            if component.route_file.is_file() {
                self.copy(&component.route_file, &route_file)?;
                wanted.push(route_file);
            } else {
                self.remove(&route_file)?;
            }
            let name = format!("{}.wasm", component.name);
            self.copy(&component.file, &name)?;
            wanted.push(name);
        }
        let entries = fs::read_dir(&self.routes).with_context(|| format!("cannot read {}", self.routes.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            match name.to_str() {
                Some(name) if wanted.iter().any(|it| it == name) => {}
                Some(name) => self.remove(name)?,
                None => {}
            }
        }
        Ok(())
    }

    fn copy(&self, from: &Path, name: &str) -> anyhow::Result<()> {
        let to = self.routes.join(name);
        let copy = || {
            let bytes = fs::read(from)?;
            if fs::read(&to).is_ok_and(|there| there == bytes) {
                return Ok(());
            }
            // A name that begins with a dot is not served.
            let unfinished = self.routes.join(".new");
            fs::write(&unfinished, bytes)?;
            fs::rename(&unfinished, &to)
        };
        copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.routes.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
        .with_context(|| format!("cannot remove {name} from {}", self.routes.display()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If it cannot be removed, the next run empties it.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(staging: &Staging) -> Vec<String> {
        let entries = fs::read_dir(staging.routes()).expect("it can be read").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_built_last_is_there_with_its_route_file_and_nothing_else() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let staging = Staging::new(root.path(), Arc::default()).expect("it can be made");
        let component = |name: &str| BuiltComponent {
            name: name.to_owned(),
            file: root.path().join(format!("{name}.wasm")),
            route_file: root.path().join(format!("{name}.toml")),
        };
        for file in ["a.wasm", "a.toml", "b.wasm"] {
            fs::write(root.path().join(file), file).expect("a file can be written");
        }
        staging.publish(&[component("a"), component("b")]).expect("they can be copied");
        assert_eq!(names(&staging), ["a.toml", "a.wasm", "b.wasm"]);
        let modified =
            || fs::metadata(staging.routes().join("a.wasm")).and_then(|it| it.modified()).expect("it is there");
        let before = modified();
        fs::remove_file(root.path().join("a.toml")).expect("it is there");
        staging.publish(&[component("a")]).expect("it can be copied");
        assert_eq!((names(&staging), modified()), (vec!["a.wasm".to_owned()], before));
        let missing = staging.publish(&[component("c")]).expect_err("it is not there").to_string();
        assert!(missing.contains("c.wasm"), "{missing}");
    }

    #[test]
    fn two_at_once_are_refused_and_nothing_is_left_at_the_end() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let staging = Staging::new(root.path(), Arc::default()).expect("it can be made");
        let refused = Staging::new(root.path(), Arc::default()).expect_err("another has it").to_string();
        assert!(refused.contains("another `host dev` serves"), "{refused}");
        drop(staging);
        assert_eq!(fs::read_dir(root.path()).expect("it can be read").count(), 0);
        Staging::new(root.path(), Arc::default()).expect("it is free again");
    }
}
