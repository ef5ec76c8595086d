//! What the server counts, and how it is told.
//!
//! ```text
//! WorkerMetrics, RouteMetrics    counted by workers, each in cells of its own
//!   -> ServerStats, RouteStats   their sums, as values
//!   -> MetricsSnapshot           all that is known at one moment
//!   -> exposition, `stats.json`  text for Prometheus and for pages
//! ```
//!
//! No label has anything of a client's: a label is the name of a route, one of a fixed list of words, or one of the first few
//! statuses of a route. So the number of series is bounded whatever clients send.
//!
//! A new figure: a field of [`RouteStats`] or [`ServerStats`], the cell that counts it, a [`Family`] and a line in
//! `write.rs`. Tests compare the families with the book and with the dashboard.

mod exposition;
mod failures;
mod family;
mod fleet;
mod grants;
mod histogram;
mod json;
mod labels;
mod process;
mod registry;
mod route;
mod snapshot;
mod waits;
mod worker;
mod write;

pub use exposition::TextFormat;
pub use failures::FailureRecord;
pub(crate) use failures::FailureRecords;
pub use family::{FAMILIES, Family, MetricKind};
pub use fleet::FleetStats;
pub(crate) use grants::{GrantCounters, GrantRegistry};
pub use histogram::{HistogramStats, LATENCY_BOUNDS};
pub use labels::{FailureKind, HandshakeOutcome, MethodLabel, OutboundOutcome, StatusLabel, StoreOutcome};
pub use process::ProcessFigures;
pub use registry::RouteRegistry;
pub use route::RouteStats;
pub(crate) use route::{CountedRequest, RouteMetrics, WorkerRoute};
pub use snapshot::{CompileStats, MetricsSnapshot, MountedRouteFigures, RouteFigures};
pub(crate) use waits::RateWaits;
pub use waits::WaitStats;
pub(crate) use worker::{InFlight, OpenConnections};
pub use worker::{PublishedChunks, ServerStats, WorkerMetrics};
pub(crate) use write::since_epoch;
