//! What is known of each component of the routes directory: how it looks, whether it is being loaded, its route, what
//! is wrong with it.
//!
//! Owns what is loaded, when, and which version of a route serves. It starts no thread, reads no disk and no clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::awaited::Claim;
use super::disk::Look;
use super::load::Loaded;
use super::route::Route;
use super::table::RouteTable;
use crate::diagnostic::{Diagnostic, Severity};
use crate::guest::Handler;

#[cfg(test)]
mod tests;

/// All components of a directory.
#[derive(Debug)]
pub(super) struct Catalog<H = Handler> {
    entries: BTreeMap<PathBuf, Entry<H>>,
    /// What is wrong with directories and names.
    found: Vec<Diagnostic>,
    /// What was told already.
    told: Vec<Diagnostic>,
    /// The last table that nothing was missing from: who answers there goes on answering there.
    settled: Arc<RouteTable<H>>,
}

/// What is known of one component.
#[derive(Debug)]
struct Entry<H> {
    look: Look,
    /// When it was first seen to look so.
    since: Instant,
    /// How it looked when it was last begun to load it.
    begun: Option<Look>,
    loading: Option<Claim>,
    /// The last version that could be loaded.
    route: Option<Arc<Route<H>>>,
    diagnostics: Vec<Diagnostic>,
}

/// What is to be done about the components as they look now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Those to load.
    pub(super) changed: Vec<(PathBuf, Look)>,
    /// Whether routes are gone.
    pub(super) removed: bool,
    /// When to look again, since something was changed too lately to be whole.
    pub(super) again: Option<Instant>,
}

impl<H> Catalog<H> {
    /// One without components.
    pub(super) fn new() -> Self {
        let settled = Arc::new(RouteTable::empty());
        Self { entries: BTreeMap::new(), found: Vec::new(), told: Vec::new(), settled }
    }

    /// Takes in which components there are at `now`. A change is one only once it has rested for `rest`: before, it may
    /// be half of a copy, or the moment between a removal and a file of the same name.
    pub(super) fn find(&mut self, files: Vec<(PathBuf, Look)>, now: Instant, rest: Duration) -> Findings {
        let mut looks: BTreeMap<PathBuf, Look> = self.entries.keys().map(|file| (file.clone(), Look::GONE)).collect();
        looks.extend(files);
        let mut findings = Findings::default();
        for (file, look) in looks {
            let entry = self.entries.entry(file.clone()).or_insert_with(|| Entry::new(look, now));
            if entry.look != look {
                (entry.look, entry.since) = (look, now);
            }
            if entry.begun == Some(look) {
                continue;
            }
            let rested = entry.since + rest;
            if now < rested {
                findings.again = Some(findings.again.map_or(rested, |again| again.min(rested)));
            } else if look.is_gone() {
                self.entries.remove(&file);
                findings.removed = true;
            } else {
                entry.begun = Some(look);
                findings.changed.push((file, look));
            }
        }
        findings
    }

    /// Takes in what is wrong with directories and names; whether that is something else than before.
    pub(super) fn found(&mut self, diagnostics: Vec<Diagnostic>) -> bool {
        let differs = self.found != diagnostics;
        self.found = diagnostics;
        differs
    }

    /// Forgets how those looked that could not be loaded, so that they are loaded again.
    pub(super) fn retry(&mut self) {
        let failed = |entry: &&mut Entry<H>| entry.diagnostics.iter().any(|it| it.severity == Severity::Error);
        self.entries.values_mut().filter(failed).for_each(|entry| entry.begun = None);
    }

    /// A component that looks so is being loaded.
    pub(super) fn begin(&mut self, file: &Path, claim: Claim) {
        if let Some(entry) = self.entries.get_mut(file) {
            entry.loading = Some(claim);
        }
    }

    /// A component that looked so was loaded, or cannot be: then the version before it goes on serving. Of one that
    /// was changed or removed meanwhile nothing is kept.
    pub(super) fn end(&mut self, file: &Path, look: Look, loaded: Loaded<H>) {
        let Some(entry) = self.entries.get_mut(file).filter(|entry| entry.begun == Some(look)) else { return };
        let failed = loaded.route.is_none();
        entry.loading = None;
        entry.route = loaded.route.or_else(|| entry.route.take());
        entry.diagnostics = loaded.diagnostics;
        if failed && entry.route.is_some() {
            for diagnostic in &mut entry.diagnostics {
                diagnostic.reason += "; the version before it still serves";
            }
        }
        // What was wrong with another version is told again of this one.
        self.told.retain(|diagnostic| diagnostic.file != file && diagnostic.file != file.with_extension("toml"));
    }

    /// Whether a component is being loaded.
    pub(super) fn is_loading(&self) -> bool {
        self.entries.values().any(|entry| entry.loading.is_some())
    }

    /// The table of all that is loaded, and the diagnostics that are new with it, by file.
    pub(super) fn table(&mut self) -> (Arc<RouteTable<H>>, Vec<Diagnostic>) {
        let entries = || self.entries.values();
        let routes = entries().filter_map(|entry| entry.route.clone()).collect();
        let claims = entries().filter(|entry| entry.route.is_none()).filter_map(|entry| entry.loading.clone());
        let (table, conflicts) = RouteTable::build(routes, claims.collect(), &self.settled);
        let loaded = entries().flat_map(|entry| &entry.diagnostics);
        let mut all: Vec<Diagnostic> = self.found.iter().chain(loaded).cloned().chain(conflicts).collect();
        all.sort_by(|one, other| one.file.cmp(&other.file));
        let new = all.iter().filter(|diagnostic| !self.told.contains(diagnostic)).cloned().collect();
        self.told = all;
        let table = Arc::new(table);
        if !self.is_loading() {
            self.settled = table.clone();
        }
        (table, new)
    }

    /// All that is wrong, by file, as of the last table.
    pub(super) fn diagnostics(&self) -> &[Diagnostic] {
        &self.told
    }
}

impl<H> Entry<H> {
    fn new(look: Look, since: Instant) -> Self {
        Self { look, since, begun: None, loading: None, route: None, diagnostics: Vec::new() }
    }
}
