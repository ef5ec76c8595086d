//! Routes and their chains: which version of a route serves behind which middleware.
//!
//! Owns that no route serves without middleware that is meant for it: where its chain cannot be had, it serves as it did
//! before, or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::guards::replaces;
use super::{Catalog, CatalogEntry};
use crate::diagnostic::Diagnostic;
use crate::options::OptionSource;
use crate::routes::middleware::{
    ChainError, ChainLink, LoadedMiddleware, MiddlewareLookup, chain, is_layer, is_of_directory,
};
use crate::routes::pattern_cover::{Cover, Extent};
use crate::routes::pending::PendingRoute;
use crate::routes::route::Route;
use crate::text::printable;

/// The most routes that are named where many are affected.
const MAX_NAMED_FILES: usize = 5;

/// How many middleware files that are gone, and that nothing is behind, are kept at most.
const MAX_IDLE: usize = 100;

/// A route with its chain.
#[derive(Debug)]
pub(super) struct ChainedRoute {
    /// What it was made of: the route without its chain.
    of: Arc<Route>,
    /// What serves.
    pub(super) route: Arc<Route>,
}

/// A chain, and what is told of it.
struct Chained {
    links: Vec<ChainLink>,
    /// The middleware that the files no longer ask for.
    kept: Vec<PathBuf>,
}

impl ChainedRoute {
    fn new(of: &Arc<Route>, chain: Vec<ChainLink>) -> Self {
        let route = if chain.is_empty() { of.clone() } else { Arc::new(of.behind(chain)) };
        Self { of: of.clone(), route }
    }

    fn is(&self, of: &Arc<Route>, chain: &[ChainLink]) -> bool {
        let same = |(one, other): (&ChainLink, &ChainLink)| one.is(other);
        let same_chain = self.route.chain.len() == chain.len() && self.route.chain.iter().zip(chain).all(same);
        Arc::ptr_eq(&self.of, of) && same_chain
    }
}

impl Catalog {
    /// Mounts each loaded route behind its chain. What waits for middleware claims its patterns; what cannot have its
    /// chain is told, and what has one that its files do not ask for any more.
    pub(super) fn mount(&mut self) -> (Vec<PendingRoute>, Vec<Diagnostic>) {
        for (file, _) in self.entries.iter().filter(|(_, entry)| entry.route.is_some() && entry.is_confirmed()) {
            self.guards.forget(file);
        }
        let covering = self.covering();
        let (mut claims, mut diagnostics, mut mounted) = (Vec::new(), Vec::new(), Vec::new());
        for (file, entry) in &self.entries {
            let Some(route) = &entry.route else { continue };
            match self.chain(file, route, &covering) {
                Ok(Chained { links, kept }) => {
                    if !kept.is_empty() {
                        diagnostics.push(still_behind(file, &kept));
                    }
                    if entry.mounted.as_ref().is_none_or(|mounted| !mounted.is(route, &links)) {
                        mounted.push((file.clone(), ChainedRoute::new(route, links)));
                    }
                }
                Err(ChainError::Awaited(_)) if entry.mounted.is_some() => {}
                Err(ChainError::Awaited(_)) => claims.push(PendingRoute::At(route.mount.patterns.clone())),
                Err(fault @ (ChainError::Broken(_) | ChainError::Missing(_))) => {
                    let result = match entry.mounted {
                        Some(_) => "the version before it still serves",
                        None => "the route is not served without it",
                    };
                    let reason = format!("{fault}; {result}");
                    diagnostics.push(Diagnostic::error(file.display(), reason, fault.remedy()));
                }
            }
        }
        for (file, mounted) in mounted {
            if let Some(entry) = self.entries.get_mut(&file) {
                entry.mounted = Some(mounted);
            }
        }
        diagnostics.extend(self.missing());
        (claims, diagnostics)
    }

    /// What guards by its path.
    fn covering(&self) -> Vec<(PathBuf, Arc<[Cover]>)> {
        let layers = self.entries.iter().filter(|(file, _)| is_layer(file));
        let covering = layers.map(|(file, entry)| match &entry.layer {
            Some(layer) => (file.clone(), layer.covers.clone()),
            None => (file.clone(), entry.covers.clone()),
        });
        covering.filter(|(_, covers)| !covers.is_empty()).collect()
    }

