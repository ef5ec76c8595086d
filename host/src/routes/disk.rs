//! A directory of components on disk, as a source. No file or link in it can keep the host from starting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::component::{ComponentKey, is_reserved_name};
use super::file::{MAX_ROUTE_FILE_BYTES, NamedComponent};
use super::fingerprint::{Fingerprint, Stamp};
use super::ignored_files;
use super::script::{self, LIBRARY, Language};
use super::site::Site;
use super::source::{ChangeWatcher, LibraryFile, Listing, Source, Unread};
use super::watch::{WatchError, Watcher};
use crate::dev::FileOrigins;
use crate::diagnostic::Diagnostic;
use crate::oci::{ContentDigest, RegistryComponents, TagOrDigest};
use crate::regular_file::{self, ReadError};

#[cfg(test)]
mod tests;

/// The deepest directory that is listed. The routes directory is the first.
const MAX_DEPTH: usize = 16;

/// The most files that a script can import from.
const MAX_LIBRARY_FILES: usize = 1_000;

/// The version of a file: it changes when the file is written, replaced or made readable for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileVersion(Stamp);

/// A directory of components, or a component file that is served alone.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    origins: Arc<FileOrigins>,
    registries: Arc<RegistryComponents>,
    /// What route files without a component beside them say of theirs, as long as they stay the same.
    named: Mutex<HashMap<PathBuf, (FileVersion, NamedComponent)>>,
}

/// A listing of a directory while it is made.
struct Walk<'r> {
    disk: &'r Disk,
    root: &'r Path,
    listing: Listing,
    route_files: Vec<PathBuf>,
    /// Files that are no components and no route files.
    ignored: Vec<PathBuf>,
}

/// Which directory a path leads to. The number of an inode is soon given to another directory after one was removed: the
/// time of its creation tells them apart, if the system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectoryIdentity {
    device: u64,
    inode: u64,
    created: Option<SystemTime>,
}

impl Disk {
    /// The directory `root`, or the component file.
    #[cfg(test)]
    pub(crate) fn new(root: &Path) -> Self {
        Self::copied_from(root, Arc::default(), Arc::default())
    }

    /// The directory `root`, or the component file. Reports name what its files are copies of.
    pub(crate) fn copied_from(root: &Path, origins: Arc<FileOrigins>, registries: Arc<RegistryComponents>) -> Self {
        Self { root: root.to_owned(), origins, registries, named: Mutex::default() }
    }

    fn file(&self, key: &ComponentKey) -> PathBuf {
        if key.is_alone() { self.root.clone() } else { self.root.join(key.path()) }
    }

    fn fingerprint_of(&self, file: &Path) -> io::Result<Fingerprint> {
        let found =
            fingerprint(file, if file == self.root { file.parent().unwrap_or(Path::new("")) } else { &self.root })?;
        if found.component.is_some() && !is_route_file(file) {
            return Ok(found);
        }
        let in_registry = self.stamp_in_registry(&file.with_extension("toml"));
        Ok(Fingerprint { component: in_registry.or(found.component), ..found })
    }

    /// The version of the component in a registry that a route file names. `None` if it names none.
    fn stamp_in_registry(&self, route_file: &Path) -> Option<Stamp> {
        let reference = match self.named(route_file) {
            NamedComponent::Nothing => return None,
            // It is loaded so that this is reported.
            NamedComponent::Mistake => return Some(Stamp { length: 0, contents: [0; 4], status: [0; 2] }),
            NamedComponent::InRegistry(component) => component.reference,
        };
        let version = self.registries.version(&reference);
        let contents = match &reference.version {
            TagOrDigest::Digest(digest) => digest.words(),
            TagOrDigest::Tag(_) => {
                let [first, second, third, _] = ContentDigest::of(reference.to_string().as_bytes()).words();
                [first, second, third, version]
            }
        };
        Some(Stamp { length: 0, contents, status: [version, 0] })
    }

    /// What a route file says of its component. It is read again when it changes. If it is no TOML then, it is still what it
    /// was: its mistake is reported, and what it names serves on.
    fn named(&self, route_file: &Path) -> NamedComponent {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(version) = version(route_file) else {
            named.remove(route_file);
            return NamedComponent::Nothing;
        };
        let before = match named.get(route_file) {
            Some((known, component)) if *known == version => return component.clone(),
            Some((_, component)) => component.clone(),
            None => NamedComponent::Nothing,
        };
        let bytes = regular_file::read(route_file, MAX_ROUTE_FILE_BYTES).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let component = text.and_then(|text| NamedComponent::of(&text)).unwrap_or(before);
        named.insert(route_file.to_owned(), (version, component.clone()));
        component
    }

