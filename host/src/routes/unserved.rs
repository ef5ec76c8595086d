//! Paths that are known to belong to a component that does not serve: it is being loaded, or could not be.

use super::component::ComponentKey;
use super::matcher::Matcher;
use super::pattern::shape;

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
pub(super) struct UnservedPatterns(Matcher<UnservedRoute>);

impl UnservedPatterns {
    /// `None` if there are none. One that is being loaded takes precedence.
    pub(super) fn new<'p>(routes: impl Iterator<Item = (UnservedRoute, &'p [String])>) -> Option<Self> {
        let mut routes: Vec<_> = routes.filter(|(_, patterns)| !patterns.is_empty()).collect();
        if routes.is_empty() {
            return None;
        }
        routes.sort_by_key(|(route, _)| route.is_loading);
        let mut matcher = Matcher::new();
        for (route, patterns) in routes {
            patterns.iter().for_each(|pattern| matcher.insert(&shape(pattern), route.clone()));
        }
        Some(Self(matcher))
    }

    /// The component that a path belongs to. The path is decoded as for a lookup of routes.
    pub(super) fn find(&self, path: &str) -> Option<&UnservedRoute> {
        self.0.find(path).map(|(route, _)| route)
    }
}
