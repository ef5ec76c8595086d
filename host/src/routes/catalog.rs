//! What is known of each component of the routes directory: how it looks, whether it is being loaded, its route or what
//! it is to other routes, what is wrong with it.
//!
//! Owns what is loaded, when, and which version of a route serves. It starts no thread, reads no disk and no clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::component::{ComponentKey, ComponentRole};
use super::fingerprint::Fingerprint;
use super::holders::{Authority, HolderRecord, Holders};
use super::load::{Loaded, Part, Permanence};
use super::middleware::{LoadedMiddleware, may_mean};
use super::pattern_cover::Cover;
use super::pending::PendingRoute;
use super::route::Route;
use super::source::Unread;
use super::table::RouteTable;
use crate::diagnostic::{Diagnostic, Severity};

mod chains;
mod finding;
mod guards;
#[cfg(test)]
mod tests;

use chains::{ChainedRoute, lost};
use guards::Guards;

/// All components of a directory.
#[derive(Debug)]
pub(super) struct Catalog {
    entries: BTreeMap<ComponentKey, CatalogEntry>,
    /// What is wrong with directories and names.
    found: Vec<Diagnostic>,
    /// What was told already.
    told: Vec<Diagnostic>,
    /// Whether there was a table that nothing was missing from.
    settled: bool,
    /// Who answers where, and goes on answering there.
    holders: Holders,
    /// Whether some of them are from another run, and not looked for yet.
    recalled: bool,
    /// Whether a route waits for the claim of one that is gone.
    waits: bool,
    /// When it was last looked.
    looked_at: Option<Instant>,
    /// Whether some component was changed too lately to be whole, when it was last looked.
    resting: bool,
    /// What the system did not show when it was last looked.
    unread: Vec<Unread>,
    /// What routes were behind.
    guards: Guards,
    /// Whether the files that are found next are as they are meant to be: the operator says so.
    confirming: bool,
}

/// What is known of one component.
#[derive(Debug)]
struct CatalogEntry {
    look: Fingerprint,
    /// When it was first seen to look so.
    since: Instant,
    /// Whether the operator has said that it is meant to look so.
    confirmed: bool,
    /// How the version looked that could be loaded last.
    loaded: Option<Fingerprint>,
    /// How it looked when it was last begun to load it; [`Fingerprint::GONE`] where it is to be removed.
    begun: Option<Fingerprint>,
    /// How it looked when loading it last ended.
    tried: Option<Fingerprint>,
    loading: Option<PendingRoute>,
    /// What was known of it when it was last begun to load it.
    claim: Option<PendingRoute>,
    /// The last version that could be loaded, of a route.
    route: Option<Arc<Route>>,
    /// The same, with its chain: it is what serves.
    mounted: Option<ChainedRoute>,
    /// The last version that could be loaded, of middleware.
    layer: Option<Arc<LoadedMiddleware>>,
    /// The middleware that the route's file asks for.
    names: Vec<String>,
    /// What it is to guard by its path, of middleware.
    covers: Arc<[Cover]>,
    /// Whether it cannot be read which paths it guards, of middleware.
    suspect: bool,
    /// How it looked, of middleware that nobody asks for and that guards no path.
    passed_over: Option<Fingerprint>,
    diagnostics: Vec<Diagnostic>,
}

/// What is to be done about the components as they look now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Those to load.
    pub(super) changed: Vec<(ComponentKey, Fingerprint)>,
    /// Whether routes are gone.
    pub(super) removed: bool,
    /// When to look again, since something was changed too lately to be whole, or is to be removed.
    pub(super) again: Option<Instant>,
}

