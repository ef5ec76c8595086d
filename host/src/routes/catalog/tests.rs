//! What is loaded when, and which version serves. The moments are the tests' own.

use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use crate::net::ClientKey;
use crate::options::Value;
use crate::rate::ConnectionBudgets;
use crate::routes::component::tests::key;
use crate::routes::holders::CLAIM_KEPT;
use crate::routes::table::tests::{declared, route, route_with};

const SETTLE_TIME: Duration = Duration::from_millis(200);

/// So many milliseconds after the beginning.
fn at(milliseconds: u64) -> Instant {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGINNING + Duration::from_millis(milliseconds)
}

/// Files by name, each with the number of its look.
fn files(files: &[(&str, u64)]) -> Vec<(ComponentKey, Fingerprint)> {
    files.iter().map(|(file, number)| (key(file), Fingerprint::numbered(*number))).collect()
}

fn unread(path: &str) -> Unread {
    Unread { path: path.into(), location: path.to_owned() }
}

fn to_load(to_load: &[(&str, u64)]) -> CatalogUpdate {
    CatalogUpdate { to_load: files(to_load), ..CatalogUpdate::default() }
}

fn rescan_at(milliseconds: u64) -> CatalogUpdate {
    CatalogUpdate { rescan_at: Some(at(milliseconds)), ..CatalogUpdate::default() }
}

/// Ends the loading of what was found to look so, well where it has patterns.
fn end(catalog: &mut Catalog, file: &str, number: u64, patterns: &[&str]) {
    let loaded = match patterns {
        [] => Loaded::failed(&key(file), "bad", "mend it"),
        patterns => loaded(route(file, patterns, &["GET"])),
    };
    catalog.finish_load(&key(file), Fingerprint::numbered(number), loaded);
}

fn loaded(route: Arc<Route>) -> Loaded {
    let route = Arc::into_inner(route).expect("nobody else has it");
    Loaded { component: Some(LoadedComponent::Route(Box::new(route))), diagnostics: Vec::new(), retry: Retry::OnChange }
}

/// The mounted routes of the next table, and what is told with it.
fn table(catalog: &mut Catalog) -> (Vec<String>, Vec<String>) {
    let (table, reported) = catalog.build_table();
    let chained = table.routes().iter().map(|it| format!("{} {}", it.route.mount.name, it.patterns.join(" ")));
    (chained.collect(), reported.iter().map(|it| format!("{}: {}", it.location, it.reason)).collect())
}

/// One with `a.wasm` at `/a`, loaded in its first look.
fn with_a() -> Catalog {
    let mut catalog = Catalog::new();
    assert_eq!(catalog.update(files(&[("a.wasm", 1)]), &[], at(0), Duration::ZERO), to_load(&[("a.wasm", 1)]));
    end(&mut catalog, "a.wasm", 1, &["/a"]);
    assert_eq!(table(&mut catalog), (vec!["a.wasm /a".to_owned()], vec![]));
    catalog
}

#[test]
fn a_file_is_loaded_once_it_rests_and_only_once() {
    let mut catalog = Catalog::new();
    for (now, fingerprint, expected) in [
        (0, 1, rescan_at(200)),
        // Still growing.
        (150, 2, rescan_at(350)),
        (349, 2, rescan_at(350)),
        (350, 2, to_load(&[("a.wasm", 2)])),
        (400, 2, CatalogUpdate::default()),
        (500, 3, rescan_at(700)),
        // As it was before: that is loaded already.
        (600, 2, CatalogUpdate::default()),
        (700, 3, rescan_at(900)),
        (900, 3, to_load(&[("a.wasm", 3)])),
    ] {
        assert_eq!(catalog.update(files(&[("a.wasm", fingerprint)]), &[], at(now), SETTLE_TIME), expected, "at {now}");
    }
}

#[test]
fn one_file_that_never_rests_holds_up_no_other() {
    let mut catalog = Catalog::new();
    catalog.update(files(&[("a.wasm", 1), ("b.wasm", 1)]), &[], at(0), SETTLE_TIME);
    let found = catalog.update(files(&[("a.wasm", 2), ("b.wasm", 1)]), &[], at(200), SETTLE_TIME);
    assert_eq!(found, CatalogUpdate { rescan_at: Some(at(400)), ..to_load(&[("b.wasm", 1)]) });
}

