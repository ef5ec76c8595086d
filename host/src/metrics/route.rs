//! What is counted of one route: a cell for each worker, which that worker alone writes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::grants::{GrantRegistry, merge_grants};
use super::histogram::{Histogram, HistogramStats, add, nanoseconds};
use super::labels::{FailureKind, MethodLabel, OutboundOutcome, StatusCodes, StatusLabel, StoreOutcome};
use super::waits::{DirectionWaits, WaitStats};
use crate::exchange::ExchangeEnd;
use crate::meter::{Cost, Stage};

/// How long after a measured request of a route the next one is measured, for each worker. So a fast route pays for few
/// measurements, and a slow one has each of its requests measured.
const MEASURE_EVERY: Duration = Duration::from_millis(10);

/// The counters of one route, or of the requests that no route answers. All versions of the route share them.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    codes: StatusCodes,
    /// What rates have held back.
    waits: DirectionWaits,
    /// What components do with what is granted to them.
    grants: GrantRegistry,
    /// A cell for each worker, made when that has its first request.
    cells: Box<[OnceLock<Box<RouteCell>>]>,
}

/// What one worker counts of a route. It has cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct RouteCell {
    /// The requests by method and then by index of their status. Most routes have one or two methods.
    requests: [OnceLock<Box<[AtomicU64; StatusCodes::LABELS]>>; MethodLabel::ALL.len()],
    latency: Histogram,
    ends: [AtomicU64; ExchangeEnd::ALL.len()],
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    messages: AtomicU64,
    failures: [AtomicU64; FailureKind::ALL.len()],
    /// In nanoseconds.
    stages: [AtomicU64; Stage::ALL.len()],
    /// Bytes of the memories of the last instance that was measured.
    memory: AtomicU64,
    /// When the next request is measured, in nanoseconds since `origin`.
    measure_at: AtomicU64,
    /// How many requests were not measured since the last one that was.
    unmeasured: AtomicU64,
    origin: Instant,
}

/// The counters of a route, as one worker counts in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerRoute<'r> {
    codes: &'r StatusCodes,
    cell: &'r RouteCell,
}

/// A request that has ended.
#[derive(Debug)]
pub(crate) struct CountedRequest {
    pub(crate) method: MethodLabel,
    /// `None` if no head was sent.
    pub(crate) status: Option<u16>,
    /// From its head to its end.
    pub(crate) took: Duration,
    /// All bytes that were sent.
    pub(crate) sent_bytes: u64,
    /// The bytes of its body that the handler was given.
    pub(crate) received_bytes: u64,
    pub(crate) end: ExchangeEnd,
    /// What it has cost, and how many requests this stands for. `None` if it was not measured.
    pub(crate) cost: Option<(Cost, u64)>,
}

/// What was counted of one route, by all workers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteStats {
    /// Ended requests by method and status.
    pub requests: BTreeMap<(MethodLabel, StatusLabel), u64>,
    /// How long they took, from the complete head to the last byte.
    pub latency: HistogramStats,
    /// How they ended, in the order in which `ExchangeEnd` has them.
    pub ends: [u64; ExchangeEnd::ALL.len()],
    /// All bytes that were sent, heads and framing included.
    pub sent_bytes: u64,
    /// Bytes of bodies that handlers were given.
    pub received_bytes: u64,
    /// Messages of WebSockets that handlers were given.
    pub messages: u64,
    /// Invocations that have failed, in the order of [`FailureKind::ALL`].
    pub failures: [u64; FailureKind::ALL.len()],
    /// What the route's `rate` has held back, and what its `upload_rate`.
    pub waits: [WaitStats; 2],
    /// Requests to other servers, by what the operator has granted.
    pub outbound: BTreeMap<Arc<str>, [u64; OutboundOutcome::ALL.len()]>,
    /// Operations of key-value stores, by the name of the store.
    pub stores: BTreeMap<Arc<str>, [u64; StoreOutcome::ALL.len()]>,
    /// How long all requests took in each stage, in nanoseconds and in the order of [`Stage::ALL`]. It is estimated: of many
    /// requests few are measured.
    pub stages: [u64; Stage::ALL.len()],
    /// Bytes of the memories of an instance, the largest of those that workers have measured last.
    pub instance_memory: u64,
}

impl RouteMetrics {
    pub(super) fn new(workers: NonZeroUsize) -> Self {
        let cells = (0..workers.get()).map(|_| OnceLock::new()).collect();
        Self {
            codes: StatusCodes::default(),
            waits: DirectionWaits::default(),
            grants: GrantRegistry::default(),
            cells,
        }
    }

