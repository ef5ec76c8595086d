//! A worker as its connections see it: configuration, engine, current routes, topics, counters and shutdown.

mod admission;
mod handshakes;
mod heartbeat;
mod parking;
mod shutdown;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::Guard;

use crate::certificates::PendingChallenges;
use crate::config::{Config, ErrorDetail};
use crate::connection_table::ConnectionTable;
use crate::dev::DevState;
use crate::fleet::FleetRelay;
use crate::guest::Engine;
use crate::memory_budget::MemoryBudget;
use crate::meter::Meter;
use crate::metrics::{FailureRecords, InFlight, RouteRegistry, WorkerMetrics, WorkerRoute};
use crate::net::tls::TlsSettings;
use crate::observe::Observers;
use crate::push::{Hub, Topics};
use crate::routes::{Current, Route, RouteTable};
use crate::trace::Tracer;

pub(crate) use admission::{Admission, DetachedAdmission, NotAdmitted};
pub(crate) use handshakes::Handshakes;
use heartbeat::Heartbeat;
pub(crate) use parking::{ParkedPermit, ParkingLot, ParkingRefused};
pub(crate) use shutdown::{Shutdown, ShutdownWaiter};

/// Responses are batched only while at most this many invocations of a worker are in flight.
const MAX_BATCHED: usize = 64;

/// State that all workers share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) observers: Observers,
    pub(crate) engine: Engine,
    pub(crate) routes: Arc<Current>,
    /// The connections of all workers.
    pub(crate) connections: Arc<ConnectionTable>,
    /// A meter for every invocation, one at a time, if `host call` asked for it.
    pub(crate) meter: OnceLock<Meter>,
    /// The topics of all workers.
    pub(crate) topics: Arc<Topics>,
    /// What carries topics to other hosts, if there are any.
    pub(crate) fleet: Option<Arc<FleetRelay>>,
    /// Counts the parked responses of all workers.
    pub(crate) parking: Arc<ParkingLot>,
    /// The memory that all routes may use together.
    pub(crate) memory: Arc<MemoryBudget>,
    /// Traces requests, if the operator wants that.
    pub(crate) tracer: OnceLock<Arc<Tracer>>,
    /// The settings of connections that speak TLS, if there are such listeners.
    pub(crate) tls: OnceLock<Arc<TlsSettings>>,
    /// What is counted of requests, by route. `None` if nobody asks for it.
    pub(crate) route_metrics: Option<Arc<RouteRegistry>>,
    /// The last failures of handlers. `None` if nobody asks for them.
    pub(crate) failures: Option<FailureRecords>,
    /// When it was made.
    pub(crate) started: SystemTime,
    /// The challenges that a certificate authority may look at now.
    pub(crate) challenges: Arc<PendingChallenges>,
}

impl ServerState {
    /// The state of a new server.
    pub(crate) fn new(
        config: Config,
        observers: Observers,
        engine: Engine,
        routes: Arc<Current>,
        fleet: Option<Arc<FleetRelay>>,
        route_metrics: Option<Arc<RouteRegistry>>,
    ) -> Self {
        let topics = Topics::new(config.workers);
        let topics = Arc::new(match &fleet {
            Some(fleet) => topics.relayed_by(fleet.clone()),
            None => topics,
        });
        let parking = Arc::new(ParkingLot::new(config.limits.max_parked));
        let connections = Arc::new(ConnectionTable::new(&config.limits).behind(config.trusted_proxies.clone()));
        // The thread of the engine has an account of its own.
        let accounts = config.workers.saturating_add(usize::from(fleet.is_some()));
        let memory = Arc::new(MemoryBudget::new(config.limits.max_memory, accounts));
        let (meter, tls, tracer) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let failures = config.metrics.then(FailureRecords::default);
        Self {
            config,
            observers,
            engine,
            routes,
            connections,
            meter,
            topics,
            fleet,
            parking,
            memory,
            tls,
            tracer,
            route_metrics,
            failures,
            started: SystemTime::now(),
            challenges: Arc::default(),
        }
    }

