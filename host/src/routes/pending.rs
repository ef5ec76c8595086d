//! Routes that are being loaded: which requests they may answer, as far as that is known before the component describes
//! itself.

use std::collections::BTreeMap;

use super::matcher::Matcher;
use super::pattern::shape;
use super::table::Lookup;

#[cfg(test)]
mod tests;

/// What one route may answer, before its component is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingRoute {
    /// The operator has set its patterns. It answers at no other.
    At(Vec<String>),
    /// The component may declare any path. If it declares none, the route answers at this pattern, which follows from its path
    /// in the tree.
    Anywhere(Option<String>),
}

/// What all pending routes may answer.
#[derive(Debug)]
pub(super) struct PendingPatterns {
    /// With the patterns of loaded routes, since the most specific of all answers.
    patterns: Matcher<Known>,
    any_path: bool,
}

/// Which routes have a pattern.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    loaded: bool,
    pending: bool,
}

impl PendingPatterns {
    /// `None` if no route is pending. `loaded` are the shapes of the loaded patterns.
    pub(super) fn new<'p>(loaded: impl Iterator<Item = &'p String>, claims: Vec<PendingRoute>) -> Option<Self> {
        if claims.is_empty() {
            return None;
        }
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for shape in loaded {
            known.entry(shape.clone()).or_default().loaded = true;
        }
        let mut any_path = false;
        for claim in claims {
            let patterns = match claim {
                PendingRoute::At(patterns) => patterns,
                PendingRoute::Anywhere(pattern) => {
                    any_path = true;
                    pattern.into_iter().collect()
                }
            };
            patterns.iter().for_each(|pattern| known.entry(shape(pattern)).or_default().pending = true);
        }
        let mut patterns = Matcher::new();
        known.into_iter().for_each(|(shape, known)| patterns.insert(&shape, known));
        Some(Self { patterns, any_path })
    }

    /// Whether the result of a lookup among the loaded routes may change once all are loaded. A route whose pattern is the path
    /// itself, without captures, is final: nothing is more specific.
    pub(super) fn may_change(&self, lookup: &Lookup<'_>, path: &str) -> bool {
        let known = || self.patterns.find(path).map(|(known, _)| *known).unwrap_or_default();
        match lookup {
            Lookup::Found { .. } => {
                let Known { loaded, pending } = known();
                let exact = || self.patterns.find(path).is_some_and(|(_, captured)| captured.is_empty());
                (pending && !loaded) || (self.any_path && !exact())
            }
            Lookup::NotFound | Lookup::MethodNotAllowed { .. } | Lookup::Options { .. } | Lookup::NotImplemented => {
                self.any_path || known().pending
            }
            Lookup::BadPath | Lookup::Pending | Lookup::Unserved(_) => false,
        }
    }
}
