//! What is different between two tables, for who watches.
//!
//! It must not know who is told, nor how.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::component::ComponentKey;
use super::{Route, RouteTable};
use crate::text::printable;

#[cfg(test)]
mod tests;

/// What has become of a route at one of its patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    /// The methods that it declares; empty is every standard one.
    pub(super) methods: String,
    pub(super) pattern: String,
    pub(super) key: ComponentKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    /// The same file answers there in another version, or under other options.
    Changed,
    Removed,
}

/// What `after` has else than `before`, by pattern.
pub(super) fn changes(before: &RouteTable, after: &RouteTable) -> Vec<Change> {
    let (before, after) = (by_place(before), by_place(after));
    let mut changes = Vec::new();
    for (place, route) in &after {
        match before.get(place) {
            None => changes.push(Change::of(ChangeKind::Added, place, route)),
            Some(before) if !Arc::ptr_eq(before, route) => changes.push(Change::of(ChangeKind::Changed, place, route)),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(place, _)| !after.contains_key(*place));
    changes.extend(gone.map(|(place, route)| Change::of(ChangeKind::Removed, place, route)));
    changes.sort_by(|one, other| one.pattern.cmp(&other.pattern));
    changes
}

type PatternAt<'t> = (&'t str, &'t ComponentKey);

fn by_place(table: &RouteTable) -> BTreeMap<PatternAt<'_>, &Arc<Route>> {
    let routes = table.routes().iter();
    let places = routes.flat_map(|mounted| mounted.patterns.iter().map(move |pattern| (pattern, &mounted.route)));
    places.map(|(pattern, route)| ((pattern.as_str(), &route.mount.key), route)).collect()
}

impl Change {
    fn of(kind: ChangeKind, (pattern, key): &PatternAt<'_>, route: &Route) -> Self {
        let methods = route.mount.methods.join(",");
        Self { kind, methods, pattern: (*pattern).to_owned(), key: (*key).clone() }
    }
}

impl ChangeKind {
    /// One word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// `+ GET /hello  hello.wasm`: fit for a terminal whatever the file is called.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        write!(f, "{sign} ")?;
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods)?;
        }
        write!(f, "{}  {}", printable(&self.pattern), printable(&self.key.short_location()))
    }
}
