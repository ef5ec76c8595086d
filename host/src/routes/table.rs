//! All routes of a server at one time, and which of them answers a request. Whatever can be computed once is computed when
//! the table is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::component::ComponentKey;
use super::conflict::{Claimant, resolve};
use super::holders::Holders;
use super::matcher::Matcher;
use super::method::{self, STANDARD};
use super::path::{comparable, plain};
use super::pending::{PendingPatterns, PendingRoute};
use super::route::Route;
use super::segment::capture_names;
use super::site::{Site, SiteMap, shape_in_site};
use super::unserved::{UnservedPatterns, UnservedRoute};
use crate::diagnostic::Diagnostic;
use crate::http::head::RequestHead;

#[cfg(test)]
pub(super) mod tests;

/// An immutable table of routes.
#[derive(Debug)]
pub struct RouteTable {
    sites: SiteMap<SiteRoutes>,
    mounted: Vec<MountedRoute>,
    /// What may answer once it is loaded. `None` if the table is complete.
    pending: Option<PendingPatterns>,
    /// Whether some route waits until a claim of another expires.
    waits_for_claim: bool,
    /// What is known of the components beside the routes.
    load_report: LoadReport,
    /// Paths of components that do not serve. `None` if there are none.
    unserved: Option<UnservedPatterns>,
}

/// The routes of a site.
#[derive(Debug)]
struct SiteRoutes {
    site: Site,
    endpoints: Matcher<Endpoint>,
    /// The methods that some route declares and that are not standard ones.
    extensions: Vec<String>,
    allow: String,
}

/// What is known of the components of a table, beside its routes.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// The components that were being loaded when the table was made.
    pub loading: Vec<ComponentKey>,
    /// What is wrong with files of the source, sorted by location.
    pub diagnostics: Arc<[Diagnostic]>,
}

/// A route of a table.
#[derive(Debug)]
pub struct MountedRoute {
    /// The route.
    pub route: Arc<Route>,
    /// Its patterns that it won, at least one.
    pub patterns: Vec<String>,
}

/// The result of a lookup.
#[derive(Debug)]
pub enum Lookup<'t> {
    /// The route that answers.
    Found {
        /// The route.
        route: &'t Arc<Route>,
        /// What its pattern captured.
        params: Params,
    },
    /// The routes at this path take other methods: 405.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: &'t str,
        /// The first of these routes: its chain sees the host's response.
        first: &'t Arc<Route>,
    },
    /// An OPTIONS request for routes that do not declare the method: the host answers it.
    Options {
        /// The value of `Allow`.
        allow: &'t str,
        /// The first of these routes: its chain sees the host's response.
        first: &'t Arc<Route>,
    },
    /// The method is not standard, and no route has it: 501.
    NotImplemented,
    /// There is no route at this path: 404.
    NotFound,
    /// The path is not properly encoded text: 400.
    BadPath,
    /// Not known yet: a route that may answer is still being loaded.
    Pending,
    /// No route answers. The path is known to belong to a component that does not serve.
    Unserved(&'t UnservedRoute),
    /// No site has the name that the request is for: 421.
    Misdirected,
}

/// What the pattern captured: names and percent-decoded values, in the order of the pattern.
pub type Params = Vec<(String, String)>;

/// The routes at patterns of one shape. No two of them have a method in common.
#[derive(Debug)]
struct Endpoint {
    /// Each with the names of its captures.
    routes: Vec<(Arc<Route>, Vec<String>)>,
    /// The value of `Allow`.
    allow: String,
}

