//! Runs the routes that have a timer, each by its own clock. Each worker runs some of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};

use crate::connection::run_by_timer;
use crate::routes::{Route, RouteTable};
use crate::worker::Worker;

#[cfg(test)]
mod tests;

/// The shortest time between two log lines about the skipped runs of a route.
const REPORTS: Duration = Duration::from_secs(60);

/// Routes with the same interval do not all run at once: the name of each decides how much later it runs, up to this much
/// and up to a tenth of its interval.
const MAX_SPREAD: Duration = Duration::from_secs(1);

/// Runs this worker's part of the routes with a timer, until the server stops. Ends when the last run has ended.
pub(super) async fn run(worker: Arc<Worker>) {
    let mut table = worker.shared().routes.table();
    let mut timers = Timers::default();
    timers.update(timed(&worker, &table), Instant::now());
    let (mut running, mut names) = (JoinSet::new(), HashMap::<Id, Arc<str>>::new());
    loop {
        let next = timers.next();
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = worker.stopping().wait_closing() => break,
            () = worker.routes_after(&table) => {
                table = worker.shared().routes.table();
                timers.update(timed(&worker, &table), Instant::now());
            }
            Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                names.remove(&id).iter().for_each(|name| timers.ended(name));
            }
            () = due => {
                let Due { runs, skipped } = timers.due(Instant::now());
                for (name, route) in runs {
                    names.insert(running.spawn(run_by_timer(worker.clone(), route)).id(), name);
                }
                for (route, runs) in skipped {
                    tracing::warn!(
                        target: "handler",
                        route = &*route,
                        "the timer of {route} has skipped {runs} runs, because the run before them had not ended; raise \
                         `every` in its `[timer]`, or let the handler end sooner"
                    );
                }
            }
        }
    }
    while running.join_next().await.is_some() {}
}

/// The routes with a timer that this worker runs.
fn timed<'t>(worker: &Worker, table: &'t RouteTable) -> impl Iterator<Item = TimedRoute<Arc<Route>>> + 't {
    let (number, workers) = (worker.number(), worker.config().workers.get() as u64);
    table.routes().iter().map(|mounted| &mounted.route).filter_map(move |route| {
        let (name, timer) = (&route.mount.name, route.timer.as_ref()?);
        let is_own = hash(name) % workers == number;
        is_own.then(|| TimedRoute { name: name.clone(), every: timer.every, route: route.clone() })
    })
}

/// The same in each process.
fn hash(name: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name)
}

/// A route that is run by a timer.
struct TimedRoute<R> {
    name: Arc<str>,
    every: Duration,
    route: R,
}

/// The clocks of the routes with a timer, by name. It reads no clock. `R` is a route.
#[derive(Debug)]
struct Timers<R>(HashMap<Arc<str>, RouteClock<R>>);

/// The clock of one route.
#[derive(Debug)]
struct RouteClock<R> {
    /// `None` if the route has a timer no more, and its last run has not ended.
    route: Option<R>,
    every: Duration,
    /// When the next run is due.
    next: Instant,
    is_running: bool,
    /// The runs that were skipped since the last report.
    skipped: u64,
    reported_at: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
struct Due<R> {
    /// The routes to run.
    runs: Vec<(Arc<str>, R)>,
    /// The routes to report, each with the number of its skipped runs.
    skipped: Vec<(Arc<str>, u64)>,
}

impl<R> Default for Timers<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Clone> Timers<R> {
    /// Replaces the routes. The clock of a route goes on if its interval is the same. Otherwise the first run is due after
    /// one interval.
    fn update(&mut self, routes: impl Iterator<Item = TimedRoute<R>>, now: Instant) {
        self.0.values_mut().for_each(|clock| clock.route = None);
        for TimedRoute { name, every, route } in routes {
            let first = now + every + spread(&name, every);
            let clock = self.0.entry(name).or_insert_with(|| RouteClock::new(every, first));
            if clock.every != every {
                (clock.every, clock.next) = (every, first);
            }
            clock.route = Some(route);
        }
        self.0.retain(|_, clock| clock.route.is_some() || clock.is_running);
    }

    /// When the next run is due, if any is.
    fn next(&self) -> Option<Instant> {
        self.0.values().filter(|clock| clock.route.is_some()).map(|clock| clock.next).min()
    }

    /// Takes what is due at `now`. A run that is due while the one before still runs is skipped.
    fn due(&mut self, now: Instant) -> Due<R> {
        let mut due = Due { runs: Vec::new(), skipped: Vec::new() };
        for (name, clock) in &mut self.0 {
            let Some(route) = clock.route.as_ref().filter(|_| clock.next <= now) else { continue };
            // After a pause of the whole machine, what was missed is not made up for.
            let missed = now.duration_since(clock.next).as_nanos() / clock.every.as_nanos();
            clock.next += clock.every * u32::try_from(missed + 1).unwrap_or(u32::MAX);
            if !clock.is_running {
                clock.is_running = true;
                due.runs.push((name.clone(), route.clone()));
                continue;
            }
            clock.skipped += 1;
            if clock.reported_at.is_none_or(|reported_at| now.duration_since(reported_at) >= REPORTS) {
                due.skipped.push((name.clone(), std::mem::take(&mut clock.skipped)));
                clock.reported_at = Some(now);
            }
        }
        due
    }

    /// Records that the run of a route has ended.
    fn ended(&mut self, name: &str) {
        if let Some(clock) = self.0.get_mut(name) {
            clock.is_running = false;
            if clock.route.is_none() {
                self.0.remove(name);
            }
        }
    }
}

impl<R> RouteClock<R> {
    fn new(every: Duration, next: Instant) -> Self {
        Self { route: None, every, next, is_running: false, skipped: 0, reported_at: None }
    }
}

/// How much later than others with the same interval the route of this name runs.
fn spread(name: &str, every: Duration) -> Duration {
    let most = (every / 10).min(MAX_SPREAD);
    most.mul_f64((hash(name) % 1024) as f64 / 1024.0)
}