    /// The counters, as the worker with this index counts in them. Only that worker's thread may use them.
    pub(crate) fn of_worker(&self, worker: usize) -> Option<WorkerRoute<'_>> {
        let cell = self.cells.get(worker)?.get_or_init(Box::default);
        Some(WorkerRoute { codes: &self.codes, cell })
    }

    /// Adds what all workers have counted to `stats`.
    pub(super) fn add_to(&self, stats: &mut RouteStats) {
        for cell in self.cells.iter().filter_map(OnceLock::get) {
            cell.add_to(stats, &self.codes);
        }
        self.waits.add_to(&mut stats.waits);
        self.grants.add_to(&mut stats.outbound, &mut stats.stores);
    }

    /// The counters of what the route's `rate` holds back, or else its `upload_rate`.
    pub(crate) fn waits(&self) -> &DirectionWaits {
        &self.waits
    }

    /// The counters of what is granted to the route.
    pub(crate) fn grants(&self) -> &GrantRegistry {
        &self.grants
    }
}

impl Default for RouteCell {
    fn default() -> Self {
        Self {
            requests: Default::default(),
            latency: Histogram::default(),
            ends: Default::default(),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            failures: Default::default(),
            stages: Default::default(),
            memory: AtomicU64::new(0),
            measure_at: AtomicU64::new(0),
            unmeasured: AtomicU64::new(0),
            origin: Instant::now(),
        }
    }
}

impl RouteCell {
    fn add_to(&self, stats: &mut RouteStats, codes: &StatusCodes) {
        for (method, counts) in MethodLabel::ALL.iter().zip(&self.requests) {
            for (index, count) in counts.get().into_iter().flat_map(|counts| counts.iter().enumerate()) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    *stats.requests.entry((*method, codes.label(index))).or_default() += count;
                }
            }
        }
        self.latency.add_to(&mut stats.latency);
        let lists = stats.ends.iter_mut().zip(&self.ends).chain(stats.stages.iter_mut().zip(&self.stages));
        let lists = lists.chain(stats.failures.iter_mut().zip(&self.failures));
        let single = [
            (&mut stats.sent_bytes, &self.sent_bytes),
            (&mut stats.received_bytes, &self.received_bytes),
            (&mut stats.messages, &self.messages),
        ];
        for (sum, own) in lists.chain(single) {
            *sum = sum.wrapping_add(own.load(Ordering::Relaxed));
        }
        stats.instance_memory = stats.instance_memory.max(self.memory.load(Ordering::Relaxed));
    }
}

impl WorkerRoute<'_> {
    /// Whether a request that arrives now is to be measured, although nobody else needs that: how many requests it stands for.
    pub(crate) fn measure(self, arrival: Instant) -> Option<u64> {
        let now = nanoseconds(arrival.saturating_duration_since(self.cell.origin));
        if now < self.cell.measure_at.load(Ordering::Relaxed) {
            add(&self.cell.unmeasured, 1);
            return None;
        }
        self.cell.measure_at.store(now + nanoseconds(MEASURE_EVERY), Ordering::Relaxed);
        Some(self.cell.unmeasured.swap(0, Ordering::Relaxed) + 1)
    }

    /// Counts an invocation that has failed.
    pub(crate) fn count_failure(self, kind: FailureKind) {
        add(&self.cell.failures[kind as usize], 1);
    }

    /// Counts a message of a WebSocket.
    pub(crate) fn count_message(self) {
        add(&self.cell.messages, 1);
    }

    /// Counts a request that has ended.
    pub(crate) fn count(self, request: &CountedRequest) {
        let Self { codes, cell } = self;
        let counts =
            cell.requests[request.method as usize].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        add(&counts[codes.index(request.status)], 1);
        cell.latency.count(request.took);
        add(&cell.ends[request.end as usize], 1);
        add(&cell.sent_bytes, request.sent_bytes);
        add(&cell.received_bytes, request.received_bytes);
        if let Some((cost, requests)) = &request.cost {
            for stage in Stage::ALL {
                add(&cell.stages[stage as usize], nanoseconds(cost.duration(stage)).saturating_mul(*requests));
            }
            if cost.memory > 0 {
                cell.memory.store(cost.memory as u64, Ordering::Relaxed);
            }
        }
    }
}