    /// The chain of a route: what its files ask for, what guards its paths, and what its files or those of another in
    /// its place once asked for.
    fn chain(&self, file: &Path, route: &Route, covering: &[(PathBuf, Arc<[Cover]>)]) -> Result<Chained, ChainError> {
        let named = &route.mount.middleware;
        let names = self.guards.names(file, named);
        let found = chain(file, &names, |path| self.layer(path))?;
        let (files, layers): (Vec<PathBuf>, Vec<Arc<LoadedMiddleware>>) = found.into_iter().unzip();
        let mut links: Vec<ChainLink> = layers.into_iter().map(|layer| ChainLink { layer, only: None }).collect();
        let is_of =
            |layer: &Path, name: &String| layer.file_name().is_some_and(|file| file == &*format!("_{name}.wasm"));
        let lost = files.iter().filter(|layer| {
            names.iter().any(|name| is_of(layer, name)) && !named.iter().any(|name| is_of(layer, name))
        });
        let mut kept: Vec<PathBuf> = lost.cloned().collect();
        let of_directories = files.iter().take_while(|layer| is_of_directory(layer)).count();
        let mut covered = Vec::new();
        let is_elsewhere = |(layer, covers): &(PathBuf, Arc<[Cover]>)| {
            let is_same = |(other, others): &&(PathBuf, Arc<[Cover]>)| {
                self.is_moved(layer, other) && covers.iter().all(|cover| others.contains(cover))
            };
            covering.iter().any(|other| is_same(&other))
        };
        for (layer, covers) in covering.iter().filter(|it| !files.contains(&it.0) && !is_elsewhere(it)) {
            let only = match extent(covers, &route.mount.patterns) {
                Extent::None => continue,
                Extent::Some => Some(covers.clone()),
                Extent::All => None,
            };
            covered.push(ChainLink { layer: self.loaded(layer)?, only });
        }
        links.splice(of_directories..of_directories, covered);
        let mut owed = Vec::new();
        for layer in self.guards.owed(&route.mount) {
            let is_there = |link: &ChainLink| {
                let file = &link.layer.file;
                !link.is_partial() && (replaces(file, &layer) || self.is_moved(&layer, file))
            };
            if links.iter().any(is_there) {
                continue;
            }
            owed.push(ChainLink { layer: self.loaded(&layer)?, only: None });
            kept.push(layer);
        }
        links.splice(..0, owed);
        Ok(Chained { links, kept })
    }

    /// A middleware that there must be.
    fn loaded(&self, file: &Path) -> Result<Arc<LoadedMiddleware>, ChainError> {
        match self.layer(file) {
            MiddlewareLookup::Loaded(layer) => Ok(layer),
            MiddlewareLookup::Awaited => Err(ChainError::Awaited(file.to_owned())),
            MiddlewareLookup::Broken | MiddlewareLookup::Nothing => Err(ChainError::Broken(file.to_owned())),
        }
    }

    /// Whether a middleware that is gone lies somewhere else by now, with all of its options.
    fn is_moved(&self, from: &Path, to: &Path) -> bool {
        let (Some(from), Some(to)) = (self.entries.get(from), self.entries.get(to)) else { return false };
        let same = from.loaded.zip(to.loaded).is_some_and(|(from, to)| from.is_same_component(to));
        let layers = from.layer.as_ref().zip(to.layer.as_ref());
        from.is_leaving() && !to.is_leaving() && same && layers.is_some_and(|(from, to)| lost(from, to).is_empty())
    }

