//! Routes that are still being loaded: which requests they may answer, as far as that is known before they describe
//! themselves.
//!
//! It must not know how routes are loaded, nor how a request waits.

use std::collections::BTreeMap;

use super::matcher::Matcher;
use super::pattern::shape;
use super::table::Lookup;

#[cfg(test)]
mod tests;

/// What is known of one route before its component is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingRoute {
    /// The operator has set its patterns: it answers at no other.
    At(Vec<String>),
    /// It answers at its file's place, if that makes a pattern, unless the component declares paths: any may be its.
    Anywhere(Option<String>),
}

/// What all of them may answer.
#[derive(Debug)]
pub(super) struct PendingPatterns {
    /// The patterns of the loaded ones too, since the most specific of all is what answers.
    patterns: Matcher<Known>,
    anywhere: bool,
}

/// Which routes are known to have a pattern.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    loaded: bool,
    awaited: bool,
}

impl PendingPatterns {
    /// None where nothing is awaited. The loaded patterns are given by their shapes.
    pub(super) fn new<'p>(loaded: impl Iterator<Item = &'p String>, claims: Vec<PendingRoute>) -> Option<Self> {
        if claims.is_empty() {
            return None;
        }
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for shape in loaded {
            known.entry(shape.clone()).or_default().loaded = true;
        }
        let mut anywhere = false;
        for claim in claims {
            let patterns = match claim {
                PendingRoute::At(patterns) => patterns,
                PendingRoute::Anywhere(place) => {
                    anywhere = true;
                    place.into_iter().collect()
                }
            };
            patterns.iter().for_each(|pattern| known.entry(shape(pattern)).or_default().awaited = true);
        }
        let mut patterns = Matcher::new();
        known.into_iter().for_each(|(shape, known)| patterns.insert(&shape, known));
        Some(Self { patterns, anywhere })
    }

    /// Whether what the loaded routes say of a comparable path may be said otherwise once all are loaded. A route that
    /// has the very path, without captures, is final: nothing is more specific.
    pub(super) fn may_change(&self, lookup: &Lookup<'_>, path: &str) -> bool {
        let known = || self.patterns.find(path).map(|(known, _)| *known).unwrap_or_default();
        match lookup {
            Lookup::Found { .. } => {
                let Known { loaded, awaited } = known();
                let exact = || self.patterns.find(path).is_some_and(|(_, captured)| captured.is_empty());
                (awaited && !loaded) || (self.anywhere && !exact())
            }
            Lookup::NotFound | Lookup::MethodNotAllowed { .. } | Lookup::Options { .. } | Lookup::NotImplemented => {
                self.anywhere || known().awaited
            }
            Lookup::BadPath | Lookup::Awaited => false,
        }
    }
}
