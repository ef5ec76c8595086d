//! Middleware of a routes directory: a loaded component at its place, and the chain of them that a route has.
//!
//! Owns which files are middleware and which of them are a route's. It reads no disk.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::pattern_cover::{self, Cover};
use crate::exchange::Exchange;
use crate::guest::{Grants, Invocation, Middleware};
use crate::options::Options;

#[cfg(test)]
mod tests;

/// The name of the file that is for its directory and all below.
const DIRECTORY_FILE: &str = "_middleware.wasm";

/// The most names that a route asks for.
pub const MAX_NAMES: usize = 16;

/// A middleware, loaded.
#[derive(Debug)]
pub struct LoadedMiddleware {
    /// Its name in logs and reports: its place without the extension, as in `api/_auth`.
    pub name: Arc<str>,
    /// The component's file.
    pub file: PathBuf,
    /// Its own options.
    pub options: Arc<Options>,
    /// What it may reach.
    pub grants: Grants,
    /// The path patterns that its file says it guards, checked.
    pub paths: Vec<String>,
    /// All that it guards by its path.
    pub covers: Arc<[Cover]>,
    /// The component.
    pub component: Middleware,
}

/// A middleware in the chain of a route.
#[derive(Debug, Clone)]
pub struct ChainLink {
    /// The middleware.
    pub layer: Arc<LoadedMiddleware>,
    /// The paths of the route that it is for; none where it is for all of them.
    pub(super) only: Option<Arc<[Cover]>>,
}

impl LoadedMiddleware {
    /// An invocation of it for the request with number `id`. Its processor time counts for the target that has the number
    /// `target`.
    #[must_use]
    pub fn invocation(&self, exchange: Arc<Exchange>, target: u64, id: u64) -> Invocation {
        Invocation {
            exchange,
            options: self.options.clone(),
            grants: self.grants,
            route: self.name.clone(),
            handler: target,
            id,
        }
    }
}

impl ChainLink {
    /// Whether it is for some paths of the route alone.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.only.is_some()
    }

    /// Whether it is for a path, as it was sent.
    #[must_use]
    pub fn is_for(&self, path: &str) -> bool {
        self.only.as_ref().is_none_or(|only| pattern_cover::covers(only, path))
    }

    /// Whether it is the same middleware, for the same paths.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layer, &other.layer) && self.only == other.only
    }
}

/// What a middleware of the routes directory `root` guards by its path: what its file says, and for that of a directory
/// what lies below the directory's path.
pub(super) fn covers(root: &Path, file: &Path, paths: &[String]) -> Vec<Cover> {
    let directory = file.strip_prefix(root).ok().and_then(Path::parent).filter(|_| is_of_directory(file));
    directory.and_then(Cover::of_directory).into_iter().chain(paths.iter().map(|path| Cover::new(path))).collect()
}

/// What is known of a file that may be middleware. `L` is a loaded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MiddlewareLookup<L> {
    /// There is no such file.
    Nothing,
    /// It is loaded.
    Loaded(L),
    /// It is on its way.
    Awaited,
    /// It cannot be loaded.
    Broken,
}

/// Why a route has no chain. To serve it with less would be to serve it without what guards it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ChainError {
    /// A middleware is on its way.
    #[error("its middleware {} is being loaded", .0.display())]
    Awaited(PathBuf),
    /// A middleware cannot be loaded.
    #[error("its middleware {} cannot be loaded", .0.display())]
    Broken(PathBuf),
    /// There is no middleware of that name.
    #[error("its middleware `{0}` is not there: there is no `_{0}.wasm` in its directory or above")]
    Missing(String),
}

impl ChainError {
    /// What the operator can do.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Awaited(_) => "wait until it is loaded",
            Self::Broken(_) => "mend that file, or remove it if the route is to be served without",
            Self::Missing(_) => "put it there, or take its name out of the route's file",
        }
    }
}

/// Whether a file is middleware, and not a route: its name begins with `_`.
pub(super) fn is_layer(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"_"))
}

/// Whether a middleware is for its directory and all below.
pub(super) fn is_of_directory(file: &Path) -> bool {
    file.file_name() == Some(OsStr::new(DIRECTORY_FILE))
}

/// Whether a route that asks for these names may mean that file.
pub(super) fn may_mean(route: &Path, names: &[String], file: &Path) -> bool {
    let named = || names.iter().any(|name| file.file_name() == Some(OsStr::new(&file_of(name))));
    route.parent().zip(file.parent()).is_some_and(|(below, above)| below.starts_with(above)) && named()
}

/// The chain of a route: that of its directories, the outermost first, and then those that it names, each the nearest of
/// its name. None is called twice.
pub(super) fn chain<L>(
    route: &Path,
    names: &[String],
    find: impl Fn(&Path) -> MiddlewareLookup<L>,
) -> Result<Vec<(PathBuf, L)>, ChainError> {
    let mut files: Vec<PathBuf> = directories(route).map(|directory| directory.join(DIRECTORY_FILE)).collect();
    files.reverse();
    let is_there = |file: &PathBuf| !matches!(find(file), MiddlewareLookup::Nothing);
    files.retain(is_there);
    for name in names {
        let nearest = directories(route).map(|directory| directory.join(file_of(name))).find(is_there);
        let nearest = nearest.ok_or_else(|| ChainError::Missing(name.clone()))?;
        if !files.contains(&nearest) {
            files.push(nearest);
        }
    }
    let loaded = |file: PathBuf| match find(&file) {
        MiddlewareLookup::Loaded(layer) => Ok((file, layer)),
        MiddlewareLookup::Awaited => Err(ChainError::Awaited(file)),
        MiddlewareLookup::Broken | MiddlewareLookup::Nothing => Err(ChainError::Broken(file)),
    };
    files.into_iter().map(loaded).collect()
}

fn file_of(name: &str) -> String {
    format!("_{name}.wasm")
}

/// The directories that a file is in, the innermost first.
fn directories(file: &Path) -> impl Iterator<Item = &Path> {
    file.ancestors().skip(1)
}