#[test]
fn a_route_is_gone_once_its_file_has_been_for_a_while() {
    let mut catalog = with_a();
    assert_eq!(catalog.update(Vec::new(), &[], at(1000), SETTLE_TIME), rescan_at(1200));
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
    // A file of the same name took its place.
    assert_eq!(catalog.update(files(&[("a.wasm", 2)]), &[], at(1100), SETTLE_TIME), rescan_at(1300));
    assert_eq!(catalog.update(Vec::new(), &[], at(2000), SETTLE_TIME), rescan_at(2200));
    assert_eq!(
        catalog.update(Vec::new(), &[], at(2200), SETTLE_TIME),
        CatalogUpdate { removed: true, ..CatalogUpdate::default() }
    );
    assert_eq!(table(&mut catalog), (vec![], vec![]));
}

#[test]
fn a_route_whose_files_are_moved_one_after_the_other_is_never_missing() {
    let mut catalog = with_a();
    assert_eq!(catalog.update(files(&[("b.wasm", 1)]), &[], at(1000), SETTLE_TIME), rescan_at(1200));
    // With its route file it looks otherwise, and rests anew: until then the removal waits.
    assert_eq!(catalog.update(files(&[("b.wasm", 2)]), &[], at(1050), SETTLE_TIME), rescan_at(1200));
    assert_eq!(catalog.update(files(&[("b.wasm", 2)]), &[], at(1200), SETTLE_TIME), rescan_at(1250));
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
    let found = catalog.update(files(&[("b.wasm", 2)]), &[], at(1250), SETTLE_TIME);
    assert_eq!(found, CatalogUpdate { rescan_at: Some(at(3000)), ..to_load(&[("b.wasm", 2)]) });
    catalog.start_load(&key("b.wasm"), PendingRoute::Anywhere(None), Some(&[]));
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
    end(&mut catalog, "b.wasm", 2, &["/a"]);
    // In one table the one takes the place of the other, without a conflict.
    assert_eq!(table(&mut catalog), (vec!["b.wasm /a".to_owned()], vec![]));
}

#[test]
fn a_removal_waits_for_others_only_for_some_rests() {
    let mut catalog = with_a();
    catalog.update(Vec::new(), &[], at(1000), SETTLE_TIME);
    for (now, number) in (1100..3000).step_by(100).zip(1..) {
        let found = catalog.update(files(&[("b.wasm", number)]), &[], at(now), SETTLE_TIME);
        assert!(!found.removed && found.to_load.is_empty(), "{found:?} at {now}");
        assert_eq!(table(&mut catalog).0, ["a.wasm /a"], "at {now}");
    }
    assert!(catalog.update(files(&[("b.wasm", 100)]), &[], at(3000), SETTLE_TIME).removed);
    assert_eq!(table(&mut catalog).0, Vec::<String>::new());
}

#[test]
fn a_removal_that_waited_for_one_that_never_came_is_found() {
    let mut catalog = with_a();
    catalog.update(files(&[("b.wasm", 1)]), &[], at(1000), SETTLE_TIME);
    catalog.update(files(&[("b.wasm", 2)]), &[], at(1100), SETTLE_TIME);
    assert!(!catalog.update(files(&[("b.wasm", 2)]), &[], at(1200), SETTLE_TIME).removed);
    assert!(catalog.update(Vec::new(), &[], at(1250), SETTLE_TIME).removed);
    assert_eq!(table(&mut catalog).0, Vec::<String>::new());
}

#[test]
fn of_a_directory_that_could_not_be_read_nothing_is_removed() {
    let mut catalog = Catalog::new();
    for (file, pattern) in [("sub/a.wasm", "/a"), ("b.wasm", "/b")] {
        catalog.update(files(&[("sub/a.wasm", 1), ("b.wasm", 1)]), &[], at(0), Duration::ZERO);
        end(&mut catalog, file, 1, &[pattern]);
    }
    for now in [1000, 1200, 9000] {
        catalog.update(Vec::new(), &[unread("sub")], at(now), SETTLE_TIME);
    }
    assert_eq!(table(&mut catalog).0, ["sub/a.wasm /a"]);
    assert_eq!(catalog.update(files(&[("sub/a.wasm", 1)]), &[], at(9000), SETTLE_TIME), CatalogUpdate::default());
}

