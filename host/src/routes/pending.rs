//! Routes that are being loaded: which requests they may answer, as far as that is known before the component describes
//! itself.

use std::collections::BTreeMap;

use super::conflict::Claimant;
use super::matcher::Matcher;
use super::pattern::shape;
use super::site::Site;
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

/// What all pending routes may answer, by site.
#[derive(Debug)]
pub(super) struct PendingPatterns(BTreeMap<Site, PendingInSite>);

/// What the pending routes of a site may answer.
#[derive(Debug)]
struct PendingInSite {
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
    /// `None` if no route is pending. `loaded` has the shapes of the loaded patterns, by site.
    pub(super) fn new(
        loaded: &BTreeMap<&Site, Vec<(&str, &[Claimant])>>,
        claims: Vec<(Site, PendingRoute)>,
    ) -> Option<Self> {
        let mut by_site: BTreeMap<Site, Vec<PendingRoute>> = BTreeMap::new();
        for (site, claim) in claims {
            by_site.entry(site).or_default().push(claim);
        }
        let in_site = |(site, claims): (Site, Vec<PendingRoute>)| {
            let loaded = loaded.get(&site).into_iter().flatten().map(|(shape, _)| *shape);
            let pending = PendingInSite::new(loaded, claims);
            (site, pending)
        };
        let by_site: BTreeMap<_, _> = by_site.into_iter().map(in_site).collect();
        (!by_site.is_empty()).then_some(Self(by_site))
    }

    /// Whether the result of a lookup among the loaded routes of a site may change once all are loaded. A route whose pattern is
    /// the path itself, without captures, is final: nothing is more specific.
    pub(super) fn may_change(&self, site: &Site, lookup: &Lookup<'_>, path: &str) -> bool {
        self.0.get(site).is_some_and(|pending| pending.may_change(lookup, path))
    }
}

impl PendingInSite {
    fn new<'p>(loaded: impl Iterator<Item = &'p str>, claims: Vec<PendingRoute>) -> Self {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for shape in loaded {
            known.entry(shape.to_owned()).or_default().loaded = true;
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
        Self { patterns, any_path }
    }

    fn may_change(&self, lookup: &Lookup<'_>, path: &str) -> bool {
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
            Lookup::BadPath | Lookup::Pending | Lookup::Unserved(_) | Lookup::Misdirected => false,
        }
    }
}
