//! What is known of each component of the routes directory: whether it is being loaded, its route, what is wrong.
//!
//! Owns the way from there to a table and its diagnostics. It must not know threads or clocks, and reads no disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::awaited::Claim;
use super::load::Loaded;
use super::route::Route;
use super::table::RouteTable;
use crate::diagnostic::Diagnostic;
use crate::guest::Handler;

/// All components of a directory.
#[derive(Debug)]
pub(super) struct Catalog<H = Handler> {
    entries: BTreeMap<PathBuf, Entry<H>>,
    /// What is wrong with directories and names.
    found: Vec<Diagnostic>,
    /// What was told already.
    told: Vec<Diagnostic>,
}

/// What is known of one component.
#[derive(Debug)]
struct Entry<H> {
    /// What it may answer, while it is loaded for the first time.
    awaited: Option<Claim>,
    route: Option<Arc<Route<H>>>,
    diagnostics: Vec<Diagnostic>,
}

impl<H> Catalog<H> {
    /// One without components.
    pub(super) fn new(found: Vec<Diagnostic>) -> Self {
        Self { entries: BTreeMap::new(), found, told: Vec::new() }
    }

    /// A component is being loaded.
    pub(super) fn begin(&mut self, file: &Path, claim: Claim) {
        let entry = Entry { awaited: Some(claim), route: None, diagnostics: Vec::new() };
        self.entries.insert(file.to_owned(), entry);
    }

    /// A component was loaded, or cannot be.
    pub(super) fn end(&mut self, file: &Path, loaded: Loaded<H>) {
        let Loaded { route, diagnostics } = loaded;
        let entry = Entry { awaited: None, route, diagnostics };
        self.entries.insert(file.to_owned(), entry);
    }

    /// How many components are being loaded.
    pub(super) fn loading(&self) -> usize {
        self.entries.values().filter(|entry| entry.awaited.is_some()).count()
    }

    /// The table of all that is loaded, and the diagnostics that are new with it, by file.
    pub(super) fn table(&mut self) -> (RouteTable<H>, Vec<Diagnostic>) {
        let routes = self.entries.values().filter_map(|entry| entry.route.clone()).collect();
        let claims = self.entries.values().filter_map(|entry| entry.awaited.clone()).collect();
        let (table, conflicts) = RouteTable::build(routes, claims);
        let loaded = self.entries.values().flat_map(|entry| &entry.diagnostics);
        let mut all: Vec<Diagnostic> = self.found.iter().chain(loaded).cloned().chain(conflicts).collect();
        all.sort_by(|one, other| one.file.cmp(&other.file));
        let new = all.iter().filter(|diagnostic| !self.told.contains(diagnostic)).cloned().collect();
        self.told = all;
        (table, new)
    }

    /// All that is wrong, by file, as of the last table.
    pub(super) fn diagnostics(&self) -> &[Diagnostic] {
        &self.told
    }
}
