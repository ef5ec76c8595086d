//! The identity of a component: what it is for, where it is in the tree of routes, and what reports call it.
//!
//! Owns the rules for names in the tree. It is data: what holds the bytes, a file or something else, is known to the
//! [`Source`](super::source::Source) alone.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::script;
use super::site::Site;
use crate::dev::FileOrigin;
use crate::text::printable;

/// The name of a middleware that is for its directory and all below.
const OF_DIRECTORY: &str = "middleware";

/// Identifies a component among all of a source, which are ordered by their paths. Cheap to clone.
#[derive(Clone)]
pub struct ComponentKey(Arc<Identity>);

struct Identity {
    path: PathBuf,
    location: String,
    route_file: String,
    role: ComponentRole,
    is_alone: bool,
    site: Site,
}

/// What a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentRole {
    /// It answers the requests of a route.
    Handler,
    /// It is middleware of all routes in its directory and below.
    DirectoryMiddleware,
    /// It is middleware of the routes that name it.
    NamedMiddleware,
}

impl ComponentKey {
    /// The component at `path` in the tree of the directory `root`.
    #[must_use]
    pub fn in_directory(root: &Path, path: &Path) -> Self {
        Self::new(path.to_owned(), &root.join(path), false)
    }

    /// A component file that is served alone, as if it lay in a directory of its own.
    #[must_use]
    pub fn alone(file: &Path) -> Self {
        Self::new(file.file_name().map_or_else(|| file.to_owned(), PathBuf::from), file, true)
    }

    /// The component at `path` in the tree of a directory whose files are copies. Reports name what they are copies of.
    pub(super) fn copied_from(path: &Path, origin: &FileOrigin) -> Self {
        let FileOrigin { component, route_file } = origin;
        Self::reported_as(path.to_owned(), component, route_file, false)
    }

    /// The component in a registry that the route file of `path` in the tree of the directory `root` names. Reports name that file.
    pub(super) fn in_registry(root: &Path, path: &Path) -> Self {
        let route_file = root.join(path).with_extension("toml");
        Self::reported_as(path.to_owned(), &route_file, &route_file, false)
    }

    fn new(path: PathBuf, file: &Path, is_alone: bool) -> Self {
        Self::reported_as(path, file, &file.with_extension("toml"), is_alone)
    }

    fn reported_as(path: PathBuf, file: &Path, route_file: &Path, is_alone: bool) -> Self {
        let role = match middleware_name(&path) {
            None => ComponentRole::Handler,
            Some(name) if name == OF_DIRECTORY => ComponentRole::DirectoryMiddleware,
            Some(_) => ComponentRole::NamedMiddleware,
        };
        let (location, route_file) = (file.display().to_string(), route_file.display().to_string());
        let site = Site::of_directory(path.parent().unwrap_or(Path::new(""))).0;
        Self(Arc::new(Identity { path, location, route_file, role, is_alone, site }))
    }

    /// Its path in the tree of routes, as in `shop/[id].wasm`. No other component of its source has it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Its directory in the tree of routes. That of the root is empty.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.path.parent().unwrap_or(Path::new(""))
    }

    /// The site that it belongs to.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// Where the tree of its site begins in the tree of routes. Empty outside of all directories of sites.
    pub(super) fn site_directory(&self) -> &Path {
        Site::of_directory(self.directory()).1
    }

    /// Its path in the tree of its site.
    pub(super) fn path_in_site(&self) -> &Path {
        self.path().strip_prefix(self.site_directory()).unwrap_or(self.path())
    }

    /// Its directory in the tree of its site.
    pub(super) fn directory_in_site(&self) -> &Path {
        self.path_in_site().parent().unwrap_or(Path::new(""))
    }

    /// Its directory and those above it in the tree of its site, as paths in the tree of routes.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        let first = self.site_directory();
        self.directory().ancestors().take_while(move |directory| directory.starts_with(first))
    }

    /// What reports call it: the path of its file.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// What reports call its route file, whether there is one or not.
    #[must_use]
    pub fn route_file(&self) -> &str {
        &self.0.route_file
    }

    /// What it is for.
    #[must_use]
    pub fn role(&self) -> ComponentRole {
        self.0.role
    }

    /// Whether it is middleware, of either kind.
    #[must_use]
    pub fn is_middleware(&self) -> bool {
        self.0.role != ComponentRole::Handler
    }

    /// Whether its source has no other component, and no tree.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.0.is_alone
    }

    /// Whether it is the middleware that routes call `name`.
    pub(super) fn is_middleware_named(&self, name: &str) -> bool {
        middleware_name(self.path()).is_some_and(|of_file| of_file == name)
    }

    /// Whether it is middleware of the same name as another.
    pub(super) fn has_middleware_name_of(&self, other: &Self) -> bool {
        self.is_middleware() && middleware_name(self.path()) == middleware_name(other.path())
    }

    /// Its name in logs and reports: its path without the extension, escaped.
    pub(super) fn name(&self) -> Arc<str> {
        printable(&self.path().with_extension("").to_string_lossy()).into()
    }

    /// Its path in the tree. If it is alone, its location.
    pub(super) fn short_location(&self) -> String {
        if self.0.is_alone { self.0.location.clone() } else { self.0.path.display().to_string() }
    }
}