    /// Has no others followed than the components that these route files name.
    fn keep_named<'f>(&self, route_files: impl Iterator<Item = &'f Path>) {
        let mut wanted = BTreeMap::new();
        for route_file in route_files {
            if let NamedComponent::InRegistry(component) = self.named(route_file) {
                let poll = wanted.entry(component.reference).or_insert(component.poll);
                *poll = component.poll.min(*poll);
            }
        }
        self.registries.keep(&wanted);
    }
}

impl Source for Disk {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self) -> io::Result<Listing> {
        if fs::metadata(&self.root)?.is_dir() {
            return Walk::new(self).run();
        }
        self.keep_named(std::iter::once(&*self.root.with_extension("toml")));
        let component = (ComponentKey::alone(&self.root), self.fingerprint_of(&self.root)?);
        Ok(Listing { components: vec![component], directories: vec![self.root.clone()], ..Listing::default() })
    }

    fn fingerprint(&self, key: &ComponentKey) -> io::Result<Fingerprint> {
        self.fingerprint_of(&self.file(key))
    }

    fn file_of(&self, key: &ComponentKey) -> Option<String> {
        let file = self.file(key);
        let files = script::extensions().map(|extension| file.with_extension(extension));
        let mut found = files.filter(|file| file.symlink_metadata().is_ok());
        found.next().map(|file| file.display().to_string())
    }

    fn read_library(&self, key: &ComponentKey, max_bytes: u64) -> Result<Vec<LibraryFile>, ReadError> {
        let file = self.file(key);
        let root = if key.is_alone() { file.parent().unwrap_or(Path::new("")) } else { &self.root };
        let mut left = max_bytes;
        let mut read = Vec::new();
        for path in library(&file, &site_root(&file, root)) {
            let content = regular_file::read(&path, left)?;
            left -= content.len() as u64;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            read.push(LibraryFile { path, content });
        }
        Ok(read)
    }

    fn read(&self, key: &ComponentKey, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
        regular_file::read(&self.file(key), max_bytes)
    }

    fn read_route_file(&self, key: &ComponentKey, max_bytes: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let file = self.file(key).with_extension("toml");
        // A link to nowhere is there, and cannot be read.
        if file.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        regular_file::read(&file, max_bytes).map(Some)
    }

    fn watch(&self, changed: Box<dyn Fn() + Send>) -> Result<Box<dyn ChangeWatcher>, WatchError> {
        Ok(Box::new(Watcher::start(&self.root, changed)?))
    }
}

impl<'r> Walk<'r> {
    fn new(disk: &'r Disk) -> Self {
        let (directories, is_settled) = (vec![disk.root.clone()], !disk.origins.is_empty());
        let listing = Listing { directories, is_settled, ..Listing::default() };
        Self { disk, root: &disk.root, listing, route_files: Vec::new(), ignored: Vec::new() }
    }

    fn run(mut self) -> io::Result<Listing> {
        let entries = entries(self.root)?;
        self.add_entries(entries, &mut vec![fs::canonicalize(self.root)?]);
        let files = self.listing.components.iter().map(|(key, _)| key.path().to_owned()).collect();
        self.add_components_in_registries(&files);
        self.listing.components.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.report_orphans();
        self.ignored.sort();
        self.listing.diagnostics.extend(ignored_files::report(&self.ignored));
        Ok(self.listing)
    }

    /// Adds the entries of a directory. `ancestors` are the real paths of the directories that lead to it; it is the last.
    /// Names that begin with a dot are left out. So are those that begin with an underscore, except for middleware: that is
    /// added whatever it is, since middleware that cannot be loaded must not look as if it were not there.
    fn add_entries(&mut self, entries: Vec<PathBuf>, ancestors: &mut Vec<PathBuf>) {
        for path in entries {
            let name = path.file_name().unwrap_or_default();
            let is_reserved = is_reserved_name(name);
            let has = |wanted| path.extension().is_some_and(|extension| extension == wanted);
            let is_served = script::is_served(self.path_in_tree(&path));
            if name.as_encoded_bytes().starts_with(b".") || (is_reserved && !is_served && !has("toml")) {
                continue;
            }
            match path.metadata() {
                // It may name middleware in a registry.
                Ok(_) | Err(_) if is_reserved && !is_served => self.route_files.push(path),
                Ok(_) | Err(_) if is_reserved => self.add_component(&path),
                Ok(metadata) if metadata.is_dir() => self.add_directory(&path, ancestors),
                Ok(_) | Err(_) if is_served => self.add_component(&path),
                Ok(_) | Err(_) if has("toml") => self.route_files.push(path),
                Ok(metadata) if metadata.is_file() && !script::is_imported(self.path_in_tree(&path)) => {
                    self.ignored.push(path);
                }
                Ok(_) => {}
                Err(failed) => self.report_unread(&path, failed),
            }
        }
    }