impl RouteStats {
    /// How many requests have ended.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Adds those of another route of the same name.
    pub fn merge(&mut self, other: &Self) {
        for (labels, count) in &other.requests {
            *self.requests.entry(*labels).or_default() += count;
        }
        self.latency.merge(&other.latency);
        let lists = self.ends.iter_mut().zip(&other.ends).chain(self.stages.iter_mut().zip(&other.stages));
        let lists = lists.chain(self.failures.iter_mut().zip(&other.failures));
        let single = [
            (&mut self.sent_bytes, &other.sent_bytes),
            (&mut self.received_bytes, &other.received_bytes),
            (&mut self.messages, &other.messages),
        ];
        for (sum, own) in lists.chain(single) {
            *sum = sum.wrapping_add(*own);
        }
        self.waits.iter_mut().zip(&other.waits).for_each(|(sum, own)| sum.merge(own));
        merge_grants(&mut self.outbound, &other.outbound);
        merge_grants(&mut self.stores, &other.stores);
        self.instance_memory = self.instance_memory.max(other.instance_memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: MethodLabel, status: Option<u16>) -> CountedRequest {
        let (took, end) = (Duration::from_millis(3), ExchangeEnd::Complete);
        CountedRequest { method, status, took, sent_bytes: 100, received_bytes: 10, end, cost: None }
    }

    fn stats(metrics: &RouteMetrics) -> RouteStats {
        let mut stats = RouteStats::default();
        metrics.add_to(&mut stats);
        stats
    }

    #[test]
    fn what_a_route_has_counted_is_the_sum_of_all_workers() {
        let metrics = RouteMetrics::new(NonZeroUsize::new(2).expect("it is 2"));
        let [one, two] = [0, 1].map(|worker| metrics.of_worker(worker).expect("there are two"));
        assert!(metrics.of_worker(2).is_none());
        one.count(&request(MethodLabel::Get, Some(200)));
        two.count(&request(MethodLabel::Get, Some(200)));
        two.count(&request(MethodLabel::Get, None));
        let cost = Cost { run: Duration::from_nanos(7), memory: 64, ..Cost::default() };
        let end = ExchangeEnd::Truncated;
        two.count(&CountedRequest { end, cost: Some((cost, 3)), ..request(MethodLabel::Post, Some(500)) });
        let stats = stats(&metrics);
        let expected = [
            ((MethodLabel::Get, StatusLabel::None), 1),
            ((MethodLabel::Get, StatusLabel::Code(200)), 2),
            ((MethodLabel::Post, StatusLabel::Code(500)), 1),
        ];
        assert_eq!(stats.requests, BTreeMap::from(expected));
        assert_eq!((stats.total(), stats.latency.count(), stats.sent_bytes), (4, 4, 400));
        assert_eq!(stats.received_bytes, 40);
        assert_eq!(stats.ends[ExchangeEnd::Complete as usize], 3);
        assert_eq!(stats.ends[ExchangeEnd::Truncated as usize], 1);
        assert_eq!(stats.stages[Stage::Run as usize], 21, "it stands for three requests");
        assert_eq!(stats.instance_memory, 64);
        one.count_failure(FailureKind::Trap);
        two.count_failure(FailureKind::Trap);
        two.count_message();
        let stats = self::stats(&metrics);
        assert_eq!((stats.failures[FailureKind::Trap as usize], stats.messages), (2, 1));
        let mut twice = stats.clone();
        twice.merge(&stats);
        assert_eq!((twice.total(), twice.latency.count(), twice.sent_bytes), (8, 8, 800));
    }

    #[test]
    fn statuses_and_methods_without_end_make_few_series() {
        let metrics = RouteMetrics::new(NonZeroUsize::MIN);
        let worker = metrics.of_worker(0).expect("there is one");
        for status in 100..=999 {
            for method in ["GET", "BREW", "WHEN", "X"] {
                worker.count(&request(MethodLabel::of(Some(method)), Some(status)));
            }
        }
        let stats = stats(&metrics);
        assert_eq!(stats.total(), 900 * 4);
        assert_eq!(stats.requests.len(), 2 * (16 + 9));
    }

    #[test]
    fn of_the_requests_of_a_busy_route_one_stands_for_many() {
        let metrics = RouteMetrics::new(NonZeroUsize::MIN);
        let worker = metrics.of_worker(0).expect("there is one");
        let start = Instant::now();
        assert_eq!(worker.measure(start), Some(1));
        for _ in 0..9 {
            assert_eq!(worker.measure(start + MEASURE_EVERY / 2), None);
        }
        assert_eq!(worker.measure(start + MEASURE_EVERY), Some(10));
        assert_eq!(worker.measure(start + 3 * MEASURE_EVERY), Some(1));
    }
}