#[test]
fn what_the_system_refused_is_tried_at_each_look_and_told_once() {
    let mut catalog = with_a();
    let refused = || Loaded { retry: Retry::AtNextScan, ..Loaded::failed(&key("a.wasm"), "refused", "wait") };
    for reported in [1, 0, 0] {
        assert_eq!(catalog.update(files(&[("a.wasm", 2)]), &[], at(1000), Duration::ZERO), to_load(&[("a.wasm", 2)]));
        catalog.finish_load(&key("a.wasm"), Fingerprint::numbered(2), refused());
        let (chained, new) = table(&mut catalog);
        assert_eq!((chained, new.len()), (vec!["a.wasm /a".to_owned()], reported));
    }
    catalog.update(files(&[("a.wasm", 2)]), &[], at(1000), Duration::ZERO);
    end(&mut catalog, "a.wasm", 2, &["/two"]);
    assert_eq!(table(&mut catalog), (vec!["a.wasm /two".to_owned()], vec![]));
    assert_eq!(catalog.update(files(&[("a.wasm", 2)]), &[], at(1000), SETTLE_TIME), CatalogUpdate::default());
}

#[test]
fn what_is_being_loaded_is_awaited_until_all_was_loaded_once() {
    let mut catalog = Catalog::new();
    for (fingerprint, complete) in [(1, false), (2, true)] {
        let file = format!("{fingerprint}.wasm");
        let all: Vec<String> = (1..=fingerprint).map(|number| format!("{number}.wasm")).collect();
        let fingerprints: Vec<(&str, u64)> = all.iter().map(|file| (file.as_str(), 1)).collect();
        assert_eq!(catalog.update(files(&fingerprints), &[], at(0), Duration::ZERO), to_load(&[(&file, 1)]));
        catalog.start_load(&key(&file), PendingRoute::Anywhere(None), Some(&[]));
        assert_eq!(catalog.build_table().0.is_complete(), complete, "{file}");
        end(&mut catalog, &file, 1, &[&format!("/{fingerprint}")]);
        assert!(catalog.build_table().0.is_complete());
    }
}

#[test]
fn what_is_asked_for_again_while_it_is_being_loaded_is_not_loaded_twice() {
    let mut catalog = with_a();
    catalog.update(files(&[("a.wasm", 2)]), &[], at(0), Duration::ZERO);
    end(&mut catalog, "a.wasm", 2, &[]);
    catalog.update(files(&[("a.wasm", 3)]), &[], at(0), Duration::ZERO);
    catalog.start_load(&key("a.wasm"), PendingRoute::Anywhere(None), Some(&[]));
    catalog.retry_failed();
    assert_eq!(catalog.update(files(&[("a.wasm", 3)]), &[], at(0), Duration::ZERO), CatalogUpdate::default());
    end(&mut catalog, "a.wasm", 3, &["/three"]);
    assert!(!catalog.is_loading());
    assert_eq!(table(&mut catalog).0, ["a.wasm /three"]);
}

#[test]
fn a_changed_route_takes_over_what_its_requests_share() {
    let with = |rate: i64| {
        let options = [("rate", rate), ("upload_rate", 1000), ("concurrency", 1)];
        route_with(&options.map(|(name, value)| (name.to_owned(), Value::Integer(value))))
    };
    let mut catalog = Catalog::new();
    let mut next = |fingerprint, rate| {
        catalog.update(files(&[("a.wasm", fingerprint)]), &[], at(0), Duration::ZERO);
        catalog.finish_load(&key("a.wasm"), Fingerprint::numbered(fingerprint), loaded(with(rate)));
        catalog.build_table().0.routes()[0].route.clone()
    };
    let (first, second, third) = (next(1, 1000), next(2, 1000), next(3, 2000));
    let budgets = |route: &Route| {
        let pacers = route.rates.pacers(&"a".into(), Some(ClientKey::V6Prefix(1)), &mut ConnectionBudgets::default());
        [pacers.download, pacers.upload].map(|pacer| pacer.expect("it has a rate").budget().clone())
    };
    let same = |one: &Route, other: &Route| {
        let (one, other) = (budgets(one), budgets(other));
        [one[0].is_same(&other[0]), one[1].is_same(&other[1])]
    };
    assert_eq!(same(&first, &second), [true, true]);
    assert_eq!(same(&second, &third), [false, true], "the rate is another");
    let running = first.admit().expect("nothing else runs");
    assert!(third.admit().is_none(), "a version before still runs");
    drop(running);
    assert!(third.admit().is_some());
}

