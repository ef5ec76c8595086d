//! Paths that are known to belong to a component that does not serve: it is being loaded, or could not be.

use std::collections::BTreeMap;

use super::component::ComponentKey;
use super::matcher::Matcher;
use super::pattern::shape;
use super::site::Site;

/// A component without a version that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnservedRoute {
    /// The component.
    pub key: ComponentKey,
    /// Whether it is being loaded. Otherwise it could not be.
    pub is_loading: bool,
}

/// The paths of all such components, as far as they are known before a component describes itself.
#[derive(Debug)]
pub(super) struct UnservedPatterns(BTreeMap<Site, Matcher<UnservedRoute>>);

impl UnservedPatterns {
    /// `None` if there are none. One that is being loaded takes precedence.
    pub(super) fn new<'p>(routes: impl Iterator<Item = (UnservedRoute, &'p [String])>) -> Option<Self> {
        let mut routes: Vec<_> = routes.filter(|(_, patterns)| !patterns.is_empty()).collect();
        if routes.is_empty() {
            return None;
        }
        routes.sort_by_key(|(route, _)| route.is_loading);
        let mut by_site = BTreeMap::new();
        for (route, patterns) in routes {
            let matcher = by_site.entry(route.key.site().clone()).or_insert_with(Matcher::new);
            patterns.iter().for_each(|pattern| matcher.insert(&shape(pattern), route.clone()));
        }
        Some(Self(by_site))
    }

    /// The component of a site that a path belongs to. The path is decoded as for a lookup of routes.
    pub(super) fn find(&self, site: &Site, path: &str) -> Option<&UnservedRoute> {
        self.0.get(site)?.find(path).map(|(route, _)| route)
    }
}