    fn add_component(&mut self, file: &Path) {
        match self.disk.fingerprint_of(file) {
            Ok(fingerprint) => {
                let path = self.path_in_tree(file);
                let key = match self.disk.origins.of(path) {
                    Some(origin) => ComponentKey::copied_from(path, &origin),
                    None => ComponentKey::in_directory(self.root, path),
                };
                self.listing.components.push((key, fingerprint));
            }
            Err(failed) => self.report_unread(file, failed),
        }
    }

    /// Adds the components that route files name. Those that have a file of a component are loaded with that, and report it.
    fn add_components_in_registries(&mut self, files: &BTreeSet<PathBuf>) {
        let components = self.route_files.iter().map(|route_file| route_file.with_extension("wasm"));
        let components = components.filter(|component| !files.contains(self.path_in_tree(component)));
        let components: Vec<PathBuf> = components.collect();
        for component in &components {
            if let Some(stamp) = self.disk.stamp_in_registry(&component.with_extension("toml")) {
                let Ok(found) = fingerprint(component, self.root) else { continue };
                let key = ComponentKey::in_registry(self.root, self.path_in_tree(component));
                self.listing.components.push((key, Fingerprint { component: Some(stamp), ..found }));
            }
        }
        let route_files: Vec<PathBuf> = components.iter().map(|component| component.with_extension("toml")).collect();
        self.disk.keep_named(route_files.iter().map(PathBuf::as_path));
    }

    /// Adds a directory. At the top of the tree it may be that of a site.
    fn add_directory(&mut self, directory: &Path, ancestors: &mut Vec<PathBuf>) {
        let is_at_top = directory.parent() == Some(self.root);
        match is_at_top.then(|| Site::of_directory_name(directory.file_name()?)).flatten() {
            Some(Err(error)) => {
                self.listing.directories.push(directory.to_owned());
                return self.report(directory, format!("it is no site: {error}"), error.remedy());
            }
            Some(Ok(site)) => drop(self.listing.sites.insert(site)),
            None => {}
        }
        self.descend(directory, ancestors);
    }

    fn descend(&mut self, directory: &Path, ancestors: &mut Vec<PathBuf>) {
        self.listing.directories.push(directory.to_owned());
        let read = || Ok::<_, io::Error>((fs::canonicalize(directory)?, entries(directory)?));
        let (real, entries) = match read() {
            Ok(read) => read,
            Err(failed) => return self.report_unread(directory, failed),
        };
        if ancestors.contains(&real) {
            let reason = format!("it leads back to {}, which it is in", real.display());
            return self.report(directory, reason, "remove the link");
        }
        if ancestors.len() == MAX_DEPTH {
            let reason = format!("it is deeper than {MAX_DEPTH} directories, and not looked into");
            return self.report(directory, reason, "move it up, or declare longer paths");
        }
        ancestors.push(real);
        self.add_entries(entries, ancestors);
        ancestors.pop();
    }

    /// Notes that a file or directory cannot be read. If it is gone by now there is nothing to note.
    fn report_unread(&mut self, file: &Path, failed: io::Error) {
        if failed.kind() == io::ErrorKind::NotFound {
            return;
        }
        self.report(file, ReadError::from(failed), "make it readable, or begin its name with `_`");
        let path = self.path_in_tree(file).to_owned();
        self.listing.unread.push(Unread { path, location: file.display().to_string() });
    }