    /// Whether the cost of each request is measured.
    fn measures_each(&self) -> bool {
        self.observers.want_requests()
            || self.config.error_detail == ErrorDetail::Development
            || self.meter.get().is_some()
    }

    /// Whether anybody wants to know of requests.
    fn follow_requests(&self) -> bool {
        self.measures_each() || self.route_metrics.is_some() || self.tracer.get().is_some()
    }
}

/// The state of a worker that its connections use.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<ServerState>,
    stopping: Shutdown,
    heartbeat: Heartbeat,
    /// The index of the worker.
    number: u64,
    counters: Arc<WorkerMetrics>,
    hub: Arc<Hub>,
    handshakes: Handshakes,
    /// Whether requests are logged, measured, counted or traced. It is known before the worker is made.
    follows_requests: bool,
}

impl Worker {
    /// A worker with the given index. Its request ids start at the index and advance by the number of workers. Messages
    /// advance them too.
    pub(crate) fn new(shared: Arc<ServerState>, number: usize) -> Self {
        let counters = Arc::new(WorkerMetrics::default());
        let hub = Arc::new(Hub::new(shared.topics.clone(), number, counters.clone()));
        let heartbeat = Heartbeat::new(Instant::now());
        let handshakes = Handshakes::new(shared.config.limits.handshakes.get());
        let stopping = Shutdown::default();
        let follows_requests = shared.follow_requests();
        Self { shared, stopping, heartbeat, number: number as u64, counters, hub, handshakes, follows_requests }
    }

    /// Makes this thread, which is the worker's, count the memory that it uses.
    pub(crate) fn count_memory(&self) {
        self.shared.memory.serve(usize::try_from(self.number).unwrap_or(usize::MAX));
    }

    /// Its index among the workers.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The state shared with other workers.
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

    /// The current routes. Does not touch a reference count that other cores use.
    pub(crate) fn routes(&self) -> Guard<Arc<RouteTable>> {
        self.shared.routes.read()
    }

    /// Waits until the routes differ from `past`.
    pub(crate) async fn routes_after(&self, past: &Arc<RouteTable>) {
        self.shared.routes.after(past).await;
    }