impl Catalog {
    /// One without components.
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            found: Vec::new(),
            told: Vec::new(),
            settled: false,
            holders: Holders::default(),
            recalled: false,
            waits: false,
            looked_at: None,
            resting: false,
            unread: Vec::new(),
            guards: Guards::default(),
            // Who starts a host means what is there.
            confirming: true,
        }
    }

    /// Takes in who held what in another run.
    pub(super) fn recall(&mut self, records: Vec<HolderRecord>) {
        self.holders = Holders::of(records);
        self.recalled = true;
    }

    /// Who holds what, once all was loaded.
    pub(super) fn records(&self) -> Option<Vec<HolderRecord>> {
        (self.settled && !self.is_unsettled()).then(|| self.holders.records())
    }

    /// Takes in what is wrong with directories and names; whether that is something else than before.
    pub(super) fn found(&mut self, diagnostics: Vec<Diagnostic>) -> bool {
        let differs = self.found != diagnostics;
        self.found = diagnostics;
        differs
    }

    /// Forgets how those looked that could not be loaded, so that they are loaded again.
    pub(super) fn retry(&mut self) {
        let failed = |entry: &&mut CatalogEntry| entry.diagnostics.iter().any(|it| it.severity == Severity::Error);
        for entry in self.entries.values_mut().filter(failed).filter(|entry| entry.loading.is_none()) {
            (entry.begun, entry.tried) = (None, None);
        }
    }

    /// A component that looks so is being loaded, whose route file asks for these middleware, if it can be read. True
    /// where some may be wanted by that.
    pub(super) fn begin(&mut self, key: &ComponentKey, claim: PendingRoute, names: Option<&[String]>) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        (entry.loading, entry.claim) = (Some(claim.clone()), Some(claim));
        if let Some(names) = names {
            entry.names = names.to_vec();
        }
        !entry.names.is_empty()
    }

    /// A middleware guards this by its path. What it was to guard before it is to guard on, unless the operator means that
    /// it does not.
    pub(super) fn cover(&mut self, key: &ComponentKey, mut covers: Vec<Cover>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if !entry.confirmed {
            let lost: Vec<Cover> = entry.covers.iter().filter(|cover| !covers.contains(cover)).cloned().collect();
            covers.extend(lost);
        }
        (entry.covers, entry.passed_over, entry.suspect) = (covers.into(), None, false);
    }

    /// Which paths a middleware guards cannot be read: it is loaded, so that this is told.
    pub(super) fn suspect(&mut self, key: &ComponentKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.suspect = true;
        }
    }

    /// A middleware that looks so guards no path, and is loaded only once a route names it.
    pub(super) fn pass_over(&mut self, key: &ComponentKey, look: Fingerprint) {
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.begun, entry.passed_over) = (None, Some(look));
        }
    }

    /// Whether a component is to be loaded: a route, or middleware that a route may have.
    pub(super) fn is_wanted(&self, key: &ComponentKey) -> bool {
        let is_named = || self.entries.iter().any(|(route, entry)| may_mean(route, &entry.names, key));
        let was_named = || self.guards.may_mean(key);
        let is_loaded = |entry: &CatalogEntry| entry.layer.as_ref().is_some_and(|layer| !layer.covers.is_empty());
        let may_guard = |entry: &CatalogEntry| is_loaded(entry) || !entry.covers.is_empty() || entry.suspect;
        let guards = || self.entries.get(key).is_some_and(may_guard);
        let is_asked_for = key.role() != ComponentRole::NamedMiddleware || key.is_alone();
        is_asked_for || is_named() || was_named() || guards()
    }

    /// A component that looked so was loaded, or cannot be: then the version before it goes on serving, and where that
    /// may pass the next look finds it anew. Of one that was changed or removed meanwhile nothing is kept.
    pub(super) fn end(&mut self, key: &ComponentKey, look: Fingerprint, loaded: Loaded) {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.begun == Some(look)) else { return };
        let (failed, mut withheld) = (loaded.part.is_none(), None);
        entry.loading = None;
        match loaded.standing {
            Permanence::Permanent => {}
            Permanence::Transient => entry.begun = None,
        }
        match loaded.part {
            Some(Part::Route(route)) => {
                entry.route = Some(Arc::new(match &entry.route {
                    Some(before) => route.succeeding(before),
                    None => *route,
                }));
            }
            Some(Part::Layer(layer)) => match entry.layer.as_ref().map(|before| lost(before, &layer)) {
                Some(lost) if !lost.is_empty() && !entry.confirmed => withheld = Some(lost),
                Some(_) | None => entry.layer = Some(layer),
            },
            None => {}
        }
        if !failed && withheld.is_none() {
            entry.loaded = Some(look);
        }
        entry.diagnostics = loaded.diagnostics;
        if let Some(lost) = withheld {
            let reason = format!("as middleware it has lost {lost}; the version before it still serves");
            let remedy = "give it that again; if that is meant to go, reload with SIGHUP";
            entry.diagnostics.push(Diagnostic::error(key, reason, remedy));
        }
        if failed && (entry.route.is_some() || entry.layer.is_some()) {
            for diagnostic in &mut entry.diagnostics {
                diagnostic.reason += "; the version before it still serves";
            }
        }
        // What was wrong with another version is told again of this one.
        if entry.tried.replace(look) != Some(look) {
            let is_of_key = |it: &Diagnostic| it.location == key.location() || it.location == key.route_file();
            self.told.retain(|diagnostic| !is_of_key(diagnostic));
        }
    }

    /// Whether a component that looked so is still the one to load.
    pub(super) fn is_begun(&self, key: &ComponentKey, look: Fingerprint) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.begun == Some(look))
    }

    /// Whether a component is being loaded.
    pub(super) fn is_loading(&self) -> bool {
        self.entries.values().any(|entry| entry.loading.is_some())
    }

    /// Whether components are on their way.
    fn is_unsettled(&self) -> bool {
        self.resting || self.is_loading()
    }

    /// The table of all that is loaded, and the diagnostics that are new with it, by file. What is being loaded is
    /// awaited only until all is loaded for the first time: later, a server that has an answer must not withhold it.
    pub(super) fn table(&mut self) -> (Arc<RouteTable>, Vec<Diagnostic>) {
        if !self.is_unsettled() {
            let leaving = self.entries.iter().filter(|(key, entry)| entry.is_leaving() && !self.is_kept(key));
            let leaving: Vec<ComponentKey> = leaving.map(|(key, _)| key.clone()).collect();
            leaving.iter().for_each(|key| self.remove(key));
        }
        let (awaited, unchained) = self.mount();
        let entries = || self.entries.values();
        let routes = entries().filter_map(|entry| Some(entry.mounted.as_ref()?.route.clone())).collect();
        let claims = match self.settled {
            false => {
                let loading = entries().filter(|it| it.route.is_none()).filter_map(|it| it.loading.clone());
                loading.chain(awaited).collect()
            }
            true => Vec::new(),
        };
        let set: Vec<(ComponentKey, String, Authority)> = self.set().collect();
        self.holders.set(set.into_iter());
        let moved = |look: Fingerprint| {
            let is = |entry: &&CatalogEntry| {
                entry.route.is_some() && entry.loaded.is_some_and(|it| it.is_same_component(look))
            };
            let found = self.entries.iter().find(|(_, entry)| is(entry));
            found.map(|(key, _)| key.clone())
        };
        self.holders.follow(moved);
        let (table, conflicts) = RouteTable::build(routes, claims, &self.holders);
        self.waits = table.waits();
        // Who conflicts with whom is known once all is loaded.
        let conflicts = if self.settled || !self.is_loading() { conflicts } else { Vec::new() };
        let wanted = self.entries.iter().filter(|(key, _)| self.is_wanted(key));
        let loaded = wanted.flat_map(|(_, entry)| &entry.diagnostics);
        let mut all: Vec<Diagnostic> =
            self.found.iter().chain(loaded).cloned().chain(unchained).chain(conflicts).collect();
        all.sort_by(|one, other| Path::new(&one.location).cmp(Path::new(&other.location)));
        let new = all.iter().filter(|diagnostic| !self.told.contains(diagnostic)).cloned().collect();
        self.told = all;
        let table = Arc::new(table);
        self.guards.record(&table);
        if !self.is_loading() {
            self.settled = true;
            let is_served = |key: &ComponentKey| self.entries.get(key).is_some_and(|entry| entry.mounted.is_some());
            self.holders.record(&table, is_served);
        }
        (table, new)
    }

    /// What the operator says of routes that do not serve: by their files and their places. While one is loaded anew
    /// nobody loses a path to it, but at first it is waited for.
    fn set(&self) -> impl Iterator<Item = (ComponentKey, String, Authority)> {
        let is_to_come = |entry: &&CatalogEntry| entry.mounted.is_none() && !entry.is_leaving();
        let is_awaited = |entry: &CatalogEntry| entry.loading.is_some() && self.settled;
        let entries = self.entries.iter().filter(|(key, _)| !key.is_middleware());
        let entries = entries.filter(move |(_, entry)| is_to_come(entry) && !is_awaited(entry));
        entries.flat_map(|(key, entry)| {
            let (patterns, authority) = match (&entry.route, &entry.claim) {
                (Some(route), _) => (route.mount.patterns.clone(), route.mount.authority),
                (None, Some(PendingRoute::At(patterns))) => (patterns.clone(), Authority::RouteFile),
                (None, Some(PendingRoute::Anywhere(place))) => (place.iter().cloned().collect(), Authority::Place),
                (None, None) => (Vec::new(), Authority::Declared),
            };
            patterns.into_iter().map(move |pattern| (key.clone(), pattern, authority))
        })
    }

    /// When a claim that a route waits for lapses, if one does.
    pub(super) fn lapses_at(&self) -> Option<Instant> {
        self.holders.lapses_at().filter(|_| self.waits)
    }

    /// All that is wrong, by file, as of the last table.
    pub(super) fn diagnostics(&self) -> &[Diagnostic] {
        &self.told
    }
}

impl CatalogEntry {
    fn new(look: Fingerprint, since: Instant) -> Self {
        let (mounted, names, diagnostics) = (None, Vec::new(), Vec::new());
        Self {
            look,
            since,
            confirmed: false,
            loaded: None,
            begun: None,
            tried: None,
            loading: None,
            claim: None,
            route: None,
            mounted,
            layer: None,
            names,
            covers: Arc::new([]),
            suspect: false,
            passed_over: None,
            diagnostics,
        }
    }

    /// Whether it is to be removed.
    fn is_leaving(&self) -> bool {
        self.begun.is_some_and(Fingerprint::is_gone)
    }

    /// Whether the version that is loaded is one that the operator means.
    fn is_confirmed(&self) -> bool {
        self.confirmed && self.loaded == Some(self.look)
    }
}

impl Findings {
    fn look_again(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }
}
