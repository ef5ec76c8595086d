//! Which middleware the routes of a running host were behind, so that a change of files alone never takes it away.
//!
//! Middleware is put before routes as soon as its file is there. It is taken away only when the operator confirms that:
//! until then a route stays behind what it named once, and behind what was before other routes for the same requests.

use std::collections::{BTreeMap, VecDeque};

use crate::routes::component::{ComponentKey, ComponentRole};
use crate::routes::method;
use crate::routes::middleware::may_mean;
use crate::routes::route::Mount;
use crate::routes::table::RouteTable;

/// The most removed routes whose middleware is remembered.
const MAX_REMOVED: usize = 1_000;

/// Which middleware routes were behind since the operator last confirmed the files.
#[derive(Debug, Default)]
pub(super) struct Guards {
    /// The names of middleware that route files have had.
    names: BTreeMap<ComponentKey, Vec<String>>,
    /// Routes that have answered behind middleware, by the shape of the pattern in the site.
    answered: BTreeMap<String, Vec<Answered>>,
    /// The routes that were removed, the first one first.
    removed: VecDeque<ComponentKey>,
}

/// A route that has answered at a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answered {
    key: ComponentKey,
    methods: Vec<String>,
    chain: Vec<ComponentKey>,
}

impl Guards {
    /// The names of the middleware of a route: those that it had once, and then those that it has now.
    pub(super) fn names(&self, key: &ComponentKey, named: &[String]) -> Vec<String> {
        let before = self.names.get(key).map_or(&[][..], Vec::as_slice);
        let lost = before.iter().filter(|name| !named.contains(name));
        lost.chain(named).cloned().collect()
    }

    /// Whether some route that named middleware once may mean this one.
    pub(super) fn may_mean(&self, key: &ComponentKey) -> bool {
        self.names.iter().any(|(route, names)| may_mean(route, names, key))
    }

    /// The middleware that was before routes which answered the same requests as this one.
    pub(super) fn owed(&self, mount: &Mount) -> Vec<ComponentKey> {
        let at_patterns =
            mount.patterns.iter().filter_map(|pattern| self.answered.get(&mount.key.site().shape(pattern))).flatten();
        let same = at_patterns.filter(|it| method::overlap(&it.methods, &mount.methods).is_some());
        let mut owed: Vec<ComponentKey> = Vec::new();
        for middleware in same.flat_map(|answered| &answered.chain) {
            if !owed.contains(middleware) {
                owed.push(middleware.clone());
            }
        }
        owed
    }

    /// Remembers what a new table answers.
    pub(super) fn record(&mut self, table: &RouteTable) {
        for chained in table.routes() {
            let (mount, chain) = (&chained.route.mount, &chained.route.chain);
            if !mount.middleware.is_empty() {
                let names = self.names(&mount.key, &mount.middleware);
                self.names.insert(mount.key.clone(), names);
            }
            for pattern in &chained.patterns {
                let answered = self.answered.entry(mount.key.site().shape(pattern)).or_default();
                answered.retain(|it| it.key != mount.key);
                // Middleware for some of the paths only says itself for which.
                let whole = chain.iter().filter(|link| !link.is_partial());
                let chain: Vec<ComponentKey> = whole.map(|link| link.middleware.key.clone()).collect();
                if !chain.is_empty() {
                    answered.push(Answered { key: mount.key.clone(), methods: mount.methods.clone(), chain });
                }
            }
        }
        self.answered.retain(|_, answered| !answered.is_empty());
    }

    /// A route was removed. Its middleware is remembered; of many, only that of the last ones.
    pub(super) fn remove(&mut self, key: &ComponentKey) {
        self.removed.retain(|it| it != key);
        self.removed.push_back(key.clone());
        if self.removed.len() > MAX_REMOVED
            && let Some(first) = self.removed.pop_front()
        {
            self.forget(&first);
        }
    }

    /// A removed route is there again.
    pub(super) fn restore(&mut self, key: &ComponentKey) {
        self.removed.retain(|it| it != key);
    }