    /// Counts an invocation as in flight until the guard is dropped.
    pub(crate) fn in_flight(&self) -> InFlight<'_> {
        self.counters.start_invocation()
    }

    /// Whether to delay a response so it can be batched: other connections exist and few enough invocations are in
    /// flight.
    pub(crate) fn should_batch_responses(&self) -> bool {
        self.counters.connections() > 1 && self.counters.invocations() <= MAX_BATCHED
    }

    /// The observers of ended requests.
    pub(crate) fn observers(&self) -> &Observers {
        &self.shared.observers
    }

    /// What development mode remembers. `None` without it.
    pub(crate) fn dev(&self) -> Option<&Arc<DevState>> {
        self.shared.observers.dev.as_ref()
    }

    /// Whether a certificate authority may ask for a path.
    pub(crate) fn has_challenges(&self) -> bool {
        self.shared.challenges.has_http()
    }

    /// What a certificate authority has asked for, if this path is that of a challenge.
    pub(crate) fn challenge(&self, path: &str) -> Option<String> {
        self.shared.challenges.http(path)
    }

    /// How often what the routes tell has changed; see [`Current::changes`].
    pub(crate) fn route_changes(&self) -> u64 {
        self.shared.routes.changes()
    }

    /// Keeps an entry of the log about a failed handler or middleware, if somebody may ask for it.
    pub(crate) fn keep_failure(&self, route: &str, middleware: Option<&str>, request: u64, entry: &str) {
        if let Some(failures) = &self.shared.failures {
            failures.add(route, middleware, request, entry);
        }
    }

    /// Waits until there were other than `seen` such changes.
    pub(crate) async fn routes_changed(&self, seen: u64) {
        self.shared.routes.changed(seen).await;
    }

    /// How much an error page reveals.
    pub(crate) fn error_detail(&self) -> ErrorDetail {
        self.shared.config.error_detail
    }

    /// Whether anybody wants to know of requests. If not, no clock is read for them, and nothing is kept of them.
    pub(crate) fn follows_requests(&self) -> bool {
        self.follows_requests
    }

    /// When a request arrives, if anybody wants to know how long it takes.
    pub(crate) fn arrival(&self) -> Option<Instant> {
        (self.shared.measures_each() || self.shared.route_metrics.is_some()).then(Instant::now)
    }

    /// The meter of the invocation for a request of a route that arrives now, and how many requests it stands for. `None` if
    /// it is not measured. One whose trace `is_sampled` always is.
    pub(crate) fn meter(&self, route: &Route, arrival: Instant, is_sampled: bool) -> Option<(Meter, u64)> {
        if self.shared.measures_each() {
            return Some((self.shared.meter.get().cloned().unwrap_or_default(), 1));
        }
        let requests = self.route_metrics(Some(route)).and_then(|metrics| metrics.measure(arrival));
        let requests = requests.or(is_sampled.then_some(0))?;
        Some((Meter::default(), requests))
    }

    /// What begins the traces of requests. `None` if there are none.
    pub(crate) fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.shared.tracer.get()
    }

    /// The counters of a route, or of the requests that no route answers. `None` if nobody asks for them.
    pub(crate) fn route_metrics<'m>(&'m self, route: Option<&'m Route>) -> Option<WorkerRoute<'m>> {
        let registry = self.shared.route_metrics.as_deref()?;
        let metrics = match route {
            Some(route) => route.options.metrics.as_deref()?,
            None => registry.host(),
        };
        metrics.of_worker(usize::try_from(self.number).unwrap_or(usize::MAX))
    }

    /// What this worker has counted.
    pub(crate) fn counters(&self) -> &WorkerMetrics {
        &self.counters
    }

    /// The handshakes of TLS that its connections carry on.
    pub(crate) fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// The topics, as invocations of this worker use them.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// A permit to run a request of a route that needs `permits` invocation permits. `window` is how many bytes of its body the
    /// client may send before the handler reads.
    ///
    /// # Errors
    /// If too few are free, or if the route would exceed its share.
    pub(crate) fn admit<'w>(
        &'w self,
        route: &'w Route,
        permits: u32,
        window: usize,
    ) -> Result<Admission<'w>, NotAdmitted> {
        Admission::acquire(self.engine(), route, permits, window)
    }

    /// A permit to park a response of the route.
    ///
    /// # Errors
    /// Why there is no permit.
    pub(crate) fn park(&self, route: &Route) -> Result<ParkedPermit, ParkingRefused> {
        ParkedPermit::take(&self.shared.parking, &route.options.usage, route.options.settings.share)
    }

    /// The shutdown signal of the worker.
    pub(crate) fn stopping(&self) -> &Shutdown {
        &self.stopping
    }

    /// Notes that the worker takes turns, each time that this passes. It never ends.
    pub(crate) async fn beat(&self, every: Duration) {
        loop {
            self.heartbeat.beat(Instant::now());
            tokio::time::sleep(every).await;
        }
    }

    /// Whether the worker has taken a turn within the last `time`, or has stopped. It does so only if `heartbeat` is configured.
    pub(crate) fn is_alive(&self, time: Duration) -> bool {
        self.stopping.has_stopped() || self.heartbeat.is_within(time, Instant::now())
    }

    /// Counts a request and returns its id, which is unique in this server.
    pub(crate) fn next_id(&self) -> u64 {
        let requests = self.counters.count_request();
        requests * self.shared.config.workers.get() as u64 + self.number + 1
    }
}
