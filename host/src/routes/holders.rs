//! Who answers at which path, so that nobody takes it over in a gap: from one complete load to the next, while a file is
//! away for a moment, and across restarts.
//!
//! Owns for how long a claim is kept. It reads no disk and no clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::component::ComponentKey;
use super::fingerprint::Fingerprint;
use super::pattern::shape;
use super::table::RouteTable;

#[cfg(test)]
mod tests;

/// For how long a file that is gone keeps its claim against paths that other components declare.
pub const CLAIM_KEPT: Duration = Duration::from_secs(30);

/// Who says that a route answers at a path; the greater one has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// The component declares it.
    Declared,
    /// The operator, by the place of the component's file.
    Place,
    /// The operator, in the route's file.
    RouteFile,
}

/// Who holds the patterns of a routes directory.
#[derive(Debug, Default)]
pub struct Holders {
    /// By the pattern's shape, and then by the component.
    held: BTreeMap<String, BTreeMap<ComponentKey, HeldPattern>>,
    /// What operators say of components that are not served: who is to have which shape, and by what.
    set: BTreeMap<String, Vec<(ComponentKey, Authority)>>,
}

/// What is known of a route that held a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeldPattern {
    methods: Vec<String>,
    away: Option<MissingSince>,
}

/// Of a route whose file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MissingSince {
    since: Instant,
    /// How the file looked, by which it is known again in another place.
    look: Option<Fingerprint>,
}

/// A pattern that is kept for a route which does not serve now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reserved<'h> {
    /// The route's component.
    pub(super) key: &'h ComponentKey,
    /// The methods that it takes; empty where that is not known.
    pub(super) methods: &'h [String],
    /// By what it has the pattern.
    pub(super) by: ReservedBy,
}

/// By what a route has a pattern that does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReservedBy {
    /// The operator says so.
    Operator(Authority),
    /// It answered there, and its file is there.
    Held,
    /// It answered there, and its file is gone.
    Away,
}

/// What is written down of a route that holds a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HolderRecord {
    pub(super) shape: String,
    pub(super) key: ComponentKey,
    pub(super) methods: Vec<String>,
}

impl Holders {
    /// Those of another run.
    pub(super) fn of(records: Vec<HolderRecord>) -> Self {
        let mut holders = Self::default();
        for HolderRecord { shape, key, methods } in records {
            holders.held.entry(shape).or_default().insert(key, HeldPattern { methods, away: None });
        }
        holders
    }

    /// All of them, to be written down.
    pub(super) fn records(&self) -> Vec<HolderRecord> {
        let all = self.held.iter().flat_map(|(shape, files)| files.iter().map(move |(file, held)| (shape, file, held)));
        let record = |(shape, key, held): (&String, &ComponentKey, &HeldPattern)| {
            let (shape, key, methods) = (shape.clone(), key.clone(), held.methods.clone());
            HolderRecord { shape, key, methods }
        };
        all.map(record).collect()
    }

    /// The methods that a component answered at the patterns of a shape, if it did.
    pub(super) fn methods(&self, shape: &str, file: &ComponentKey) -> Option<&[String]> {
        self.held.get(shape)?.get(file).map(|held| held.methods.as_slice())
    }

    /// What is kept of the patterns of a shape for components other than those that are served.
    pub(super) fn reserved(&self, shape: &str, is_served: impl Fn(&ComponentKey) -> bool) -> Vec<Reserved<'_>> {
        let held = self.held.get(shape).into_iter().flatten().map(|(key, held)| {
            let by = if held.away.is_some() { ReservedBy::Away } else { ReservedBy::Held };
            Reserved { key, methods: &held.methods, by }
        });
        let set = self.set.get(shape).into_iter().flatten();
        let set = set.map(|(key, by)| Reserved { key, methods: &[], by: ReservedBy::Operator(*by) });
        set.chain(held).filter(|reserved| !is_served(reserved.key)).collect()
    }

    /// Takes in who answers, once all is loaded. A component that is served elsewhere no longer holds what it did.
    pub(super) fn record(&mut self, table: &RouteTable, is_served: impl Fn(&ComponentKey) -> bool) {
        self.held.values_mut().for_each(|files| files.retain(|file, _| !is_served(file)));
        for mounted in table.routes() {
            let mount = &mounted.route.mount;
            for pattern in &mounted.patterns {
                let held = HeldPattern { methods: mount.methods.clone(), away: None };
                self.held.entry(shape(pattern)).or_default().insert(mount.key.clone(), held);
            }
        }
        self.held.retain(|_, files| !files.is_empty());
    }

    /// Takes in what the operator says of components that are not served: which patterns they are to have.
    pub(super) fn set(&mut self, set: impl Iterator<Item = (ComponentKey, String, Authority)>) {
        self.set.clear();
        for (file, pattern, authority) in set {
            self.set.entry(shape(&pattern)).or_default().push((file, authority));
        }
    }

    /// A component is gone, that looked so.
    pub(super) fn leave(&mut self, file: &ComponentKey, look: Option<Fingerprint>, now: Instant) {
        for held in self.held.values_mut().filter_map(|files| files.get_mut(file)) {
            held.away.get_or_insert(MissingSince { since: now, look });
        }
    }

    /// A component is there again.
    pub(super) fn come(&mut self, file: &ComponentKey) {
        for held in self.held.values_mut().filter_map(|files| files.get_mut(file)) {
            held.away = None;
        }
    }

    /// Every component that is gone is meant to be.
    pub(super) fn release_away(&mut self) {
        self.retain(|_, held| held.away.is_none());
    }

    /// A component that is gone is meant to be.
    pub(super) fn release(&mut self, file: &ComponentKey) {
        self.retain(|other, _| other != file);
    }

    /// Forgets those that are gone for too long. True where there were any.
    pub(super) fn lapse(&mut self, now: Instant) -> bool {
        self.retain(|_, held| held.away.is_none_or(|away| now < away.since + CLAIM_KEPT))
    }

    /// When the next claim of one that is gone lapses.
    pub(super) fn lapses_at(&self) -> Option<Instant> {
        let away = self.held.values().flat_map(BTreeMap::values).filter_map(|held| held.away);
        away.map(|away| away.since + CLAIM_KEPT).min()
    }

    /// The components that hold something, and are not known to be gone.
    pub(super) fn files(&self) -> Vec<ComponentKey> {
        let present = self.held.values().flatten().filter(|(_, held)| held.away.is_none());
        present.map(|(file, _)| file.clone()).collect()
    }

    /// A component that is gone lies somewhere else by now, where `find` finds it by how it looked.
    pub(super) fn follow(&mut self, find: impl Fn(Fingerprint) -> Option<ComponentKey>) {
        for files in self.held.values_mut() {
            let away = files.iter().filter_map(|(file, held)| Some((file.clone(), find(held.away?.look?)?)));
            for (from, to) in away.collect::<Vec<_>>() {
                if let Some(held) = files.remove(&from) {
                    files.insert(to, HeldPattern { away: None, ..held });
                }
            }
        }
    }

    fn retain(&mut self, stays: impl Fn(&ComponentKey, &HeldPattern) -> bool) -> bool {
        let before: usize = self.held.values().map(BTreeMap::len).sum();
        self.held.values_mut().for_each(|files| files.retain(|file, held| stays(file, held)));
        self.held.retain(|_, files| !files.is_empty());
        self.held.values().map(BTreeMap::len).sum::<usize>() != before
    }
}
