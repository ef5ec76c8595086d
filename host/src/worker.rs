//! A worker as its connections see it: the configuration, the engine, the routes as they are now, its wish to stop.
//!
//! It must not know its connections, nor how it is run.

mod admission;
mod parking;
mod shutdown;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::Guard;

use crate::close_reason::Closed;
use crate::config::{Config, ErrorDetail};
use crate::guest::Engine;
use crate::meter::Meter;
use crate::observe::Observers;
use crate::push::{Hub, Topics};
use crate::routes::{Current, Route, RouteTable};

pub(crate) use admission::Admission;
pub(crate) use parking::{ParkedPermit, ParkingLot, ParkingRefused};
pub(crate) use shutdown::{Shutdown, ShutdownWaiter};

/// The most invocations of a worker among which answers wait for each other.
const MAX_GATHERED: usize = 64;

/// An invocation that a worker counts.
pub(crate) struct InFlight<'w>(&'w AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) observers: Observers,
    pub(crate) engine: Engine,
    pub(crate) routes: Arc<Current>,
    /// The connections of all workers.
    pub(crate) connections: AtomicUsize,
    /// What measures every invocation, one at a time, where somebody asked for that.
    pub(crate) meter: OnceLock<Meter>,
    /// The topics that connections of all workers are subscribed to.
    pub(crate) topics: Arc<Topics>,
    /// The connections that were left open.
    pub(crate) parking: Arc<ParkingLot>,
}

impl ServerState {
    /// What the workers of a new server share.
    pub(crate) fn new(config: Config, observers: Observers, engine: Engine, routes: Arc<Current>) -> Self {
        let topics = Arc::new(Topics::new(config.workers));
        let parking = Arc::new(ParkingLot::new(config.limits.max_parked));
        Self {
            config,
            observers,
            engine,
            routes,
            connections: AtomicUsize::new(0),
            meter: OnceLock::new(),
            topics,
            parking,
        }
    }
}

/// What a connection needs of the worker that serves it.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<ServerState>,
    stopping: Shutdown,
    /// Which of the workers it is, from 0 on.
    number: u64,
    /// The requests and messages so far.
    asked: AtomicU64,
    /// The connections of this worker.
    pub(crate) load: AtomicUsize,
    /// The invocations of this worker.
    serving: AtomicUsize,
    closed: Closed,
    hub: Arc<Hub>,
}

impl Worker {
    /// The worker of that number, from 0 on. It numbers its requests from there, in steps of the number of workers;
    /// messages count too.
    pub(crate) fn new(shared: Arc<ServerState>, number: usize) -> Self {
        Self {
            hub: Arc::new(Hub::new(shared.topics.clone(), number)),
            shared,
            stopping: Shutdown::default(),
            number: number as u64,
            asked: AtomicU64::new(0),
            load: AtomicUsize::new(0),
            serving: AtomicUsize::new(0),
            closed: Closed::default(),
        }
    }

    /// What it shares with the others.
    pub(crate) fn shared(&self) -> &ServerState {
        &self.shared
    }

    /// The configuration of the server.
    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The routes as they are now, without counting on a counter that other cores count on.
    pub(crate) fn routes(&self) -> Guard<Arc<RouteTable>> {
        self.shared.routes.read()
    }

    /// Waits until the routes are others than `past`.
    pub(crate) async fn routes_after(&self, past: &Arc<RouteTable>) {
        self.shared.routes.after(past).await;
    }

    /// Counts an invocation until what it returns is dropped.
    pub(crate) fn serving(&self) -> InFlight<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.serving)
    }

    /// Whether an answer does well to wait for those of other connections: there are some, and not so many at hand
    /// that the permits of the invocations would run out.
    pub(crate) fn gathers(&self) -> bool {
        self.load.load(Ordering::Relaxed) > 1 && self.serving.load(Ordering::Relaxed) <= MAX_GATHERED
    }

    /// Who is told of ended requests.
    pub(crate) fn observers(&self) -> &Observers {
        &self.shared.observers
    }

    /// Who is shown why something failed, and what it cost.
    pub(crate) fn audience(&self) -> ErrorDetail {
        self.shared.config.audience
    }

    /// Whether somebody wants to know what requests cost: else no clock is read for it.
    pub(crate) fn measures(&self) -> bool {
        self.observers().want_requests()
            || self.audience() == ErrorDetail::Development
            || self.shared.meter.get().is_some()
    }

    /// What measures the next invocation, if somebody wants to know.
    pub(crate) fn meter(&self) -> Option<Meter> {
        let shared = self.shared.meter.get().cloned();
        shared.or_else(|| self.measures().then(Meter::default))
    }

    /// How its connections have ended.
    pub(crate) fn closed(&self) -> &Closed {
        &self.closed
    }

    /// The topics, for its invocations.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The right to run a request of a route that takes as many places; none where they are not left, or would be more
    /// than the route may have.
    pub(crate) fn admit<'w>(&'w self, route: &'w Route, places: u32) -> Option<Admission<'w>> {
        Admission::ask(self.engine(), route, places)
    }

    /// A place for a connection of a route that is left open.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn park(&self, route: &Route) -> Result<ParkedPermit, ParkingRefused> {
        ParkedPermit::take(&self.shared.parking, &route.usage, route.options.settings.share)
    }

    /// Whether the worker is to stop.
    pub(crate) fn stopping(&self) -> &Shutdown {
        &self.stopping
    }

    /// Counts a request, and gives it a number that no other of this server has: the workers take turns.
    pub(crate) fn next_id(&self) -> u64 {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        asked * self.shared.config.workers.get() as u64 + self.number + 1
    }

    /// Counts a message, which has the number of its connection's request.
    pub(crate) fn note_message(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests and messages there were so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}
