//! Loaded middleware, and the rules for which of it is in the chain of a route.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::component::{ComponentKey, ComponentRole, directory_middleware, named_middleware};
use super::pattern_cover::{self, Cover};
use crate::exchange::Exchange;
use crate::grants::Grants;
use crate::guest::{Invocation, Middleware};
use crate::options::Options;

#[cfg(test)]
mod tests;

/// The most names of middleware in one route file.
pub const MAX_NAMES: usize = 16;

/// A middleware, loaded.
#[derive(Debug)]
pub struct LoadedMiddleware {
    /// Its name in logs and reports: its path in the tree without the extension, as in `api/_auth`.
    pub name: Arc<str>,
    /// Which component it is.
    pub key: ComponentKey,
    /// Its own options.
    pub options: Arc<Options>,
    /// What it may reach. `None`: nothing beyond its request.
    pub grants: Option<Arc<Grants>>,
    /// The path patterns that its route file says it guards, checked.
    pub paths: Vec<String>,
    /// All paths that it guards, those of its directory included.
    pub covers: Arc<[Cover]>,
    /// The component.
    pub component: Middleware,
}

/// A middleware in the chain of a route.
#[derive(Debug, Clone)]
pub struct ChainLink {
    /// The middleware.
    pub middleware: Arc<LoadedMiddleware>,
    /// The paths of the route that it is for. `None`: all of them.
    pub(super) covers: Option<Arc<[Cover]>>,
}

impl LoadedMiddleware {
    /// An invocation of it for the request with number `id`. Its processor time counts for the target that has the number
    /// `target`.
    #[must_use]
    pub fn invocation(&self, exchange: Arc<Exchange>, target: u64, id: u64) -> Invocation {
        Invocation {
            exchange,
            options: self.options.clone(),
            grants: self.grants.clone(),
            request_fields: None,
            route: self.name.clone(),
            handler: target,
            id,
        }
    }
}

impl LoadedMiddleware {
    /// Makes this the next version of `before`, whose quarantine ends.
    pub(super) fn succeed(&self, before: &Self) {
        if let Some(change) = self.options.quarantine.replace(&before.options.quarantine) {
            change.log("middleware", &self.name);
        }
    }
}

impl ChainLink {
    /// Whether it is for some paths of the route only.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.covers.is_some()
    }

    /// Whether it is for a path. The path is as the client sent it.
    #[must_use]
    pub fn is_for(&self, path: &str) -> bool {
        self.covers.as_ref().is_none_or(|only| pattern_cover::covers(only, path))
    }

    /// Whether it is the same middleware, for the same paths.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.middleware, &other.middleware) && self.covers == other.covers
    }
}

/// The paths that a middleware guards: `paths`, which its route file has, and for the middleware of a directory all below the
/// directory's path.
pub(super) fn covers(key: &ComponentKey, paths: &[String]) -> Vec<Cover> {
    let is_of_directory = key.role() == ComponentRole::DirectoryMiddleware && !key.is_alone();
    let directory = is_of_directory.then(|| Cover::of_directory(key.directory_in_site())).flatten();
    directory.into_iter().chain(paths.iter().map(|path| Cover::new(path))).collect()
}

/// What is known of the middleware at a path in the tree. `L` is a loaded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MiddlewareLookup<L> {
    /// There is none.
    Missing,
    /// It is loaded.
    Loaded(L),
    /// It is being loaded. With its location.
    Pending(String),
    /// It cannot be loaded. With its location.
    Broken(String),
}

impl<L> MiddlewareLookup<L> {
    /// The loaded one.
    ///
    /// # Errors
    /// If there is none. `path` is where it should be.
    pub(super) fn loaded(self, path: &Path) -> Result<L, ChainError> {
        match self {
            Self::Loaded(middleware) => Ok(middleware),
            Self::Pending(location) => Err(ChainError::Pending(location)),
            Self::Broken(location) => Err(ChainError::Broken(location)),
            Self::Missing => Err(ChainError::Broken(path.display().to_string())),
        }
    }
}

/// Why a route has no chain. It is not served with a part of it, which would be without its guard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ChainError {
    /// A middleware is being loaded. With its location.
    #[error("its middleware {0} is being loaded")]
    Pending(String),
    /// A middleware cannot be loaded. With its location.
    #[error("its middleware {0} cannot be loaded")]
    Broken(String),
    /// There is no middleware of that name.
    #[error("its middleware `{0}` is not there: there is no `_{0}.wasm` in its directory or above")]
    Missing(String),
}

impl ChainError {
    /// What the operator can do.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Pending(_) => "wait until it is loaded",
            Self::Broken(_) => "mend that file, or remove it if the route is to be served without",
            Self::Missing(_) => "put it there, or take its name out of the route's file",
        }
    }
}

/// Whether a route that asks for these names may mean that middleware.
pub(super) fn may_mean(route: &ComponentKey, names: &[String], middleware: &ComponentKey) -> bool {
    route.directories().any(|directory| directory == middleware.directory())
        && names.iter().any(|name| middleware.is_middleware_named(name))
}

/// The chain of a route: the middleware of its directories, the outermost first, and then those that it names, each the
/// nearest of its name. None is there twice.
pub(super) fn chain<L>(
    route: &ComponentKey,
    names: &[String],
    find: impl Fn(&Path) -> MiddlewareLookup<L>,
) -> Result<Vec<L>, ChainError> {
    let mut paths: Vec<_> = route.directories().flat_map(directory_middleware).collect();
    paths.reverse();
    let is_there = |path: &_| !matches!(find(path), MiddlewareLookup::Missing);
    paths.retain(|path| is_there(path));
    for name in names {
        let mut by_distance = route.directories().flat_map(|directory| named_middleware(directory, name));
        let nearest = by_distance.find(|path| is_there(path)).ok_or_else(|| ChainError::Missing(name.clone()))?;
        if !paths.contains(&nearest) {
            paths.push(nearest);
        }
    }
    paths.iter().map(|path| find(path).loaded(path)).collect()
}
