//! All routes of a server at one time, and which of them answers a request.
//!
//! It must not know how routes are loaded, nor do any work per request that could be done once.

use std::sync::Arc;

use matchit::Router;

use super::conflict::settle;
use super::method::{self, STANDARD};
use super::path::{comparable, plain};
use super::route::Route;
use crate::diagnostic::Diagnostic;
use crate::guest::Handler;

#[cfg(test)]
mod tests;

/// An immutable table of routes.
#[derive(Debug)]
pub struct RouteTable<H = Handler> {
    /// Finds a place in `endpoints`.
    router: Router<usize>,
    endpoints: Vec<Endpoint<H>>,
    routes: Vec<Arc<Route<H>>>,
    /// The methods that some route declares and that are not standard.
    extensions: Vec<String>,
    allow: String,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Lookup<'t, H = Handler> {
    /// The route that answers.
    Found {
        /// The route.
        route: &'t Arc<Route<H>>,
        /// What its pattern captured.
        params: Params,
    },
    /// There is a route at this path, for other methods: 405.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: &'t str,
    },
    /// An OPTIONS request that no route at this path declares: the host answers it.
    Options {
        /// The value of `Allow`.
        allow: &'t str,
    },
    /// No route knows the method, nor does the standard: 501.
    NotImplemented,
    /// There is no route at this path: 404.
    NotFound,
    /// The path is not properly encoded text: 400.
    BadPath,
}

/// The captured pieces of a path by name, percent-decoded, in the order of the pattern.
pub type Params = Vec<(String, String)>;

/// The routes at one pattern. No two of them take the same method.
#[derive(Debug)]
struct Endpoint<H> {
    routes: Vec<Arc<Route<H>>>,
    /// The value of `Allow`.
    allow: String,
}

impl<H> RouteTable<H> {
    /// Makes a table, and reports the conflicts. Where routes conflict at a pattern none of them is mounted at it; a
    /// route that is left without any is not in the table.
    pub fn build(mut routes: Vec<Route<H>>) -> (Self, Vec<Diagnostic>) {
        routes.sort_by(|one, other| one.mount.file.cmp(&other.mount.file));
        let settled = settle(&routes);
        for (index, route) in routes.iter_mut().enumerate() {
            let holds = |pattern: &String| settled.claims.get(pattern).is_some_and(|held| held.contains(&index));
            route.mount.patterns.retain(holds);
        }
        let mut routes: Vec<Arc<Route<H>>> = routes.into_iter().map(Arc::new).collect();
        let endpoints = settled
            .claims
            .values()
            .map(|held| Endpoint::new(held.iter().map(|index| Arc::clone(&routes[*index])).collect()))
            .collect();
        routes.retain(|route| !route.mount.patterns.is_empty());
        let table = Self {
            router: settled.router,
            endpoints,
            extensions: method::extensions(declarations(&routes)).map(str::to_owned).collect(),
            allow: method::allow(declarations(&routes)),
            routes,
        };
        (table, settled.diagnostics)
    }

    /// Finds what answers a request: `path` as it was sent, ASCII and percent-encoded, without its query.
    ///
    /// A trailing slash is passed over where no route has it. Nothing is allocated where nothing is captured and the
    /// path has no `%`.
    pub fn lookup(&self, method: &str, path: &str) -> Lookup<'_, H> {
        if !STANDARD.contains(&method) && !self.extensions.iter().any(|known| known == method) {
            return Lookup::NotImplemented;
        }
        let Ok(path) = comparable(path) else { return Lookup::BadPath };
        let matched = self.router.at(&path).ok().or_else(|| self.router.at(path.strip_suffix('/')?).ok());
        let Some(matched) = matched else { return Lookup::NotFound };
        let endpoint = &self.endpoints[*matched.value];
        match endpoint.routes.iter().find(|route| method::covers(&route.mount.methods, method)) {
            Some(route) => {
                let params = matched.params.iter().map(|(name, value)| (name.to_owned(), plain(value)));
                Lookup::Found { route, params: params.collect() }
            }
            None if method == "OPTIONS" => Lookup::Options { allow: &endpoint.allow },
            None => Lookup::MethodNotAllowed { allow: &endpoint.allow },
        }
    }

    /// The value of `Allow` for the whole server: the answer to `OPTIONS *`.
    pub fn allow_all(&self) -> &str {
        &self.allow
    }

    /// The mounted routes, sorted by file, each with the patterns that it is mounted at.
    pub fn routes(&self) -> &[Arc<Route<H>>] {
        &self.routes
    }
}

impl<H> Endpoint<H> {
    fn new(routes: Vec<Arc<Route<H>>>) -> Self {
        Self { allow: method::allow(declarations(&routes)), routes }
    }
}

fn declarations<H>(routes: &[Arc<Route<H>>]) -> impl Iterator<Item = &[String]> + Clone {
    routes.iter().map(|route| route.mount.methods.as_slice())
}
