//! All that is known of a server at one moment, as values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::exposition::TextFormat;
use super::fleet::FleetStats;
use super::process::ProcessFigures;
use super::route::RouteStats;
use super::worker::ServerStats;
use super::{json, write};
use crate::trace::SpanCounts;

/// All that is known of a server at one moment. A figure that is counted while it is taken may be in one sum and not yet in
/// another.
#[derive(Debug, Clone)]
pub struct MetricsSnapshot {
    /// When it was taken.
    pub time: SystemTime,
    /// When the server was made.
    pub started: SystemTime,
    /// Whether all routes were loaded once, and the server does not stop.
    pub is_ready: bool,
    /// Whether the server stops, or does so soon.
    pub is_draining: bool,
    /// Whether every worker took a turn lately.
    pub is_alive: bool,
    /// Worker threads.
    pub workers: usize,
    /// What is counted of all routes together.
    pub server: ServerStats,
    /// The bytes of `max_memory`.
    pub memory_limit: usize,
    /// The routes by name: those that are mounted, those that have had a request, and as `-` the requests that no route answered.
    pub routes: BTreeMap<Arc<str>, RouteFigures>,
    /// Components that are being loaded.
    pub loading: usize,
    /// How many files have errors, and how many have warnings.
    pub problems: [usize; 2],
    /// How many failures of handlers were logged in full.
    pub logged_failures: u64,
    /// How many components were loaded, and how many could not be.
    pub loads: [u64; 2],
    /// How often the routes have changed, or what is known of them.
    pub route_changes: u64,
    /// What was compiled.
    pub compiling: CompileStats,
    /// Whether a route or a middleware is in quarantine, by name.
    pub quarantined: BTreeMap<Arc<str>, bool>,
    /// When certificates end, in seconds since 1970, by the first name of each.
    pub certificates: BTreeMap<String, u64>,
    /// What has become of the spans of traces.
    pub spans: SpanCounts,
    /// What was exchanged with other hosts. `None` if there is no engine.
    pub fleet: Option<FleetStats>,
    /// What the system says of the process.
    pub process: ProcessFigures,
}

/// What was compiled so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompileStats {
    /// Components that were found in the compile cache.
    pub hits: usize,
    /// Components that had to be compiled.
    pub misses: usize,
    /// For how long components were compiled, started and asked for their description.
    pub time: Duration,
}

/// What is known of the routes of one name.
#[derive(Debug, Clone, Default)]
pub struct RouteFigures {
    /// What was counted.
    pub counted: RouteStats,
    /// What it is now. `None` if no route of this name is mounted.
    pub mounted: Option<MountedRouteFigures>,
}

/// A mounted route, and what it uses now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountedRouteFigures {
    /// The patterns at which it answers.
    pub patterns: Vec<String>,
    /// The methods that it declares. Empty: every standard one.
    pub methods: Vec<String>,
    /// Its file, relative to the routes directory.
    pub file: String,
    /// Permits for invocations.
    pub invocations: usize,
    /// Parked responses and WebSockets.
    pub parked: usize,
    /// Bytes of `max_memory`.
    pub memory: usize,
    /// Why it or a middleware before it is in quarantine, if that is so.
    pub quarantine: Option<String>,
}

impl MetricsSnapshot {
    /// As text that Prometheus reads.
    #[must_use]
    pub fn to_text(&self, format: TextFormat) -> String {
        write::text(self, format)
    }

    /// As JSON, for pages and tools.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object(self).to_string()
    }

    /// How many requests have ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.routes.values().map(|route| route.counted.total()).sum()
    }
}

impl MountedRouteFigures {
    /// Adds another route of the same name.
    pub(crate) fn merge(&mut self, other: Self) {
        self.patterns.extend(other.patterns);
        self.methods.extend(other.methods);
        self.invocations += other.invocations;
        self.parked += other.parked;
        self.memory += other.memory;
        self.quarantine = self.quarantine.take().or(other.quarantine);
    }
}