    /// Reports route files without a component.
    fn report_orphans(&mut self) {
        let Listing { components, unread, diagnostics, .. } = &mut self.listing;
        let is_reserved = |file: &&PathBuf| file.file_name().is_some_and(is_reserved_name);
        for route_file in self.route_files.iter().filter(|file| !is_reserved(file)) {
            let is_there = |extension| {
                let component = route_file.with_extension(extension);
                let path = component.strip_prefix(self.root).unwrap_or(&component);
                let is_found = components.binary_search_by(|(key, _)| key.path().cmp(path)).is_ok();
                is_found || unread.iter().any(|it| it.path == path)
            };
            if !script::extensions().any(is_there) {
                let remedy = "put the component there, or rename this file after its component";
                let reason = "there is no component of that name beside it";
                diagnostics.push(Diagnostic::warning(route_file.display(), reason, remedy));
            }
        }
    }

    fn report(&mut self, file: &Path, reason: impl std::fmt::Display, remedy: &str) {
        self.listing.diagnostics.push(Diagnostic::error(file.display(), reason, remedy));
    }

    fn path_in_tree<'f>(&self, file: &'f Path) -> &'f Path {
        file.strip_prefix(self.root).unwrap_or(file)
    }
}

impl DirectoryIdentity {
    /// That of the directory that `path` leads to now, or `None` if it leads to none.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino(), created: metadata.created().ok() })
    }
}

/// Whether a file that is served alone is a route file, which names the component.
fn is_route_file(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml")
}

/// The version of a file. `None` if it is not there.
pub(super) fn version(file: &Path) -> Option<FileVersion> {
    Some(FileVersion(stamp(&file.metadata().ok()?)))
}

/// What the script `file` can import: the files of its language in the directories `lib` beside it and above, up to
/// `root`, which is that of its site. Those of the nearest directory come first. What cannot be listed is left out: an import fails then.
fn library(file: &Path, root: &Path) -> Vec<PathBuf> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    let mut files = Vec::new();
    let directories = file.ancestors().skip(1).take_while(|directory| directory.starts_with(root));
    for directory in directories {
        add_modules(&directory.join(LIBRARY), language, MAX_DEPTH, &mut files);
    }
    files
}

/// Where the tree of the site of a file begins. What is above it belongs to others.
fn site_root(file: &Path, root: &Path) -> PathBuf {
    let directory = file.parent().and_then(|directory| directory.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    root.join(Site::of_directory(directory).1)
}

fn add_modules(directory: &Path, language: Language, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(mut entries) = entries(directory) else { return };
    entries.sort();
    for path in entries {
        let is_hidden = path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b".");
        if is_hidden || files.len() == MAX_LIBRARY_FILES {
            continue;
        }
        if Language::of(&path) == Some(language) {
            files.push(path);
        } else if depth > 0 && path.is_dir() && !path.is_symlink() {
            // Links to directories are left out: they can lead back.
            add_modules(&path, language, depth - 1, files);
        }
    }
}

/// The version of the component or script `file`. That of a script changes with what it can import.
fn fingerprint(file: &Path, root: &Path) -> io::Result<Fingerprint> {
    let stamp_at = |file: &Path| match file.metadata().or_else(|_| file.symlink_metadata()) {
        Ok(metadata) => Ok(Some(stamp(&metadata))),
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failed) => Err(failed),
    };
    let component = stamp_at(file)?.map(|stamp| {
        library(file, &site_root(file, root))
            .iter()
            .filter_map(|module| Some((module, version(module)?)))
            .fold(stamp, with_module)
    });
    Ok(Fingerprint { component, route_file: stamp_at(&file.with_extension("toml"))? })
}

/// The version of a script that can import `module`.
fn with_module(script: Stamp, (path, FileVersion(module)): (&PathBuf, FileVersion)) -> Stamp {
    let mut hasher = DefaultHasher::new();
    (script.contents, script.status, path, module.length, module.contents, module.status).hash(&mut hasher);
    let [_, inode, modified, nanoseconds] = script.contents;
    Stamp { contents: [hasher.finish(), inode, modified, nanoseconds], ..script }
}

/// The version of a file: writing to it, replacing it and changing who may read it change one of these.
fn stamp(metadata: &Metadata) -> Stamp {
    let seconds_and_nanoseconds =
        |seconds: i64, nanoseconds: i64| [seconds.cast_unsigned(), nanoseconds.cast_unsigned()];
    let [modified, nanoseconds] = seconds_and_nanoseconds(metadata.mtime(), metadata.mtime_nsec());
    Stamp {
        length: metadata.len(),
        contents: [metadata.dev(), metadata.ino(), modified, nanoseconds],
        status: seconds_and_nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}