/// The paths in the tree that the middleware which is for `directory` and all below can have.
pub(super) fn directory_middleware(directory: &Path) -> impl Iterator<Item = PathBuf> {
    named_middleware(directory, OF_DIRECTORY)
}

/// The paths in the tree that the middleware in `directory` which routes call `name` can have.
pub(super) fn named_middleware(directory: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    script::extensions().map(move |extension| directory.join(format!("_{name}.{extension}")))
}

/// Whether a name in the tree, with its extension, is reserved for middleware: it begins with `_`.
pub(super) fn is_reserved_name(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"_")
}

/// What routes call the middleware at `path`. `None` if that is no path of middleware.
fn middleware_name(path: &Path) -> Option<&OsStr> {
    let name = path.file_stem()?.as_bytes().strip_prefix(b"_")?;
    Some(OsStr::from_bytes(name))
}

/// Its location.
impl fmt::Display for ComponentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.location)
    }
}

impl fmt::Debug for ComponentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.path, f)
    }
}

impl PartialEq for ComponentKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.path == other.0.path
    }
}

impl Eq for ComponentKey {}

impl PartialOrd for ComponentKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ComponentKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.path.cmp(&other.0.path)
    }
}

impl Hash for ComponentKey {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.path.hash(state);
    }
}

/// A map by keys is searched by paths in the tree.
impl Borrow<Path> for ComponentKey {
    fn borrow(&self) -> &Path {
        &self.0.path
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The component at a path of a tree whose root is the current directory.
    pub(in crate::routes) fn key(path: &str) -> ComponentKey {
        ComponentKey::in_directory(Path::new(""), Path::new(path))
    }

    #[test]
    fn a_name_in_the_tree_says_what_a_component_is_for() {
        for (path, role) in [
            ("a.wasm", ComponentRole::Handler),
            ("in/a_.wasm", ComponentRole::Handler),
            ("_in/a.wasm", ComponentRole::Handler),
            ("_middleware.wasm", ComponentRole::DirectoryMiddleware),
            ("in/_middleware.wasm", ComponentRole::DirectoryMiddleware),
            ("_middlewares.wasm", ComponentRole::NamedMiddleware),
            ("in/_auth.wasm", ComponentRole::NamedMiddleware),
            ("_.wasm", ComponentRole::NamedMiddleware),
        ] {
            assert_eq!(key(path).role(), role, "{path}");
        }
    }

    #[test]
    fn a_component_is_told_by_its_path_in_the_tree_and_reported_by_its_file() {
        let (one, other) = (Path::new("one"), Path::new("other"));
        let keys = [one, other].map(|root| ComponentKey::in_directory(root, Path::new("in/a.wasm")));
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys.each_ref().map(|key| key.location()), ["one/in/a.wasm", "other/in/a.wasm"]);
        assert_eq!(keys.each_ref().map(|key| key.route_file()), ["one/in/a.toml", "other/in/a.toml"]);
        assert_eq!(
            (keys[0].directory(), &*keys[0].name(), &*keys[0].short_location()),
            (Path::new("in"), "in/a", "in/a.wasm")
        );
        assert!(key("in/a.wasm") < key("in.wasm"), "what is in a directory comes before a file of a longer name");
    }

    #[test]
    fn a_copy_is_reported_as_what_it_is_a_copy_of() {
        let origin = FileOrigin { component: "target/a_b.wasm".into(), route_file: "a-b.toml".into() };
        let copy = ComponentKey::copied_from(Path::new("a-b.wasm"), &origin);
        assert_eq!((copy.location(), copy.route_file()), ("target/a_b.wasm", "a-b.toml"));
        assert_eq!((copy.path(), &*copy.name()), (Path::new("a-b.wasm"), "a-b"));
        assert_eq!(copy, key("a-b.wasm"));
    }

    #[test]
    fn a_file_that_is_served_alone_lies_at_the_root_of_its_own_tree() {
        let key = ComponentKey::alone(Path::new("dir/_auth.wasm"));
        assert_eq!((key.path(), key.directory()), (Path::new("_auth.wasm"), Path::new("")));
        assert_eq!((key.location(), &*key.short_location()), ("dir/_auth.wasm", "dir/_auth.wasm"));
        assert!(key.is_alone() && key.is_middleware() && key.is_middleware_named("auth"));
    }
}