impl RouteTable {
    /// A table without routes.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            sites: SiteMap::new(&BTreeSet::new(), |site| SiteRoutes::new(site, Vec::new())),
            mounted: Vec::new(),
            pending: None,
            waits_for_claim: false,
            load_report: LoadReport::default(),
            unserved: None,
        }
    }

    /// Makes a table, and reports the conflicts. Where routes conflict at a pattern, the one to which the operator gives
    /// it answers, else the one that holds it already, and else none of them; a route that is left without any is not in
    /// the table. `claims` are those of routes that are still being loaded. `sites` are there even if no route answers in them.
    pub fn build(
        mut routes: Vec<Arc<Route>>,
        claims: Vec<(Site, PendingRoute)>,
        holders: &Holders,
        mut sites: BTreeSet<Site>,
    ) -> (Self, Vec<Diagnostic>) {
        routes.sort_by(|one, other| one.mount.key.cmp(&other.mount.key));
        let settled = resolve(&routes, holders);
        let held: BTreeSet<(usize, &str)> =
            settled.claims.values().flatten().map(|claim| (claim.index, claim.pattern.as_str())).collect();
        let mounted = |(index, route): (usize, &Arc<Route>)| {
            let is_held = |pattern: &&String| held.contains(&(index, pattern.as_str()));
            let patterns: Vec<String> = route.mount.patterns.iter().filter(is_held).cloned().collect();
            (!patterns.is_empty()).then(|| MountedRoute { route: route.clone(), patterns })
        };
        let mounted: Vec<MountedRoute> = routes.iter().enumerate().filter_map(mounted).collect();
        // All claims to a shape are of one site.
        let at_shape = settled.claims.iter().filter_map(|(shape, claims)| {
            let site = routes[claims.first()?.index].mount.key.site();
            Some((site, shape_in_site(shape), claims.as_slice()))
        });
        let mut shapes: BTreeMap<&Site, Vec<(&str, &[Claimant])>> = BTreeMap::new();
        at_shape.for_each(|(site, shape, claims)| shapes.entry(site).or_default().push((shape, claims)));
        let pending = PendingPatterns::new(&shapes, claims);
        sites.extend(shapes.keys().map(|site| (*site).clone()));
        let sites = SiteMap::new(&sites, |site| {
            let shapes = shapes.get(site).map_or(&[][..], Vec::as_slice);
            let endpoints = shapes.iter().map(|(shape, claims)| {
                let claims = claims.iter().map(|it| (routes[it.index].clone(), capture_names(&it.pattern)));
                (*shape, Endpoint::new(claims.collect()))
            });
            SiteRoutes::new(site, endpoints.collect())
        });
        let table = Self {
            sites,
            pending,
            waits_for_claim: settled.waits_for_claim,
            mounted,
            load_report: LoadReport::default(),
            unserved: None,
        };
        (table, settled.diagnostics)
    }

    /// Finds what answers a request, by its authority, its method and its path. A slash at the end of the path counts.
    ///
    /// Without captures and `%` nothing is allocated. If there are no sites, the authority is not looked at.
    pub fn lookup(&self, head: &RequestHead) -> Lookup<'_> {
        match self.sites.find(|| head.authority()) {
            Some(routes) => self.lookup_in(routes, head.method(), head.path()),
            None => Lookup::Misdirected,
        }
    }

    /// `path` is as it was sent, ASCII and percent-encoded, without its query.
    fn lookup_in<'t>(&'t self, routes: &'t SiteRoutes, method: &str, path: &str) -> Lookup<'t> {
        let Ok(path) = comparable(path) else { return Lookup::BadPath };
        let lookup = routes.lookup(method, &path);
        match &self.pending {
            Some(pending) if pending.may_change(&routes.site, &lookup, &path) => Lookup::Pending,
            Some(_) | None => match (&lookup, &self.unserved) {
                (Lookup::NotFound, Some(unserved)) => {
                    unserved.find(&routes.site, &path).map_or(lookup, Lookup::Unserved)
                }
                _ => lookup,
            },
        }
    }

    /// What the default site answers.
    #[cfg(test)]
    pub(super) fn lookup_by_default(&self, method: &str, path: &str) -> Lookup<'_> {
        self.lookup_in(self.sites.default_site(), method, path)
    }

    /// The site that a request is for. `None` if it is for none.
    pub fn site(&self, head: &RequestHead) -> Option<&Site> {
        self.sites.find(|| head.authority()).map(|routes| &routes.site)
    }

    /// Whether there is a site with exactly the name in this authority.
    pub fn has_site(&self, authority: &str) -> bool {
        self.sites.exact(authority).is_some()
    }

    /// The same table with what is known beside its routes.
    #[must_use]
    pub(super) fn reporting(self, load_report: LoadReport, unserved: Option<UnservedPatterns>) -> Self {
        Self { load_report, unserved, ..self }
    }

    /// What is known of the components beside the routes.
    pub fn load_report(&self) -> &LoadReport {
        &self.load_report
    }

    /// The value of `Allow` for all of the site that a request is for: the answer to `OPTIONS *`. `None` if it is for none.
    pub fn allow_all(&self, head: &RequestHead) -> Option<&str> {
        self.sites.find(|| head.authority()).map(|routes| routes.allow.as_str())
    }

    /// The mounted routes, sorted by file.
    pub fn routes(&self) -> &[MountedRoute] {
        &self.mounted
    }

    /// Whether another table has the same routes at the same patterns.
    pub(super) fn has_routes_of(&self, other: &Self) -> bool {
        let same = |(one, other): (&MountedRoute, &MountedRoute)| {
            Arc::ptr_eq(&one.route, &other.route) && one.patterns == other.patterns
        };
        self.mounted.len() == other.mounted.len() && self.mounted.iter().zip(&other.mounted).all(same)
    }

    /// Whether another table tells people the same: it has the same routes and the same report.
    pub(super) fn tells_as(&self, other: &Self) -> bool {
        let (one, another) = (&self.load_report, &other.load_report);
        self.has_routes_of(other) && one.loading == another.loading && one.diagnostics == another.diagnostics
    }

    /// Whether some route would have more of its patterns if the claim of a missing component had expired.
    pub(super) fn waits_for_claim(&self) -> bool {
        self.waits_for_claim
    }

    /// Whether it lacks no route that is being loaded.
    pub fn is_complete(&self) -> bool {
        self.pending.is_none()
    }
}

