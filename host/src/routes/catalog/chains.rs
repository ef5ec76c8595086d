//! Which version of a route serves behind which middleware.
//!
//! Ensures that no route serves without the middleware that is meant for it. If its chain is not complete, the route serves
//! as it did before, or not at all.

use std::path::Path;
use std::sync::Arc;

use super::guards::replaces;
use super::{Catalog, CatalogEntry};
use crate::diagnostic::Diagnostic;
use crate::options::OptionSource;
use crate::routes::component::{ComponentKey, ComponentRole};
use crate::routes::middleware::{ChainError, ChainLink, LoadedMiddleware, MiddlewareLookup, chain};
use crate::routes::pattern_cover::{Cover, Extent};
use crate::routes::pending::PendingRoute;
use crate::routes::route::Route;
use crate::routes::site::Site;
use crate::text::printable;

/// The most routes or files that one message names.
const MAX_NAMED_FILES: usize = 5;

/// The most removed middleware without routes that is remembered.
const MAX_IDLE: usize = 100;

/// A route with its chain.
#[derive(Debug)]
pub(super) struct ChainedRoute {
    /// The route without its chain.
    unchained: Arc<Route>,
    /// The route with its chain, which serves.
    pub(super) route: Arc<Route>,
}

/// The chain of a route.
struct Chained {
    links: Vec<ChainLink>,
    /// Middleware in the chain that the files no longer ask for.
    kept: Vec<ComponentKey>,
}

impl ChainedRoute {
    fn new(unchained: &Arc<Route>, chain: Vec<ChainLink>) -> Self {
        let route = if chain.is_empty() { unchained.clone() } else { Arc::new(unchained.behind(chain)) };
        Self { unchained: unchained.clone(), route }
    }

    fn is(&self, unchained: &Arc<Route>, chain: &[ChainLink]) -> bool {
        let same = |(one, other): (&ChainLink, &ChainLink)| one.is(other);
        let same_chain = self.route.chain.len() == chain.len() && self.route.chain.iter().zip(chain).all(same);
        Arc::ptr_eq(&self.unchained, unchained) && same_chain
    }
}

