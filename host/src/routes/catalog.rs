//! What is known of each component: its fingerprint, whether it is being loaded, its route or middleware, and what is wrong
//! with it.
//!
//! Decides what is loaded, when, and which version of a route serves. It starts no thread, reads no source and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::component::{ComponentKey, ComponentRole};
use super::fingerprint::Fingerprint;
use super::holders::{Authority, HolderRecord, Holders};
use super::load::{Loaded, LoadedComponent, Retry};
use super::middleware::{LoadedMiddleware, may_mean};
use super::pattern_cover::Cover;
use super::pending::PendingRoute;
use super::route::Route;
use super::site::Site;
use super::source::Unread;
use super::table::{LoadReport, RouteTable};
use super::unserved::{UnservedPatterns, UnservedRoute};
use crate::diagnostic::{Diagnostic, Severity};

mod chains;
mod guards;
#[cfg(test)]
mod tests;
mod update;

use chains::{ChainedRoute, lost, lost_request_fields};
use guards::Guards;

/// All components of a source.
#[derive(Debug)]
pub(super) struct Catalog {
    entries: BTreeMap<ComponentKey, CatalogEntry>,
    /// What is wrong with the source itself, such as a directory that cannot be read.
    source_diagnostics: Vec<Diagnostic>,
    /// The sites of the source, also those without components.
    sites: BTreeSet<Site>,
    /// The diagnostics that are reported already.
    reported: Vec<Diagnostic>,
    /// Whether all components that were found at first have been loaded, or failed to.
    first_load_done: bool,
    /// Who holds which path.
    holders: Holders,
    /// Whether holders were restored from another run, and it is not known yet whether their components are there.
    holders_unchecked: bool,
    /// Whether a route waits until the claim of a removed one expires.
    waits_for_claim: bool,
    /// When the source was last listed.
    scanned_at: Option<Instant>,
    /// Whether some component had changed too recently at that time to be complete.
    has_unsettled: bool,
    /// What could not be listed at that time.
    unread: Vec<Unread>,
    /// Which middleware routes were behind.
    guards: Guards,
    /// Whether the operator has started the host or told it to reload (`SIGHUP`) since the last listing. Then the next
    /// listing is as intended, and what it lacks is removed.
    confirms_next_scan: bool,
}

/// What is known of one component.
#[derive(Debug)]
struct CatalogEntry {
    fingerprint: Fingerprint,
    /// When this fingerprint was first seen.
    unchanged_since: Instant,
    /// Whether this fingerprint is as the operator intends: it was listed at a start or at a reload (`SIGHUP`).
    confirmed: bool,
    /// The fingerprint of the version that was loaded last without an error.
    loaded: Option<Fingerprint>,
    /// The fingerprint of the version whose loading was started last; [`Fingerprint::GONE`] if it is to be removed.
    load_started: Option<Fingerprint>,
    /// The fingerprint of the version whose loading ended last.
    load_ended: Option<Fingerprint>,
    /// What it may answer, while it is being loaded.
    pending: Option<PendingRoute>,
    /// What it was expected to answer when loading was last started.
    expected: Option<PendingRoute>,
    /// The last version that was loaded, if it is a route. It has no chain.
    route: Option<Arc<Route>>,
    /// The same with its chain: this is what serves.
    chained: Option<ChainedRoute>,
    /// The last version that was loaded, if it is middleware.
    middleware: Option<Arc<LoadedMiddleware>>,
    /// The middleware that the route file names.
    names: Vec<String>,
    /// The paths that it guards, if it is middleware.
    covers: Arc<[Cover]>,
    /// Whether its route file cannot be read, so that the paths it guards are not known.
    covers_unknown: bool,
    /// The fingerprint of a version that is not loaded, since no route names it and it guards no path.
    skipped: Option<Fingerprint>,
    diagnostics: Vec<Diagnostic>,
}

/// What is to be done after a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogUpdate {
    /// The components to load.
    pub(super) to_load: Vec<(ComponentKey, Fingerprint)>,
    /// Whether routes were removed, so that a new table is needed.
    pub(super) removed: bool,
    /// When to list again: something has changed too recently to be complete, or is to be removed.
    pub(super) rescan_at: Option<Instant>,
}