#[test]
fn an_unchanged_route_stays_the_same_one() {
    let mut catalog = with_a();
    let before = catalog.build_table().0;
    catalog.update(files(&[("a.wasm", 1), ("b.wasm", 1)]), &[], at(0), Duration::ZERO);
    end(&mut catalog, "b.wasm", 1, &["/b"]);
    let after = catalog.build_table().0;
    assert_eq!(after.routes().len(), 2);
    assert!(Arc::ptr_eq(&before.routes()[0].route, &after.routes()[0].route));
}

#[test]
fn a_version_that_cannot_be_loaded_leaves_the_one_before_and_is_told_each_time() {
    let mut catalog = with_a();
    let reported = vec!["a.wasm: bad; the version before it still serves".to_owned()];
    for fingerprint in 2..4 {
        catalog.update(files(&[("a.wasm", fingerprint)]), &[], at(0), Duration::ZERO);
        catalog.start_load(&key("a.wasm"), PendingRoute::Anywhere(None), Some(&[]));
        assert!(catalog.is_loading());
        assert!(catalog.build_table().0.is_complete(), "no request waits: the version before answers it");
        end(&mut catalog, "a.wasm", fingerprint, &[]);
        assert!(!catalog.is_loading());
        assert_eq!(table(&mut catalog), (vec!["a.wasm /a".to_owned()], reported.clone()));
        assert_eq!(table(&mut catalog).1, Vec::<String>::new());
    }
    catalog.update(files(&[("a.wasm", 4)]), &[], at(0), Duration::ZERO);
    end(&mut catalog, "a.wasm", 4, &["/other"]);
    assert_eq!(table(&mut catalog), (vec!["a.wasm /other".to_owned()], vec![]));
    assert_eq!(catalog.diagnostics(), []);
}

#[test]
fn what_could_not_be_loaded_is_tried_again_when_that_is_asked_for() {
    let mut catalog = with_a();
    let both = files(&[("a.wasm", 1), ("b.wasm", 1)]);
    catalog.update(both.clone(), &[], at(0), Duration::ZERO);
    end(&mut catalog, "b.wasm", 1, &[]);
    assert_eq!(catalog.update(both.clone(), &[], at(0), SETTLE_TIME), CatalogUpdate::default());
    catalog.retry_failed();
    assert_eq!(catalog.update(both, &[], at(200), SETTLE_TIME), to_load(&[("b.wasm", 1)]));
}

#[test]
fn a_version_that_was_overtaken_is_dropped() {
    let mut catalog = with_a();
    catalog.update(files(&[("a.wasm", 2)]), &[], at(0), Duration::ZERO);
    catalog.update(files(&[("a.wasm", 3)]), &[], at(0), Duration::ZERO);
    end(&mut catalog, "a.wasm", 2, &["/two"]);
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
    end(&mut catalog, "a.wasm", 3, &["/three"]);
    assert_eq!(table(&mut catalog).0, ["a.wasm /three"]);
    catalog.update(Vec::new(), &[], at(0), Duration::ZERO);
    end(&mut catalog, "a.wasm", 3, &["/gone"]);
    assert_eq!(table(&mut catalog).0, Vec::<String>::new());
}