impl SiteRoutes {
    /// Those of a site, by shape.
    fn new(site: &Site, by_shape: Vec<(&str, Endpoint)>) -> Self {
        let routes = || by_shape.iter().flat_map(|(_, endpoint)| endpoint.routes.iter().map(|(route, _)| route));
        let extensions = method::extensions(declarations(routes())).map(str::to_owned).collect();
        let allow = method::allow(declarations(routes()));
        let mut endpoints = Matcher::new();
        by_shape.into_iter().for_each(|(shape, endpoint)| endpoints.insert(shape, endpoint));
        Self { site: site.clone(), endpoints, extensions, allow }
    }

    /// Finds what answers among the loaded routes. The path is comparable.
    fn lookup(&self, method: &str, path: &str) -> Lookup<'_> {
        if !STANDARD.contains(&method) && !self.extensions.iter().any(|known| known == method) {
            return Lookup::NotImplemented;
        }
        let Some((endpoint, captured)) = self.endpoints.find(path) else { return Lookup::NotFound };
        let [(first, _), ..] = endpoint.routes.as_slice() else { return Lookup::NotFound };
        match endpoint.routes.iter().find(|(route, _)| method::covers(&route.mount.methods, method)) {
            Some((route, names)) => {
                let params = names.iter().zip(captured).map(|(name, value)| (name.clone(), plain(value)));
                Lookup::Found { route, params: params.collect() }
            }
            None if method == "OPTIONS" => Lookup::Options { allow: &endpoint.allow, first },
            None => Lookup::MethodNotAllowed { allow: &endpoint.allow, first },
        }
    }
}

impl Endpoint {
    fn new(routes: Vec<(Arc<Route>, Vec<String>)>) -> Self {
        Self { allow: method::allow(declarations(routes.iter().map(|(route, _)| route))), routes }
    }
}

fn declarations<'r>(
    routes: impl Iterator<Item = &'r Arc<Route>> + Clone,
) -> impl Iterator<Item = &'r [String]> + Clone {
    routes.map(|route| route.mount.methods.as_slice())
}
