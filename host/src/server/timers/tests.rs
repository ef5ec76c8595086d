//! When routes run, by a clock that the tests set.

use super::*;

/// Routes with their intervals in seconds. Their names are their routes.
fn routes(routes: &[(&'static str, u64)]) -> impl Iterator<Item = TimedRoute<&'static str>> {
    let timed = |(name, seconds): &(&'static str, u64)| TimedRoute {
        name: (*name).into(),
        every: Duration::from_secs(*seconds),
        route: *name,
    };
    routes.iter().map(timed).collect::<Vec<_>>().into_iter()
}

fn timers(of: &[(&'static str, u64)], now: Instant) -> Timers<&'static str> {
    let mut timers = Timers::default();
    timers.update(routes(of), now);
    timers
}

/// The names of what runs at `now`.
fn runs(timers: &mut Timers<&'static str>, now: Instant) -> Vec<&'static str> {
    let mut runs: Vec<_> = timers.due(now).runs.into_iter().map(|(_, route)| route).collect();
    runs.sort_unstable();
    runs
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_run_comes_after_one_interval_and_the_next_ones_without_drift() {
    let start = Instant::now();
    let mut timers = timers(&[("a", 10)], start);
    let first = start + 10 * SECOND + spread("a", 10 * SECOND);
    assert_eq!(timers.next(), Some(first));
    assert_eq!(runs(&mut timers, first - Duration::from_millis(1)), [""; 0]);
    // It is late by a second, and the one after it is not.
    assert_eq!(runs(&mut timers, first + SECOND), ["a"]);
    timers.ended("a");
    assert_eq!(timers.next(), Some(first + 10 * SECOND));
    assert_eq!(runs(&mut timers, first + 10 * SECOND), ["a"]);
}

#[test]
fn the_spread_is_less_than_a_tenth_of_the_interval_and_than_a_second_and_differs() {
    let names = ["a", "b", "c", "d", "e", "f"];
    for (every, most) in [(Duration::from_millis(100), Duration::from_millis(10)), (3600 * SECOND, SECOND)] {
        let mut spreads: Vec<Duration> = names.iter().map(|name| spread(name, every)).collect();
        assert!(spreads.iter().all(|spread| *spread < most), "{spreads:?}");
        spreads.sort_unstable();
        spreads.dedup();
        assert!(spreads.len() > 1, "{spreads:?}");
    }
}

#[test]
fn a_route_never_runs_twice_at_once_and_what_is_skipped_is_reported_once_a_minute() {
    let start = Instant::now();
    let mut timers = timers(&[("a", 10)], start);
    let first = timers.next().expect("it has a timer");
    assert_eq!(runs(&mut timers, first), ["a"]);
    let mut reports = Vec::new();
    for run in 1..=13 {
        let due = timers.due(first + run * 10 * SECOND);
        assert_eq!(due.runs, []);
        reports.extend(due.skipped.into_iter().map(|(name, skipped)| (run, name.to_string(), skipped)));
    }
    assert_eq!(reports, [(1, "a".to_owned(), 1), (7, "a".to_owned(), 6), (13, "a".to_owned(), 6)]);
    timers.ended("a");
    assert_eq!(runs(&mut timers, first + 14 * 10 * SECOND), ["a"]);
}

#[test]
fn a_pause_of_the_machine_is_not_made_up_for() {
    let start = Instant::now();
    let mut timers = timers(&[("a", 10)], start);
    let first = timers.next().expect("it has a timer");
    let later = first + 3600 * SECOND + 3 * SECOND;
    assert_eq!(runs(&mut timers, later), ["a"]);
    timers.ended("a");
    assert_eq!(timers.next(), Some(first + 3610 * SECOND));
}

#[test]
fn a_reload_keeps_the_clock_unless_the_interval_has_changed() {
    let start = Instant::now();
    let mut timers = timers(&[("a", 10), ("b", 10), ("c", 10)], start);
    let later = start + 5 * SECOND;
    timers.update(routes(&[("a", 10), ("b", 20)]), later);
    let due = |name: &str, timers: &Timers<_>| timers.0.get(name).map(|clock: &RouteClock<_>| clock.next);
    assert_eq!(due("a", &timers), Some(start + 10 * SECOND + spread("a", 10 * SECOND)));
    assert_eq!(due("b", &timers), Some(later + 20 * SECOND + spread("b", 20 * SECOND)));
    assert_eq!(due("c", &timers), None);
    timers.update(routes(&[]), later);
    assert_eq!(timers.next(), None);
}

#[test]
fn a_route_that_is_removed_and_comes_back_while_it_runs_does_not_run_twice() {
    let start = Instant::now();
    let mut timers = timers(&[("a", 1)], start);
    let first = timers.next().expect("it has a timer");
    assert_eq!(runs(&mut timers, first), ["a"]);
    timers.update(routes(&[]), first);
    assert_eq!((timers.next(), timers.0.len()), (None, 1));
    timers.update(routes(&[("a", 1)]), first);
    assert_eq!(runs(&mut timers, first + 2 * SECOND), [""; 0]);
    timers.ended("a");
    assert_eq!(runs(&mut timers, first + 4 * SECOND), ["a"]);
    timers.update(routes(&[]), first);
    timers.ended("a");
    assert!(timers.0.is_empty());
}