#[test]
fn of_routes_that_came_together_neither_is_mounted_and_a_later_one_yields() {
    let mut catalog = Catalog::new();
    let fingerprints = |b| files(&[("a.wasm", 1), ("b.wasm", b), ("c.wasm", 1)]);
    catalog.update(files(&[("a.wasm", 1), ("b.wasm", 1)]), &[], at(0), Duration::ZERO);
    for file in ["a.wasm", "b.wasm"] {
        catalog.start_load(&key(file), PendingRoute::Anywhere(None), Some(&[]));
    }
    end(&mut catalog, "a.wasm", 1, &["/x"]);
    // It was published before the other came, and has no more right to it.
    assert_eq!(table(&mut catalog).0, ["a.wasm /x"]);
    end(&mut catalog, "b.wasm", 1, &["/x"]);
    let both = vec!["b.wasm: `GET /x` is claimed by a.wasm too".to_owned()];
    assert_eq!(table(&mut catalog), (vec![], both));
    catalog.update(fingerprints(2), &[], at(0), Duration::ZERO);
    end(&mut catalog, "b.wasm", 2, &["/b"]);
    assert_eq!(table(&mut catalog).0, ["a.wasm /x", "b.wasm /b"]);
    end(&mut catalog, "c.wasm", 1, &["/x", "/c"]);
    let yields = vec!["c.wasm: `GET /x` is claimed by a.wasm, which answers there already".to_owned()];
    assert_eq!(table(&mut catalog), (["a.wasm /x", "b.wasm /b", "c.wasm /c"].map(str::to_owned).into(), yields));
    catalog.update(fingerprints(2).split_off(1), &[], at(0), Duration::ZERO);
    assert_eq!(table(&mut catalog), (["b.wasm /b", "c.wasm /x /c"].map(str::to_owned).into(), vec![]));
}

/// Ends the loading of a component that declares its patterns.
fn end_declared(catalog: &mut Catalog, file: &str, number: u64, patterns: &[&str]) {
    catalog.finish_load(&key(file), Fingerprint::numbered(number), loaded(declared(file, patterns, &["GET"])));
}

#[test]
fn in_a_gap_nobody_takes_over_what_another_declares_until_some_time_has_passed() {
    let kept = u64::try_from(CLAIM_KEPT.as_millis()).expect("it is no age");
    let mut catalog = Catalog::new();
    let (both, one) = (|fingerprint| files(&[("a.wasm", fingerprint), ("b.wasm", 2)]), || files(&[("b.wasm", 2)]));
    catalog.update(files(&[("a.wasm", 1)]), &[], at(0), Duration::ZERO);
    end_declared(&mut catalog, "a.wasm", 1, &["/x"]);
    catalog.build_table();
    catalog.update(both(1), &[], at(0), Duration::ZERO);
    end_declared(&mut catalog, "b.wasm", 2, &["/x", "/b"]);
    let reported = |why: &str| vec![format!("b.wasm: `GET /x` is claimed by a.wasm, {why}")];
    let chained = |chained: &[&str]| chained.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(table(&mut catalog), (chained(&["a.wasm /x", "b.wasm /b"]), reported("which answers there already")));
    // A copy that removes the file before it writes it anew.
    assert!(catalog.update(one(), &[], at(1000), Duration::ZERO).removed);
    assert_eq!(table(&mut catalog), (chained(&["b.wasm /b"]), reported("which answered there and is gone")));
    catalog.update(both(3), &[], at(2000), Duration::ZERO);
    catalog.start_load(&key("a.wasm"), PendingRoute::Anywhere(None), Some(&[]));
    assert_eq!(table(&mut catalog), (chained(&["b.wasm /b"]), reported("which answered there and is not served now")));
    end_declared(&mut catalog, "a.wasm", 3, &["/x"]);
    assert_eq!(table(&mut catalog).0, ["a.wasm /x", "b.wasm /b"]);
    // One that is gone for good.
    catalog.update(one(), &[], at(10_000), Duration::ZERO);
    assert_eq!(table(&mut catalog).0, ["b.wasm /b"]);
    assert_eq!(catalog.claim_expires_at(), Some(at(10_000 + kept)));
    assert!(!catalog.update(one(), &[], at(10_000 + kept - 1), Duration::ZERO).removed);
    assert!(catalog.update(one(), &[], at(10_000 + kept), Duration::ZERO).removed);
    assert_eq!((table(&mut catalog), catalog.claim_expires_at()), ((chained(&["b.wasm /x /b"]), vec![]), None));
}