impl Catalog {
    /// Puts each loaded route behind its chain. Returns the routes that wait for middleware, and reports routes whose chain is
    /// not complete, or has middleware that their files no longer ask for.
    pub(super) fn mount(&mut self) -> (Vec<(Site, PendingRoute)>, Vec<Diagnostic>) {
        for (key, _) in self.entries.iter().filter(|(_, entry)| entry.route.is_some() && entry.is_confirmed()) {
            self.guards.forget(key);
        }
        let covering = self.covering();
        let (mut claims, mut diagnostics, mut chained) = (Vec::new(), Vec::new(), Vec::new());
        for (key, entry) in &self.entries {
            let Some(route) = &entry.route else { continue };
            match self.chain(key, route, &covering) {
                Ok(Chained { links, kept }) => {
                    if !kept.is_empty() {
                        diagnostics.push(still_behind(key, &kept));
                    }
                    if entry.chained.as_ref().is_none_or(|chained| !chained.is(route, &links)) {
                        chained.push((key.clone(), ChainedRoute::new(route, links)));
                    }
                }
                Err(ChainError::Pending(_)) if entry.chained.is_some() => {}
                Err(ChainError::Pending(_)) => {
                    claims.push((key.site().clone(), PendingRoute::At(route.mount.patterns.clone())));
                }
                Err(fault @ (ChainError::Broken(_) | ChainError::Missing(_))) => {
                    let result = match entry.chained {
                        Some(_) => "the version before it still serves",
                        None => "the route is not served without it",
                    };
                    let reason = format!("{fault}; {result}");
                    diagnostics.push(Diagnostic::error(key, reason, fault.remedy()));
                }
            }
        }
        for (key, chained) in chained {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.chained = Some(chained);
            }
        }
        diagnostics.extend(self.missing());
        (claims, diagnostics)
    }

    /// The middleware that guards paths, with those.
    fn covering(&self) -> Vec<(ComponentKey, Arc<[Cover]>)> {
        let middleware = self.entries.iter().filter(|(key, _)| key.is_middleware());
        let covering = middleware.map(|(key, entry)| match &entry.middleware {
            Some(middleware) => (key.clone(), middleware.covers.clone()),
            None => (key.clone(), entry.covers.clone()),
        });
        covering.filter(|(_, covers)| !covers.is_empty()).collect()
    }

    /// The chain of a route: the middleware that its files ask for, that guards its paths, and that was before its requests
    /// until now.
    fn chain(
        &self,
        key: &ComponentKey,
        route: &Route,
        covering: &[(ComponentKey, Arc<[Cover]>)],
    ) -> Result<Chained, ChainError> {
        let named = &route.mount.middleware;
        let names = self.guards.names(key, named);
        let found = chain(key, &names, |path| self.middleware(path))?;
        let keys: Vec<ComponentKey> = found.iter().map(|middleware| middleware.key.clone()).collect();
        let mut links: Vec<ChainLink> =
            found.into_iter().map(|middleware| ChainLink { middleware, covers: None }).collect();
        let is_one_of = |key: &ComponentKey, names: &[String]| names.iter().any(|name| key.is_middleware_named(name));
        let lost = keys.iter().filter(|key| is_one_of(key, &names) && !is_one_of(key, named));
        let mut kept: Vec<ComponentKey> = lost.cloned().collect();
        let of_directories = keys.iter().take_while(|key| key.role() == ComponentRole::DirectoryMiddleware).count();
        let mut covered = Vec::new();
        let is_of_site = |(middleware, _): &&(ComponentKey, Arc<[Cover]>)| middleware.site() == key.site();
        let is_elsewhere = |(middleware, covers): &(ComponentKey, Arc<[Cover]>)| {
            let is_same = |(other, others): &&(ComponentKey, Arc<[Cover]>)| {
                self.is_moved(middleware, other) && covers.iter().all(|cover| others.contains(cover))
            };
            covering.iter().any(|other| is_same(&other))
        };
        for (middleware, covers) in
            covering.iter().filter(|it| is_of_site(it) && !keys.contains(&it.0) && !is_elsewhere(it))
        {
            let only = match extent(covers, &route.mount.patterns) {
                Extent::None => continue,
                Extent::Some => Some(covers.clone()),
                Extent::All => None,
            };
            covered.push(ChainLink { middleware: self.loaded(middleware)?, covers: only });
        }
        links.splice(of_directories..of_directories, covered);
        let mut owed = Vec::new();
        for middleware in self.guards.owed(&route.mount) {
            let is_there = |link: &ChainLink| {
                let key = &link.middleware.key;
                !link.is_partial() && (replaces(key, &middleware) || self.is_moved(&middleware, key))
            };
            if links.iter().any(is_there) {
                continue;
            }
            owed.push(ChainLink { middleware: self.loaded(&middleware)?, covers: None });
            kept.push(middleware);
        }
        links.splice(..0, owed);
        Ok(Chained { links, kept })
    }

    /// Middleware that has to be there.
    fn loaded(&self, key: &ComponentKey) -> Result<Arc<LoadedMiddleware>, ChainError> {
        match self.middleware(key.path()) {
            // Named by its location, which the path in the tree does not tell.
            MiddlewareLookup::Missing => Err(ChainError::Broken(key.to_string())),
            found => found.loaded(key.path()),
        }
    }

    /// Whether a removed middleware was moved: another has the same contents and all of its options.
    fn is_moved(&self, from: &ComponentKey, to: &ComponentKey) -> bool {
        let (Some(from), Some(to)) = (self.entries.get(from), self.entries.get(to)) else { return false };
        let same = from.loaded.zip(to.loaded).is_some_and(|(from, to)| from.is_same_component(to));
        let versions = from.middleware.as_ref().zip(to.middleware.as_ref());
        from.is_leaving() && !to.is_leaving() && same && versions.is_some_and(|(from, to)| lost(from, to).is_empty())
    }

    /// Reports middleware that is missing. Of those without routes only the last ones are remembered.
    fn missing(&mut self) -> Vec<Diagnostic> {
        let (mut diagnostics, mut idle) = (Vec::new(), Vec::new());
        for (key, entry) in self.entries.iter().filter(|(key, entry)| key.is_middleware() && entry.is_leaving()) {
            let is_behind = |route: &Route| route.chain.iter().any(|link| link.middleware.key == *key);
            let behind = self.entries.values().filter_map(|entry| entry.chained.as_ref());
            let behind: Vec<&Route> = behind.map(|chained| &*chained.route).filter(|it| is_behind(it)).collect();
            if behind.is_empty() {
                idle.push((entry.unchanged_since, key.clone()));
            }
            if !behind.is_empty() || !self.entries.keys().any(|other| self.is_moved(key, other)) {
                diagnostics.push(missing_middleware(key, entry, &behind));
            }
        }
        idle.sort_unstable_by(|one, other| other.cmp(one));
        for (_, key) in idle.into_iter().skip(MAX_IDLE) {
            self.entries.remove(&key);
        }
        diagnostics
    }

    /// What is known of the middleware at a path in the tree.
    fn middleware(&self, path: &Path) -> MiddlewareLookup<Arc<LoadedMiddleware>> {
        match self.entries.get_key_value(path) {
            Some((key, entry)) => match &entry.middleware {
                Some(middleware) => MiddlewareLookup::Loaded(middleware.clone()),
                None if entry.is_leaving() => MiddlewareLookup::Broken(key.to_string()),
                None if entry.pending.is_some() || entry.load_ended.is_none() => {
                    MiddlewareLookup::Pending(key.to_string())
                }
                None => MiddlewareLookup::Broken(key.to_string()),
            },
            None => match self.unread.iter().find(|it| it.path == path) {
                Some(unread) => MiddlewareLookup::Broken(unread.location.clone()),
                None => MiddlewareLookup::Missing,
            },
        }
    }
}