    /// What is told of the middleware that is gone and still guards. Of that which guards nothing only the last are kept.
    fn missing(&mut self) -> Vec<Diagnostic> {
        let (mut diagnostics, mut idle) = (Vec::new(), Vec::new());
        for (file, entry) in self.entries.iter().filter(|(file, entry)| is_layer(file) && entry.is_leaving()) {
            let is_behind = |route: &Route| route.chain.iter().any(|link| link.layer.file == *file);
            let behind = self.entries.values().filter_map(|entry| entry.mounted.as_ref());
            let behind: Vec<&Route> = behind.map(|mounted| &*mounted.route).filter(|it| is_behind(it)).collect();
            if behind.is_empty() {
                idle.push((entry.since, file.clone()));
            }
            if !behind.is_empty() || !self.entries.keys().any(|other| self.is_moved(file, other)) {
                diagnostics.push(gone(file, entry, &behind));
            }
        }
        idle.sort_unstable_by(|one, other| other.cmp(one));
        for (_, file) in idle.into_iter().skip(MAX_IDLE) {
            self.entries.remove(&file);
        }
        diagnostics
    }

    /// What is known of a file as middleware.
    fn layer(&self, file: &Path) -> MiddlewareLookup<Arc<LoadedMiddleware>> {
        match self.entries.get(file) {
            Some(entry) => match &entry.layer {
                Some(layer) => MiddlewareLookup::Loaded(layer.clone()),
                None if entry.is_leaving() => MiddlewareLookup::Broken,
                None if entry.loading.is_some() || entry.tried.is_none() => MiddlewareLookup::Awaited,
                None => MiddlewareLookup::Broken,
            },
            None if self.unread.iter().any(|path| path == file) => MiddlewareLookup::Broken,
            None => MiddlewareLookup::Nothing,
        }
    }
}

/// What a version of a middleware guarded with and the next one does not have, as a list in words: options of its file,
/// and that it sees requests. Empty where nothing is lost.
pub(super) fn lost(before: &LoadedMiddleware, after: &LoadedMiddleware) -> String {
    let of_file = |layer: &LoadedMiddleware| -> Vec<String> {
        let entries = layer.options.all().iter().filter(|entry| entry.source == OptionSource::File);
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

/// How much of what a route answers is covered.
fn extent(covers: &[Cover], patterns: &[String]) -> Extent {
    let of = |pattern: &String| covers.iter().map(|cover| cover.of(pattern)).max().unwrap_or(Extent::None);
    let (least, most) =
        patterns.iter().map(of).fold((Extent::All, Extent::None), |(least, most), it| (least.min(it), most.max(it)));
    if least == most { least } else { Extent::Some }
}

/// A middleware's file is gone.
fn gone(file: &Path, entry: &CatalogEntry, behind: &[&Route]) -> Diagnostic {
    let named: Vec<String> = behind.iter().take(MAX_NAMED_FILES).map(|route| affected(route)).collect();
    let more = match behind.len().saturating_sub(MAX_NAMED_FILES) {
        0 => String::new(),
        more => format!(" and {more} more routes"),
    };
    let remedy = "put it there again; if it is meant to go, reload with SIGHUP";
    let reason = |result: &str| format!("this middleware is gone; {result}");
    match (behind.is_empty(), &entry.layer) {
        (false, _) => {
            let result = format!("it still guards {}{more}", named.join(", "));
            Diagnostic::error(file.display(), reason(&result), remedy)
        }
        (true, Some(_)) => {
            let result = "it guards no route now, and still would one that comes";
            Diagnostic::warning(file.display(), reason(result), remedy)
        }
        (true, None) => Diagnostic::error(file.display(), reason("what is to be behind it is not served"), remedy),
    }
}

fn affected(route: &Route) -> String {
    let patterns = route.mount.patterns.iter().take(MAX_NAMED_FILES).map(|pattern| printable(pattern));
    let patterns: Vec<_> = patterns.collect();
    format!("{} of {}", patterns.join(", "), route.mount.file.display())
}

/// A route is behind middleware that its files do not ask for.
fn still_behind(file: &Path, kept: &[PathBuf]) -> Diagnostic {
    let kept: Vec<String> = kept.iter().take(MAX_NAMED_FILES).map(|layer| layer.display().to_string()).collect();
    let reason = format!("it is still behind the middleware {}, which its files ask for no longer", kept.join(", "));
    let remedy = "ask for it again; if the route is meant to be without it, reload with SIGHUP";
    Diagnostic::error(file.display(), reason, remedy)
}
