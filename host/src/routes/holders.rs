//! Which component holds which path, so that no other takes it over in a gap: from one complete load to the next, while a
//! file is missing for a moment, and across restarts.
//!
//! Owns how long a claim is kept. It reads no source and no clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::component::ComponentKey;
use super::fingerprint::Fingerprint;
use super::table::RouteTable;

#[cfg(test)]
mod tests;

/// How long a missing component keeps its paths from components that declare them.
pub const CLAIM_KEPT: Duration = Duration::from_secs(30);

/// Who says that a route answers at a path. The greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// The component declares it.
    Declared,
    /// The operator, by the path of the component's file.
    FilePath,
    /// The operator, in the route's file.
    RouteFile,
}

/// The holders of all patterns of a source.
#[derive(Debug, Default)]
pub struct Holders {
    /// By the pattern's shape in its site, and then by the component.
    held: BTreeMap<String, BTreeMap<ComponentKey, HeldPattern>>,
    /// By shape: the components that do not serve and that the operator gives it to.
    operator_claims: BTreeMap<String, Vec<(ComponentKey, Authority)>>,
}

/// A component that holds a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeldPattern {
    methods: Vec<String>,
    missing: Option<MissingSince>,
}

/// Since when a component is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MissingSince {
    since: Instant,
    /// Its fingerprint, by which it is recognised after it was moved.
    fingerprint: Option<Fingerprint>,
}

/// A pattern that is reserved for a component which does not serve now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reserved<'h> {
    /// The component.
    pub(super) key: &'h ComponentKey,
    /// The methods that it takes. Empty, which is all, if they are not known.
    pub(super) methods: &'h [String],
    /// Why it has the pattern.
    pub(super) by: ReservedBy,
}

/// Why a component has a pattern that does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReservedBy {
    /// The operator gives it the pattern.
    Operator(Authority),
    /// It answered there, and is there.
    Held,
    /// It answered there, and is missing.
    Missing,
}

/// One holder, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HolderRecord {
    pub(super) shape: String,
    pub(super) key: ComponentKey,
    pub(super) methods: Vec<String>,
}

impl Holders {
    /// The holders of another run.
    pub(super) fn from_records(records: Vec<HolderRecord>) -> Self {
        let mut holders = Self::default();
        for HolderRecord { shape, key, methods } in records {
            holders.held.entry(shape).or_default().insert(key, HeldPattern { methods, missing: None });
        }
        holders
    }

    /// All holders, to be stored.
    pub(super) fn records(&self) -> Vec<HolderRecord> {
        let all = self.held.iter().flat_map(|(shape, by_key)| by_key.iter().map(move |(key, held)| (shape, key, held)));
        let record = |(shape, key, held): (&String, &ComponentKey, &HeldPattern)| {
            let (shape, key, methods) = (shape.clone(), key.clone(), held.methods.clone());
            HolderRecord { shape, key, methods }
        };
        all.map(record).collect()
    }

    /// The methods that a component answered at the patterns of a shape, if it holds that.
    pub(super) fn methods(&self, shape: &str, key: &ComponentKey) -> Option<&[String]> {
        self.held.get(shape)?.get(key).map(|held| held.methods.as_slice())
    }

    /// The reservations of a shape for components that do not serve.
    pub(super) fn reserved(&self, shape: &str, is_served: impl Fn(&ComponentKey) -> bool) -> Vec<Reserved<'_>> {
        let held = self.held.get(shape).into_iter().flatten().map(|(key, held)| {
            let by = if held.missing.is_some() { ReservedBy::Missing } else { ReservedBy::Held };
            Reserved { key, methods: &held.methods, by }
        });
        let set = self.operator_claims.get(shape).into_iter().flatten();
        let set = set.map(|(key, by)| Reserved { key, methods: &[], by: ReservedBy::Operator(*by) });
        set.chain(held).filter(|reserved| !is_served(reserved.key)).collect()
    }

    /// Records who answers, once all is loaded. A component that serves elsewhere gives up what it held.
    pub(super) fn record(&mut self, table: &RouteTable, is_served: impl Fn(&ComponentKey) -> bool) {
        self.held.values_mut().for_each(|by_key| by_key.retain(|key, _| !is_served(key)));
        for mounted in table.routes() {
            let mount = &mounted.route.mount;
            for pattern in &mounted.patterns {
                let held = HeldPattern { methods: mount.methods.clone(), missing: None };
                self.held.entry(mount.key.site().shape(pattern)).or_default().insert(mount.key.clone(), held);
            }
        }
        self.held.retain(|_, by_key| !by_key.is_empty());
    }

    /// Sets which patterns the operator gives to components that do not serve.
    pub(super) fn set_operator_claims(&mut self, set: impl Iterator<Item = (ComponentKey, String, Authority)>) {
        self.operator_claims.clear();
        for (key, pattern, authority) in set {
            self.operator_claims.entry(key.site().shape(&pattern)).or_default().push((key, authority));
        }
    }

    /// A component is missing. This was its fingerprint.
    pub(super) fn mark_missing(&mut self, key: &ComponentKey, fingerprint: Option<Fingerprint>, now: Instant) {
        for held in self.held.values_mut().filter_map(|by_key| by_key.get_mut(key)) {
            held.missing.get_or_insert(MissingSince { since: now, fingerprint });
        }
    }

    /// A component is there again.
    pub(super) fn mark_present(&mut self, key: &ComponentKey) {
        for held in self.held.values_mut().filter_map(|by_key| by_key.get_mut(key)) {
            held.missing = None;
        }
    }

    /// The operator confirms that all missing components are removed.
    pub(super) fn release_missing(&mut self) {
        self.retain(|_, held| held.missing.is_none());
    }

    /// The operator confirms that a component is removed.
    pub(super) fn release(&mut self, key: &ComponentKey) {
        self.retain(|other, _| other != key);
    }

    /// Forgets components that are missing for longer than [`CLAIM_KEPT`]. Returns whether there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.retain(|_, held| held.missing.is_none_or(|missing| now < missing.since + CLAIM_KEPT))
    }

    /// When the next claim of a missing component expires.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        let missing = self.held.values().flat_map(BTreeMap::values).filter_map(|held| held.missing);
        missing.map(|missing| missing.since + CLAIM_KEPT).min()
    }

    /// The components that hold something and are not missing.
    pub(super) fn present(&self) -> Vec<ComponentKey> {
        let present = self.held.values().flatten().filter(|(_, held)| held.missing.is_none());
        present.map(|(key, _)| key.clone()).collect()
    }

    /// Moves the claims of missing components to where `find` finds them by their fingerprints.
    pub(super) fn move_claims(&mut self, find: impl Fn(Fingerprint) -> Option<ComponentKey>) {
        for by_key in self.held.values_mut() {
            let missing =
                by_key.iter().filter_map(|(key, held)| Some((key.clone(), find(held.missing?.fingerprint?)?)));
            for (from, to) in missing.collect::<Vec<_>>() {
                if let Some(held) = by_key.remove(&from) {
                    by_key.insert(to, HeldPattern { missing: None, ..held });
                }
            }
        }
    }

    fn retain(&mut self, stays: impl Fn(&ComponentKey, &HeldPattern) -> bool) -> bool {
        let before: usize = self.held.values().map(BTreeMap::len).sum();
        self.held.values_mut().for_each(|by_key| by_key.retain(|key, held| stays(key, held)));
        self.held.retain(|_, by_key| !by_key.is_empty());
        self.held.values().map(BTreeMap::len).sum::<usize>() != before
    }
}
