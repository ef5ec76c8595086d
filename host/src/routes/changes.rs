//! The differences between two route tables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::component::ComponentKey;
use super::{Route, RouteTable};
use crate::text::printable;

#[cfg(test)]
mod tests;

/// A change of a route at one of its patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    /// The methods that it declares, separated by commas. Empty: every standard one.
    pub(super) methods: String,
    pub(super) pattern: String,
    pub(super) key: ComponentKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    /// The same component answers there in another version, or with other options.
    Changed,
    Removed,
}

/// The changes from `before` to `after`, sorted by pattern.
pub(super) fn changes(before: &RouteTable, after: &RouteTable) -> Vec<Change> {
    let (before, after) = (by_pattern(before), by_pattern(after));
    let mut changes = Vec::new();
    for (at, route) in &after {
        match before.get(at) {
            None => changes.push(Change::of(ChangeKind::Added, at, route)),
            Some(before) if !Arc::ptr_eq(before, route) => changes.push(Change::of(ChangeKind::Changed, at, route)),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(at, _)| !after.contains_key(*at));
    changes.extend(gone.map(|(at, route)| Change::of(ChangeKind::Removed, at, route)));
    changes.sort_by(|one, other| one.pattern.cmp(&other.pattern));
    changes
}

type PatternAt<'t> = (&'t str, &'t ComponentKey);

fn by_pattern(table: &RouteTable) -> BTreeMap<PatternAt<'_>, &Arc<Route>> {
    let routes = table.routes().iter();
    let patterns = routes.flat_map(|mounted| mounted.patterns.iter().map(move |pattern| (pattern, &mounted.route)));
    patterns.map(|(pattern, route)| ((pattern.as_str(), &route.mount.key), route)).collect()
}

impl Change {
    fn of(kind: ChangeKind, (pattern, key): &PatternAt<'_>, route: &Route) -> Self {
        let methods = route.mount.methods.join(",");
        Self { kind, methods, pattern: (*pattern).to_owned(), key: (*key).clone() }
    }
}

impl ChangeKind {
    /// Its name in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// `+ GET /hello  hello.wasm`, escaped for a terminal.
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