/// What the next version of a middleware lacks, as a list in words: options and paths of its file, and its export
/// `on-request`. Empty if it lacks nothing.
pub(super) fn lost(before: &LoadedMiddleware, after: &LoadedMiddleware) -> String {
    let of_file = |middleware: &LoadedMiddleware| -> Vec<String> {
        let entries = middleware.options.all().iter().filter(|entry| entry.source == OptionSource::File);
        entries.map(|entry| entry.name.clone()).collect()
    };
    let kept = of_file(after);
    let options = of_file(before).into_iter().filter(|name| !kept.contains(name));
    let lost = options.map(|name| format!("its option `{name}`"));
    let paths = before.paths.iter().filter(|path| !after.paths.contains(path));
    let lost = lost.chain(paths.map(|path| format!("its path `{}`", printable(path))));
    let blind = before.component.sees_requests() && !after.component.sees_requests();
    lost.chain(blind.then(|| "its export `on-request`".to_owned())).collect::<Vec<_>>().join(", ")
}

/// The request fields that the next version of a route does not set, as a list in words: it would see what clients send under
/// these names. Empty if it sets all.
pub(super) fn lost_request_fields(before: &Route, after: &Route) -> String {
    let names = |route: &Route| -> Vec<String> {
        let fields = route.request_fields.iter().flat_map(|fields| fields.iter());
        fields.map(|field| field.name.clone()).collect()
    };
    let kept = names(after);
    let lost = names(before).into_iter().filter(|name| !kept.contains(name));
    lost.map(|name| format!("its request field `{name}`")).collect::<Vec<_>>().join(", ")
}

/// How much of what these patterns match is covered.
fn extent(covers: &[Cover], patterns: &[String]) -> Extent {
    let of = |pattern: &String| covers.iter().map(|cover| cover.of(pattern)).max().unwrap_or(Extent::None);
    let (least, most) =
        patterns.iter().map(of).fold((Extent::All, Extent::None), |(least, most), it| (least.min(it), most.max(it)));
    if least == most { least } else { Extent::Some }
}

/// A middleware is missing.
fn missing_middleware(key: &ComponentKey, entry: &CatalogEntry, behind: &[&Route]) -> Diagnostic {
    let named: Vec<String> = behind.iter().take(MAX_NAMED_FILES).map(|route| affected(route)).collect();
    let more = match behind.len().saturating_sub(MAX_NAMED_FILES) {
        0 => String::new(),
        more => format!(" and {more} more routes"),
    };
    let remedy = "put it there again; if it is meant to go, reload with SIGHUP";
    let reason = |result: &str| format!("this middleware is gone; {result}");
    match (behind.is_empty(), &entry.middleware) {
        (false, _) => {
            let result = format!("it still guards {}{more}", named.join(", "));
            Diagnostic::error(key, reason(&result), remedy)
        }
        (true, Some(_)) => {
            let result = "it guards no route now, and still would one that comes";
            Diagnostic::warning(key, reason(result), remedy)
        }
        (true, None) => Diagnostic::error(key, reason("what is to be behind it is not served"), remedy),
    }
}

fn affected(route: &Route) -> String {
    let patterns = route.mount.patterns.iter().take(MAX_NAMED_FILES).map(|pattern| printable(pattern));
    let patterns: Vec<_> = patterns.collect();
    format!("{} of {}", patterns.join(", "), route.mount.key)
}

/// A route is behind middleware that its files do not ask for.
fn still_behind(key: &ComponentKey, kept: &[ComponentKey]) -> Diagnostic {
    let kept: Vec<String> = kept.iter().take(MAX_NAMED_FILES).map(ComponentKey::to_string).collect();
    let reason = format!("it is still behind the middleware {}, which its files ask for no longer", kept.join(", "));
    let remedy = "ask for it again; if the route is meant to be without it, reload with SIGHUP";
    Diagnostic::error(key, reason, remedy)
}
