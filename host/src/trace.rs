//! Traces: which requests are traced, the spans of a request, and their way to a collector of OpenTelemetry.
//!
//! ```text
//! traceparent -> Tracer::begin -> RequestTrace -> OpenSpan (middleware, handler, call of another server, store)
//!                                      └─ finish ─> queue ─> exporter (a thread of its own) ─> POST /v1/traces
//! ```
//!
//! A request that is not sampled has ids, which its log lines and its requests to other servers carry, and no spans: no clock
//! is read for it. Without a tracer a request has nothing of this.

mod context;
mod exporter;
mod otlp;
mod request;
mod span;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::outbound::{CertificateDer, TargetUrl};

pub use context::{SpanId, TraceId, TraceParent};
pub use request::{OpenSpan, RequestTrace};
pub use span::{AttributeValue, SpanKind, SpanRecord};

/// The most spans that wait to be sent.
const MAX_WAITING: usize = 4096;

/// The most spans that are sent at once.
const BATCH: usize = 512;

/// How long the last spans may take to be sent when the server ends.
const FLUSH: Duration = Duration::from_secs(2);

/// Which traces there are, and where they are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// Where the spans are sent, with the path.
    pub endpoint: TargetUrl,
    /// The name of the service, as the collector has it.
    pub service: String,
    /// The part of the traces that begin here which are sampled: 0 to 1.
    pub ratio: f64,
    /// Whose `traceparent` is followed.
    pub parents: TraceParents,
    /// How long a span waits for others before it is sent.
    pub interval: Duration,
}

/// Whose `traceparent` is followed, with its decision whether the trace is sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceParents {
    /// That of trusted proxies.
    #[default]
    Trusted,
    /// That of any client, who then decides how much is sampled.
    Any,
    /// Nobody's: each request begins a trace.
    Ignored,
}

/// What has become of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// The collector has taken them.
    pub sent: u64,
    /// There was no room in the queue.
    pub dropped: u64,
    /// The collector was away, or has refused them.
    pub failed: u64,
}

/// Begins traces, and sends their spans to the collector. A request never waits for it.
#[derive(Debug)]
pub struct Tracer {
    settings: TraceSettings,
    /// A trace is sampled if the end of its id is below this.
    threshold: u64,
    queue: mpsc::Sender<Vec<SpanRecord>>,
    waiting: AtomicUsize,
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    /// Wakes the exporter.
    wake: Notify,
    is_closing: AtomicBool,
    /// When the exporter has to end.
    close_by: OnceLock<Instant>,
    exporter: Mutex<Option<JoinHandle<()>>>,
}

impl TraceSettings {
    /// The settings for a collector at this URL. Without a path it is that of OTLP, `/v1/traces`.
    #[must_use]
    pub fn new(mut endpoint: TargetUrl) -> Self {
        if endpoint.path_and_query == "/" {
            "/v1/traces".clone_into(&mut endpoint.path_and_query);
        }
        let service = "vibrato".to_owned();
        let (parents, interval) = (TraceParents::default(), Duration::from_secs(5));
        Self { endpoint, service, ratio: 1.0, parents, interval }
    }
}

impl Tracer {
    /// Starts a tracer, whose exporter has a thread of its own. `authorities` are trusted beside those of the system.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: TraceSettings, authorities: Vec<CertificateDer<'static>>) -> std::io::Result<Arc<Self>> {
        let (queue, waiting) = mpsc::channel();
        let tracer = Arc::new(Self::new(settings, queue));
        let exporter = tracer.clone();
        let thread = std::thread::Builder::new().name("traces".to_owned());
        let thread = thread.spawn(move || exporter::run(&exporter, &waiting, authorities))?;
        *tracer.exporter.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(tracer)
    }

    fn new(settings: TraceSettings, queue: mpsc::Sender<Vec<SpanRecord>>) -> Self {
        Self {
            // `as` saturates, so 1 is all of them.
            threshold: (settings.ratio * u64::MAX as f64) as u64,
            settings,
            queue,
            waiting: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            wake: Notify::new(),
            is_closing: AtomicBool::new(false),
            close_by: OnceLock::new(),
            exporter: Mutex::new(None),
        }
    }

    /// Begins the trace of a request. `parents` are the values of its `traceparent`, and `states` those of its `tracestate`.
    /// They count if they come from a trusted proxy, unless the settings say otherwise.
    pub fn begin<'v>(
        self: &Arc<Self>,
        is_trusted: bool,
        parents: impl Iterator<Item = &'v [u8]>,
        states: impl Iterator<Item = &'v [u8]>,
    ) -> Arc<RequestTrace> {
        let is_followed = match self.settings.parents {
            TraceParents::Trusted => is_trusted,
            TraceParents::Any => true,
            TraceParents::Ignored => false,
        };
        match is_followed.then(|| TraceParent::of_fields(parents)).flatten() {
            Some(parent) => {
                let state = context::trace_state(states);
                RequestTrace::new(self.clone(), parent.trace, Some(parent.span), state, parent.is_sampled)
            }
            None => {
                let trace = TraceId::random();
                let is_sampled = self.threshold == u64::MAX || trace.low() < self.threshold;
                RequestTrace::new(self.clone(), trace, None, None, is_sampled)
            }
        }
    }

    /// What has become of its spans so far.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        let [sent, dropped, failed] = [&self.sent, &self.dropped, &self.failed].map(|it| it.load(Ordering::Relaxed));
        SpanCounts { sent, dropped, failed }
    }

    /// Sends what waits, for some seconds at most, and ends.
    pub fn close(&self) {
        let _ = self.close_by.set(Instant::now() + FLUSH);
        self.is_closing.store(true, Ordering::Release);
        self.wake.notify_one();
        let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(exporter) = exporter
            && exporter.join().is_err()
        {
            tracing::error!(target: "trace", "the thread that sends traces has panicked");
        }
    }

    /// Queues spans. What there is no room for is dropped.
    fn queue(&self, spans: Vec<SpanRecord>) {
        let count = spans.len();
        if count == 0 {
            return;
        }
        let before = self.waiting.fetch_add(count, Ordering::AcqRel);
        if before + count > MAX_WAITING || self.queue.send(spans).is_err() {
            self.waiting.fetch_sub(count, Ordering::AcqRel);
            self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        } else if before < BATCH && before + count >= BATCH {
            // Below that the exporter comes by itself.
            self.wake.notify_one();
        }
    }
}