#[test]
fn what_is_meant_to_go_keeps_nothing_and_what_was_moved_keeps_all() {
    for confirms in [true, false] {
        let mut catalog = Catalog::new();
        catalog.update(files(&[("a.wasm", 1), ("b.wasm", 2)]), &[], at(0), Duration::ZERO);
        end_declared(&mut catalog, "a.wasm", 1, &["/x"]);
        end_declared(&mut catalog, "b.wasm", 2, &["/b"]);
        catalog.build_table();
        catalog.update(files(&[("b.wasm", 3)]), &[], at(1000), Duration::ZERO);
        end_declared(&mut catalog, "b.wasm", 3, &["/x"]);
        assert_eq!(table(&mut catalog).0, Vec::<String>::new());
        let files = if confirms {
            catalog.confirm_next_scan();
            files(&[("b.wasm", 3)])
        } else {
            files(&[("b.wasm", 3), ("c.wasm", 1)])
        };
        catalog.update(files, &[], at(2000), Duration::ZERO);
        if !confirms {
            end_declared(&mut catalog, "c.wasm", 1, &["/x"]);
        }
        assert_eq!(table(&mut catalog).0, [if confirms { "b.wasm /x" } else { "c.wasm /x" }]);
    }
}

#[test]
fn who_held_a_path_in_another_run_has_it_before_others_whichever_is_loaded_first() {
    let record = |file: &str| HolderRecord { shape: "/x".to_owned(), key: key(file), methods: vec!["GET".to_owned()] };
    for (order, held, expected) in [
        (["a.wasm", "b.wasm"], "a.wasm", vec!["a.wasm /x"]),
        (["b.wasm", "a.wasm"], "a.wasm", vec!["a.wasm /x"]),
        // It is gone, and may come back.
        (["a.wasm", "b.wasm"], "c.wasm", vec![]),
        // Of those that are in an other table nobody knows.
        (["a.wasm", "b.wasm"], "a.toml", vec![]),
    ] {
        let mut catalog = Catalog::new();
        catalog.restore_holders(vec![record(held)]);
        catalog.update(files(&[("a.wasm", 1), ("b.wasm", 2)]), &[], at(0), Duration::ZERO);
        let number = |file: &str| if file == "a.wasm" { 1 } else { 2 };
        order.iter().for_each(|file| {
            catalog.start_load(&key(file), PendingRoute::Anywhere(None), Some(&[]));
        });
        end_declared(&mut catalog, order[0], number(order[0]), &["/x"]);
        let first = catalog.build_table().0;
        let serves = first.routes().iter().map(|it| &*it.route.mount.name).collect::<Vec<_>>();
        assert_eq!(serves, if order[0] == held { vec![held] } else { vec![] }, "{order:?} {held}");
        end_declared(&mut catalog, order[1], number(order[1]), &["/x"]);
        assert_eq!(table(&mut catalog).0, expected, "{order:?} {held}");
    }
}

#[test]
fn what_the_operator_sets_is_nobody_elses_while_it_is_loaded_first_nor_where_it_cannot_be() {
    for (expected, patterns) in [
        (PendingRoute::At(vec!["/x".to_owned()]), &["/x"][..]),
        (PendingRoute::At(vec!["/x".to_owned()]), &[]),
        (PendingRoute::Anywhere(Some("/x".to_owned())), &[]),
    ] {
        let mut catalog = Catalog::new();
        catalog.update(files(&[("a.wasm", 1), ("b.wasm", 2)]), &[], at(0), Duration::ZERO);
        catalog.start_load(&key("a.wasm"), expected, Some(&[]));
        catalog.start_load(&key("b.wasm"), PendingRoute::Anywhere(None), Some(&[]));
        end_declared(&mut catalog, "b.wasm", 2, &["/x"]);
        assert!(catalog.build_table().0.routes().is_empty(), "it may be another's");
        end(&mut catalog, "a.wasm", 1, patterns);
        let expected: Vec<String> = patterns.iter().map(|pattern| format!("a.wasm {pattern}")).collect();
        assert_eq!(table(&mut catalog).0, expected);
    }
}