impl Catalog {
    /// A catalog without components.
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            source_diagnostics: Vec::new(),
            sites: BTreeSet::new(),
            reported: Vec::new(),
            first_load_done: false,
            holders: Holders::default(),
            holders_unchecked: false,
            waits_for_claim: false,
            scanned_at: None,
            has_unsettled: false,
            unread: Vec::new(),
            guards: Guards::default(),
            // Whoever starts a host intends what is there.
            confirms_next_scan: true,
        }
    }

    /// Restores who held which path in an earlier run.
    pub(super) fn restore_holders(&mut self, records: Vec<HolderRecord>) {
        self.holders = Holders::from_records(records);
        self.holders_unchecked = true;
    }

    /// Who holds which path. `None` while that is not settled.
    pub(super) fn records(&self) -> Option<Vec<HolderRecord>> {
        (self.first_load_done && !self.is_unsettled()).then(|| self.holders.records())
    }

    /// Replaces what is wrong with the source itself. Returns whether that has changed.
    pub(super) fn set_source_diagnostics(&mut self, diagnostics: Vec<Diagnostic>) -> bool {
        let differs = self.source_diagnostics != diagnostics;
        self.source_diagnostics = diagnostics;
        differs
    }

    /// Replaces the sites of the source. Returns whether they have changed.
    pub(super) fn set_sites(&mut self, sites: BTreeSet<Site>) -> bool {
        let differs = self.sites != sites;
        self.sites = sites;
        differs
    }

    /// Forgets the fingerprints of components that could not be loaded, so that they are loaded again.
    pub(super) fn retry_failed(&mut self) {
        let failed = |entry: &&mut CatalogEntry| entry.diagnostics.iter().any(|it| it.severity == Severity::Error);
        for entry in self.entries.values_mut().filter(failed).filter(|entry| entry.pending.is_none()) {
            (entry.load_started, entry.load_ended) = (None, None);
        }
    }

    /// Loading of a component is started. `names` is the middleware that its route file names, if that can be read. Returns
    /// whether it names any, so that more middleware may have to be loaded.
    pub(super) fn start_load(&mut self, key: &ComponentKey, expected: PendingRoute, names: Option<&[String]>) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        (entry.pending, entry.expected) = (Some(expected.clone()), Some(expected));
        if let Some(names) = names {
            entry.names = names.to_vec();
        }
        !entry.names.is_empty()
    }

    /// Sets which paths a middleware guards. It still guards those that it did before, unless the operator has confirmed its
    /// files.
    pub(super) fn set_covers(&mut self, key: &ComponentKey, mut covers: Vec<Cover>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if !entry.confirmed {
            let lost: Vec<Cover> = entry.covers.iter().filter(|cover| !covers.contains(cover)).cloned().collect();
            covers.extend(lost);
        }
        (entry.covers, entry.skipped, entry.covers_unknown) = (covers.into(), None, false);
    }

    /// The route file of a middleware cannot be read. The middleware is loaded nevertheless, so that this is reported.
    pub(super) fn mark_covers_unknown(&mut self, key: &ComponentKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.covers_unknown = true;
        }
    }

    /// This version of a middleware guards no path: it is loaded only once a route names it.
    pub(super) fn skip(&mut self, key: &ComponentKey, fingerprint: Fingerprint) {
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.load_started, entry.skipped) = (None, Some(fingerprint));
        }
    }

    /// Whether a component is to be loaded: it is a route, or middleware that a route may have.
    pub(super) fn is_wanted(&self, key: &ComponentKey) -> bool {
        let is_named = || self.entries.iter().any(|(route, entry)| may_mean(route, &entry.names, key));
        let was_named = || self.guards.may_mean(key);
        let is_loaded =
            |entry: &CatalogEntry| entry.middleware.as_ref().is_some_and(|middleware| !middleware.covers.is_empty());
        let may_guard = |entry: &CatalogEntry| is_loaded(entry) || !entry.covers.is_empty() || entry.covers_unknown;
        let guards = || self.entries.get(key).is_some_and(may_guard);
        let is_asked_for = key.role() != ComponentRole::NamedMiddleware || key.is_alone();
        is_asked_for || is_named() || was_named() || guards()
    }

    /// Loading of a version has ended. If it failed, the version before it goes on serving; after a transient failure the next
    /// listing starts it again. If the component has changed or was removed meanwhile, the result is dropped.
    pub(super) fn finish_load(&mut self, key: &ComponentKey, fingerprint: Fingerprint, loaded: Loaded) {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.load_started == Some(fingerprint)) else {
            return;
        };
        let (failed, mut withheld) = (loaded.component.is_none(), None);
        entry.pending = None;
        match loaded.retry {
            Retry::OnChange => {}
            Retry::AtNextScan => entry.load_started = None,
        }
        match loaded.component {
            Some(LoadedComponent::Route(route)) => match &entry.route {
                None => entry.route = Some(Arc::new(*route)),
                Some(before) => match lost_request_fields(before, &route) {
                    lost if lost.is_empty() || entry.confirmed => {
                        entry.route = Some(Arc::new(route.succeeding(before)));
                    }
                    lost => withheld = Some(format!("it has lost {lost}")),
                },
            },
            Some(LoadedComponent::Middleware(middleware)) => {
                match entry.middleware.as_ref().map(|before| lost(before, &middleware)) {
                    Some(lost) if !lost.is_empty() && !entry.confirmed => {
                        withheld = Some(format!("as middleware it has lost {lost}"));
                    }
                    Some(_) | None => {
                        if let Some(before) = entry.middleware.replace(middleware.clone()) {
                            middleware.succeed(&before);
                        }
                    }
                }
            }
            None => {}
        }
        if !failed && withheld.is_none() {
            entry.loaded = Some(fingerprint);
        }
        entry.diagnostics = loaded.diagnostics;
        if let Some(loss) = withheld {
            let reason = format!("{loss}; the version before it still serves");
            let remedy = "give it that again; if that is meant to go, reload with SIGHUP";
            entry.diagnostics.push(Diagnostic::error(key, reason, remedy));
        }
        if failed && (entry.route.is_some() || entry.middleware.is_some()) {
            for diagnostic in &mut entry.diagnostics {
                diagnostic.reason += "; the version before it still serves";
            }
        }
        // What was wrong with another version is reported again for this one.
        if entry.load_ended.replace(fingerprint) != Some(fingerprint) {
            let is_of_key = |it: &Diagnostic| it.location == key.location() || it.location == key.route_file();
            self.reported.retain(|diagnostic| !is_of_key(diagnostic));
        }
    }

    /// Whether this version of a component is still the one to load.
    pub(super) fn is_current_load(&self, key: &ComponentKey, fingerprint: Fingerprint) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.load_started == Some(fingerprint))
    }

    /// Whether any component is being loaded.
    pub(super) fn is_loading(&self) -> bool {
        self.entries.values().any(|entry| entry.pending.is_some())
    }

    /// Whether components are being loaded, or have changed too recently to be.
    fn is_unsettled(&self) -> bool {
        self.has_unsettled || self.is_loading()
    }

    /// The table of all that is loaded, and the diagnostics that are new with it, sorted by location. Requests wait for routes
    /// that are being loaded only during the first load: later, a server that has an answer must not withhold it.
    pub(super) fn build_table(&mut self) -> (Arc<RouteTable>, Vec<Diagnostic>) {
        if !self.is_unsettled() {
            let leaving = self.entries.iter().filter(|(key, entry)| entry.is_leaving() && !self.is_kept(key));
            let leaving: Vec<ComponentKey> = leaving.map(|(key, _)| key.clone()).collect();
            leaving.iter().for_each(|key| self.remove(key));
        }
        let (awaited, unchained) = self.mount();
        let routes = self.entries.values().filter_map(|entry| Some(entry.chained.as_ref()?.route.clone())).collect();
        let claims = match self.first_load_done {
            false => {
                let unloaded = self.entries.iter().filter(|(_, entry)| entry.route.is_none());
                let pending = unloaded.filter_map(|(key, entry)| Some((key.site().clone(), entry.pending.clone()?)));
                pending.chain(awaited).collect()
            }
            true => Vec::new(),
        };
        let set: Vec<(ComponentKey, String, Authority)> = self.operator_claims().collect();
        self.holders.set_operator_claims(set.into_iter());
        let moved = |fingerprint: Fingerprint| {
            let is = |entry: &&CatalogEntry| {
                entry.route.is_some() && entry.loaded.is_some_and(|it| it.is_same_component(fingerprint))
            };
            let found = self.entries.iter().find(|(_, entry)| is(entry));
            found.map(|(key, _)| key.clone())
        };
        self.holders.move_claims(moved);
        // A name whose components are all broken is still that of its site.
        let handlers = self.entries.keys().filter(|key| !key.is_middleware());
        let sites = handlers.map(ComponentKey::site).chain(&self.sites).cloned().collect();
        let (table, conflicts) = RouteTable::build(routes, claims, &self.holders, sites);
        self.waits_for_claim = table.waits_for_claim();
        // Conflicts are known once all components are loaded.
        let conflicts = if self.first_load_done || !self.is_loading() { conflicts } else { Vec::new() };
        let wanted = self.entries.iter().filter(|(key, _)| self.is_wanted(key));
        let loaded = wanted.flat_map(|(_, entry)| &entry.diagnostics);
        let mut all: Vec<Diagnostic> =
            self.source_diagnostics.iter().chain(loaded).cloned().chain(unchained).chain(conflicts).collect();
        all.sort_by(|one, other| Path::new(&one.location).cmp(Path::new(&other.location)));
        let new = all.iter().filter(|diagnostic| !self.reported.contains(diagnostic)).cloned().collect();
        let loading = self.entries.iter().filter(|(_, entry)| entry.pending.is_some()).map(|(key, _)| key.clone());
        let load_report = LoadReport { loading: loading.collect(), diagnostics: all.as_slice().into() };
        self.reported = all;
        let table = Arc::new(table.reporting(load_report, self.unserved()));
        self.guards.record(&table);
        if !self.is_loading() {
            self.first_load_done = true;
            let is_served = |key: &ComponentKey| self.entries.get(key).is_some_and(|entry| entry.chained.is_some());
            self.holders.record(&table, is_served);
        }
        (table, new)
    }

    /// The paths of components that are being loaded for the first time, or could not be.
    fn unserved(&self) -> Option<UnservedPatterns> {
        let entries = self.entries.iter().filter(|(key, entry)| !key.is_middleware() && entry.route.is_none());
        let entries = entries.filter(|(_, entry)| !entry.is_leaving());
        UnservedPatterns::new(entries.map(|(key, entry)| {
            let patterns = match &entry.expected {
                Some(PendingRoute::At(patterns)) => patterns.as_slice(),
                Some(PendingRoute::Anywhere(place)) => place.as_slice(),
                None => &[],
            };
            (UnservedRoute { key: key.clone(), is_loading: entry.pending.is_some() }, patterns)
        }))
    }

    /// The patterns that the operator gives to routes that do not serve, by their route files and their paths in the tree. While
    /// a route is loaded anew no other loses a path to it, except during the first load.
    fn operator_claims(&self) -> impl Iterator<Item = (ComponentKey, String, Authority)> {
        let is_to_come = |entry: &&CatalogEntry| entry.chained.is_none() && !entry.is_leaving();
        let is_awaited = |entry: &CatalogEntry| entry.pending.is_some() && self.first_load_done;
        let entries = self.entries.iter().filter(|(key, _)| !key.is_middleware());
        let entries = entries.filter(move |(_, entry)| is_to_come(entry) && !is_awaited(entry));
        entries.flat_map(|(key, entry)| {
            let (patterns, authority) = match (&entry.route, &entry.expected) {
                (Some(route), _) => (route.mount.patterns.clone(), route.mount.authority),
                (None, Some(PendingRoute::At(patterns))) => (patterns.clone(), Authority::RouteFile),
                (None, Some(PendingRoute::Anywhere(place))) => (place.iter().cloned().collect(), Authority::FilePath),
                (None, None) => (Vec::new(), Authority::Declared),
            };
            patterns.into_iter().map(move |pattern| (key.clone(), pattern, authority))
        })
    }

    /// When the next claim expires that a route waits for.
    pub(super) fn claim_expires_at(&self) -> Option<Instant> {
        self.holders.expires_at().filter(|_| self.waits_for_claim)
    }

    /// All diagnostics of the last table, sorted by location.
    pub(super) fn diagnostics(&self) -> &[Diagnostic] {
        &self.reported
    }
}

impl CatalogEntry {
    fn new(fingerprint: Fingerprint, unchanged_since: Instant) -> Self {
        let (chained, names, diagnostics) = (None, Vec::new(), Vec::new());
        Self {
            fingerprint,
            unchanged_since,
            confirmed: false,
            loaded: None,
            load_started: None,
            load_ended: None,
            pending: None,
            expected: None,
            route: None,
            chained,
            middleware: None,
            names,
            covers: Arc::new([]),
            covers_unknown: false,
            skipped: None,
            diagnostics,
        }
    }

    /// Whether it is to be removed.
    fn is_leaving(&self) -> bool {
        self.load_started.is_some_and(Fingerprint::is_gone)
    }

    /// Whether the operator has confirmed the version that is loaded.
    fn is_confirmed(&self) -> bool {
        self.confirmed && self.loaded == Some(self.fingerprint)
    }
}

impl CatalogUpdate {
    fn rescan_by(&mut self, at: Instant) {
        self.rescan_at = Some(self.rescan_at.map_or(at, |rescan_at| rescan_at.min(at)));
    }
}