    /// The operator confirms a route, or its removal.
    pub(super) fn forget(&mut self, key: &ComponentKey) {
        self.names.remove(key);
        for answered in self.answered.values_mut() {
            answered.retain(|it| it.key != *key);
        }
        self.answered.retain(|_, answered| !answered.is_empty());
    }

    /// The operator confirms all removals.
    pub(super) fn forget_removed(&mut self) {
        for key in std::mem::take(&mut self.removed) {
            self.forget(&key);
        }
    }
}

/// Whether a middleware replaces another one: it is the same, or a named one of the same name in another directory.
pub(super) fn replaces(one: &ComponentKey, other: &ComponentKey) -> bool {
    one == other || (one.role() == ComponentRole::NamedMiddleware && one.has_middleware_name_of(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::component::tests::key;
    use crate::routes::table::tests::route;

    fn answered(shape: &str, file: &str, methods: &[&str], chain: &[&str]) -> (String, Vec<Answered>) {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        let answered = Answered { key: key(file), methods, chain: chain.iter().map(|path| key(path)).collect() };
        (shape.to_owned(), vec![answered])
    }

    #[test]
    fn a_route_owes_what_was_before_the_same_requests_and_nothing_else() {
        let answered = BTreeMap::from([
            answered("/x", "a.wasm", &["GET"], &["_a.wasm"]),
            answered("/u/{}", "u.wasm", &[], &["_u.wasm", "_a.wasm"]),
        ]);
        let guards = Guards { answered, ..Guards::default() };
        for (patterns, methods, owed) in [
            (&["/x"][..], &["GET"][..], &["_a.wasm"][..]),
            (&["/x"], &["POST"], &[]),
            (&["/x"], &["HEAD"], &["_a.wasm"]),
            (&["/y", "/x"], &[], &["_a.wasm"]),
            (&["/u/{name}", "/x"], &["GET"], &["_u.wasm", "_a.wasm"]),
            (&["/u/{name}/x"], &[], &[]),
        ] {
            let route = route("new.wasm", patterns, methods);
            let expected: Vec<ComponentKey> = owed.iter().map(|path| key(path)).collect();
            assert_eq!(guards.owed(&route.mount), expected, "{patterns:?} {methods:?}");
        }
    }

    #[test]
    fn names_that_a_route_had_stay_until_they_are_meant_to_go() {
        let names = BTreeMap::from([(key("a.wasm"), vec!["x".to_owned(), "y".to_owned()])]);
        let mut guards = Guards { names, ..Guards::default() };
        let file = &key("a.wasm");
        assert_eq!(guards.names(file, &["y".to_owned(), "z".to_owned()]), ["x", "y", "z"]);
        assert_eq!(guards.names(&key("b.wasm"), &[]), [""; 0]);
        assert!(guards.may_mean(&key("_x.wasm")) && !guards.may_mean(&key("_z.wasm")));
        guards.remove(file);
        assert_eq!(guards.names(file, &[]), ["x", "y"]);
        guards.restore(file);
        guards.forget_removed();
        assert_eq!(guards.names(file, &[]), ["x", "y"]);
        guards.remove(file);
        guards.forget_removed();
        assert_eq!(guards.names(file, &[]), [""; 0]);
    }

    #[test]
    fn what_is_remembered_of_removed_files_is_bounded() {
        let file = |number: usize| key(&format!("{number}.wasm"));
        let mut guards = Guards::default();
        for number in 0..=MAX_REMOVED {
            guards.names.insert(file(number), vec!["x".to_owned()]);
            guards.remove(&file(number));
        }
        assert_eq!(guards.names.len(), MAX_REMOVED);
        assert!(!guards.names.contains_key(&file(0)));
    }

    #[test]
    fn only_a_named_one_is_replaced_by_another_of_its_name() {
        for (one, other, expected) in [
            ("in/_x.wasm", "_x.wasm", true),
            ("_middleware.wasm", "_middleware.wasm", true),
            ("in/_middleware.wasm", "_middleware.wasm", false),
            ("_x.wasm", "_y.wasm", false),
        ] {
            assert_eq!(replaces(&key(one), &key(other)), expected, "{one} {other}");
        }
    }
}