/// A catalog of `a.wasm`, loaded, beside a middleware that is not.
fn guarded(middleware: &str) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.update(files(&[("a.wasm", 1), (middleware, 1)]), &[], at(0), Duration::ZERO);
    catalog.start_load(&key("a.wasm"), PendingRoute::Anywhere(None), Some(&[]));
    catalog.start_load(&key(middleware), PendingRoute::At(Vec::new()), Some(&[]));
    end(&mut catalog, "a.wasm", 1, &["/a"]);
    catalog
}

#[test]
fn a_route_waits_for_middleware_and_is_not_served_without_it() {
    let mut catalog = guarded("_middleware.wasm");
    let (awaiting, reported) = catalog.build_table();
    assert!(awaiting.routes().is_empty() && !awaiting.is_complete() && reported.is_empty());
    end(&mut catalog, "_middleware.wasm", 1, &[]);
    let reported = [
        "_middleware.wasm: bad",
        "a.wasm: its middleware _middleware.wasm cannot be loaded; the route is not served without it",
    ];
    assert_eq!(table(&mut catalog), (vec![], reported.map(str::to_owned).into()));
    catalog.update(files(&[("a.wasm", 1)]), &[], at(0), Duration::ZERO);
    let reported = [
        "_middleware.wasm: this middleware is gone; what is to be behind it is not served",
        "a.wasm: its middleware _middleware.wasm cannot be loaded; the route is not served without it",
    ];
    let (chained, new) = table(&mut catalog);
    assert_eq!((chained, new), (vec![], vec![reported[0].to_owned()]), "it may come again");
    assert_eq!(catalog.diagnostics().len(), reported.len());
    catalog.confirm_next_scan();
    catalog.update(files(&[("a.wasm", 1)]), &[], at(0), Duration::ZERO);
    assert_eq!(table(&mut catalog), (vec!["a.wasm /a".to_owned()], vec![]), "the operator wants it so");
}

#[test]
fn middleware_that_the_system_does_not_show_is_not_as_if_it_were_not_there() {
    let mut catalog = Catalog::new();
    catalog.update(files(&[("a.wasm", 1)]), &[unread("_middleware.wasm")], at(0), Duration::ZERO);
    end(&mut catalog, "a.wasm", 1, &["/a"]);
    let reported = "a.wasm: its middleware _middleware.wasm cannot be loaded; the route is not served without it";
    assert_eq!(table(&mut catalog), (vec![], vec![reported.to_owned()]));
}

#[test]
fn middleware_that_comes_later_leaves_the_routes_as_they_were_until_it_is_loaded() {
    let mut catalog = with_a();
    let both = files(&[("_middleware.wasm", 1), ("a.wasm", 1)]);
    assert_eq!(catalog.update(both, &[], at(0), Duration::ZERO), to_load(&[("_middleware.wasm", 1)]));
    catalog.start_load(&key("_middleware.wasm"), PendingRoute::At(Vec::new()), Some(&[]));
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
    end(&mut catalog, "_middleware.wasm", 1, &[]);
    assert_eq!(table(&mut catalog).0, ["a.wasm /a"]);
}

#[test]
fn named_middleware_is_loaded_once_a_route_asks_for_it() {
    let mut catalog = Catalog::new();
    let both = || files(&[("_x.wasm", 1), ("in/a.wasm", 1)]);
    assert_eq!(catalog.update(both(), &[], at(0), Duration::ZERO), to_load(&[("in/a.wasm", 1)]));
    assert!(catalog.start_load(&key("in/a.wasm"), PendingRoute::Anywhere(None), Some(&["y".to_owned()])));
    assert_eq!(catalog.update(both(), &[], at(0), Duration::ZERO), CatalogUpdate::default());
    assert!(catalog.start_load(&key("in/a.wasm"), PendingRoute::Anywhere(None), Some(&["x".to_owned()])));
    assert_eq!(catalog.update(both(), &[], at(0), Duration::ZERO), to_load(&[("_x.wasm", 1)]));
    // The route file cannot be read now: what was asked for stays.
    catalog.start_load(&key("in/a.wasm"), PendingRoute::Anywhere(None), None);
    let rescan_at = files(&[("_x.wasm", 2), ("in/a.wasm", 1)]);
    assert_eq!(catalog.update(rescan_at, &[], at(0), Duration::ZERO), to_load(&[("_x.wasm", 2)]));
}
