//! What is known of a running server, for whoever watches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::workers::Workers;
use crate::certificates::Certificates;
use crate::diagnostic::Severity;
use crate::metrics::{
    CompileStats, FailureRecord, FailureRecords, FleetStats, MetricsSnapshot, MountedRouteFigures, ProcessFigures,
    RouteFigures,
};
use crate::routes::{Current, MountedRoute, RouteTable};
use crate::share::Resource;
use crate::worker::ServerState;

/// How long a worker may take no turn before it counts as stalled, unless the operator says otherwise.
pub const MAX_STALL: Duration = Duration::from_secs(10);

/// Watches a server from any thread, without a wait for its workers. Clones watch the same server.
#[derive(Debug, Clone)]
pub struct ServerMonitor(Arc<MonitoredServer>);

#[derive(Debug)]
struct MonitoredServer {
    workers: Workers,
    shared: Arc<ServerState>,
    routes: Arc<Current>,
    certificates: Option<Arc<Certificates>>,
    is_draining: AtomicBool,
    started: SystemTime,
}

impl ServerMonitor {
    pub(super) fn new(workers: Workers, shared: Arc<ServerState>, certificates: Option<Arc<Certificates>>) -> Self {
        let routes = shared.routes.clone();
        let (is_draining, started) = (AtomicBool::new(false), shared.started);
        Self(Arc::new(MonitoredServer { workers, shared, routes, certificates, is_draining, started }))
    }

    /// The server stops, or does so soon.
    pub(super) fn begin_draining(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server stops, or does so soon.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Whether all routes that were found at first are loaded.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.0.routes.read().is_complete()
    }

    /// Whether requests should be sent to the server: it has loaded its routes and does not stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_loaded() && !self.is_draining()
    }

    /// The indexes of the workers that took no turn within the last `time`.
    /// [`Config::heartbeat`](crate::config::Config::heartbeat) has to be less.
    #[must_use]
    pub fn stalled_workers(&self, time: Duration) -> Vec<usize> {
        self.0.workers.stalled(time)
    }

    /// What the server has exchanged with other hosts. `None` if it has no engine.
    #[must_use]
    pub fn fleet(&self) -> Option<FleetStats> {
        self.0.shared.fleet.as_ref().map(|relay| relay.stats())
    }

    /// The routes that there are now.
    #[must_use]
    pub fn routes(&self) -> Arc<RouteTable> {
        self.0.routes.table()
    }

    /// The last failures of handlers and middleware that were logged in full, the last first.
    #[must_use]
    pub fn last_failures(&self) -> Vec<FailureRecord> {
        self.0.shared.failures.as_ref().map(FailureRecords::last).unwrap_or_default()
    }

    /// All that is known now.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        let MonitoredServer { workers, shared, routes, started, .. } = &*self.0;
        let table = routes.table();
        let counted = shared.route_metrics.as_ref().map(|registry| registry.stats()).unwrap_or_default();
        let counted = counted.into_iter().map(|(name, counted)| (name, RouteFigures { counted, mounted: None }));
        let mut figures: BTreeMap<Arc<str>, RouteFigures> = counted.collect();
        for mounted in table.routes() {
            let figures = figures.entry(mounted.route.mount.name.clone()).or_default();
            let now = of_mounted(mounted);
            match &mut figures.mounted {
                Some(other) => other.merge(now),
                none => *none = Some(now),
            }
        }
        let report = table.load_report();
        let problems = |severity| report.diagnostics.iter().filter(|it| it.severity == severity).count();
        let (hits, misses) = shared.engine.cache_hits_and_misses();
        MetricsSnapshot {
            time: SystemTime::now(),
            started: *started,
            is_ready: self.is_ready(),
            is_draining: self.is_draining(),
            is_alive: self.stalled_workers(MAX_STALL).is_empty(),
            workers: workers.count(),
            server: workers.stats(),
            memory_limit: shared.config.limits.max_memory,
            routes: figures,
            loading: report.loading.len(),
            problems: [problems(Severity::Error), problems(Severity::Warning)],
            logged_failures: shared.failures.as_ref().map_or(0, |failures| failures.number()),
            loads: shared.route_metrics.as_ref().map(|registry| registry.loads()).unwrap_or_default(),
            route_changes: routes.changes(),
            compiling: CompileStats { hits, misses, time: shared.engine.compile_time() },
            quarantined: quarantined(&table),
            certificates: self.0.certificates.as_ref().map(|it| it.expirations()).unwrap_or_default(),
            spans: shared.tracer.get().map(|tracer| tracer.counts()).unwrap_or_default(),
            fleet: self.fleet(),
            process: ProcessFigures::read(),
        }
    }
}

/// Whether each route and each middleware is in quarantine.
fn quarantined(table: &RouteTable) -> BTreeMap<Arc<str>, bool> {
    let mut quarantined = BTreeMap::new();
    for mounted in table.routes() {
        let route = &mounted.route;
        let chain = route.chain.iter().map(|link| (&link.middleware.name, &link.middleware.options));
        for (name, options) in chain.chain([(&route.mount.name, &route.options)]) {
            *quarantined.entry(name.clone()).or_default() |= options.quarantine.status().is_some();
        }
    }
    quarantined
}

/// What a mounted route uses now.
fn of_mounted(mounted: &MountedRoute) -> MountedRouteFigures {
    let MountedRoute { route, patterns } = mounted;
    let usage = |resource| route.options.usage.sum(resource);
    let chain = route.chain.iter().map(|link| ("middleware", &*link.middleware.name, &link.middleware.options));
    let mut subjects = [("handler", &*route.mount.name, &route.options)].into_iter().chain(chain);
    let quarantine = subjects.find_map(|(kind, name, options)| {
        options.quarantine.status().map(|status| format!("{kind} {name} {}", status.summary()))
    });
    MountedRouteFigures {
        patterns: patterns.clone(),
        methods: route.mount.methods.clone(),
        file: route.mount.key.path().display().to_string(),
        invocations: usage(Resource::Invocations),
        parked: usage(Resource::Parked),
        memory: usage(Resource::Memory),
        quarantine,
    }
}
