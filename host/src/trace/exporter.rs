//! Sends spans to the collector, from a thread of its own. Whatever the collector does, nobody else waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::span::SpanRecord;
use super::{BATCH, Tracer, otlp};
use crate::outbound::{
    CallTimeouts, CertificateDer, HttpGrant, HttpLimits, InvocationCalls, OriginPattern, UpstreamBody, UpstreamClient,
    UpstreamFailure, UpstreamRequest,
};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The pauses between attempts.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// How often the log says that spans cannot be sent.
const WARNINGS: Duration = Duration::from_secs(60);

/// The most bytes of a collector's response.
const MAX_RESPONSE: u64 = 64 * 1024;

/// Why spans were not sent.
#[derive(Debug, Error)]
enum ExportError {
    #[error(transparent)]
    Upstream(#[from] UpstreamFailure),
    #[error("the collector has answered {0}")]
    Status(u16),
    #[error("the collector has not answered within {0:?}")]
    Late(Duration),
    #[error("the collector has refused {0} of the spans")]
    Rejected(u64),
}

impl ExportError {
    /// Whether another attempt may succeed.
    fn is_passing(&self) -> bool {
        match self {
            Self::Upstream(_) | Self::Late(_) => true,
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
            Self::Rejected(_) => false,
        }
    }
}

/// The way to the collector.
struct Collector<'t> {
    tracer: &'t Tracer,
    grant: Arc<HttpGrant>,
    warned: Option<Instant>,
}

/// Sends what is queued until the tracer is closed.
pub(super) fn run(tracer: &Arc<Tracer>, queue: &Receiver<Vec<SpanRecord>>, authorities: Vec<CertificateDer<'static>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(Collector::new(tracer, authorities).serve(queue)),
        Err(error) => tracing::error!(target: "trace", "no traces are sent: {error}"),
    }
}

impl<'t> Collector<'t> {
    fn new(tracer: &'t Tracer, authorities: Vec<CertificateDer<'static>>) -> Self {
        let pattern: Option<OriginPattern> = tracer.settings.endpoint.origin.to_string().parse().ok();
        // The operator has named it, so it may be anywhere.
        let private = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
        let limits = HttpLimits {
            private,
            connections: 1,
            first_byte_timeout: ATTEMPT,
            max_response: MAX_RESPONSE,
            ..HttpLimits::default()
        };
        let client = Arc::new(UpstreamClient::new(4, authorities));
        Self { tracer, grant: HttpGrant::new(client, pattern.into_iter().collect(), limits), warned: None }
    }

    async fn serve(mut self, queue: &Receiver<Vec<SpanRecord>>) {
        let mut batch = Vec::new();
        loop {
            let is_closing = self.tracer.is_closing.load(Ordering::Acquire);
            let mut is_empty = false;
            while batch.len() < BATCH && !is_empty {
                match queue.try_recv() {
                    Ok(spans) => {
                        self.tracer.waiting.fetch_sub(spans.len(), Ordering::AcqRel);
                        batch.extend(spans);
                    }
                    Err(_) => is_empty = true,
                }
            }
            if batch.is_empty() && is_closing {
                return;
            }
            if !batch.is_empty() {
                self.send(std::mem::take(&mut batch)).await;
            }
            if is_empty && !is_closing {
                let _ = timeout(self.tracer.settings.interval, self.tracer.wake.notified()).await;
            }
        }
    }

    /// Sends spans, or gives them up.
    async fn send(&mut self, spans: Vec<SpanRecord>) {
        let body = Bytes::from(otlp::request(&self.tracer.settings.service, &spans));
        let count = spans.len() as u64;
        drop(spans);
        let mut result = self.attempt(body.clone()).await;
        for pause in PAUSES {
            if !matches!(&result, Err(error) if error.is_passing()) || self.is_interrupted(pause).await {
                break;
            }
            result = self.attempt(body.clone()).await;
        }
        let failed = match &result {
            Ok(()) => 0,
            Err(ExportError::Rejected(rejected)) => count.min(*rejected),
            Err(_) => count,
        };
        self.tracer.sent.fetch_add(count - failed, Ordering::Relaxed);
        self.tracer.failed.fetch_add(failed, Ordering::Relaxed);
        if let Err(error) = result {
            self.warn(&error);
        }
    }

    /// Sends a request, and reads the response.
    async fn attempt(&self, body: Bytes) -> Result<(), ExportError> {
        let close_by = self.tracer.close_by.get().map(|by| Instant::from_std(*by));
        let by = Instant::now() + ATTEMPT;
        tokio::select! {
            answered = timeout_at(close_by.map_or(by, |close_by| by.min(close_by)), self.post(body)) => {
                answered.map_err(|_| ExportError::Late(ATTEMPT))?
            }
            () = self.closing(close_by.is_some()) => Err(ExportError::Late(ATTEMPT)),
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), ExportError> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(header::CONTENT_LENGTH, body.len().into());
        fields.insert(header::USER_AGENT, HeaderValue::from_static(concat!("vibrato/", env!("CARGO_PKG_VERSION"))));
        let request = UpstreamRequest {
            method: Method::POST,
            target: self.tracer.settings.endpoint.clone(),
            fields,
            body: UpstreamBody::Whole(body),
            timeouts: CallTimeouts::default(),
        };
        let calls = InvocationCalls::new(self.grant.limits());
        let mut response = self.grant.start(&calls, request).await?;
        let mut answer = Vec::new();
        while let Some(piece) = response.read(MAX_RESPONSE as usize).await? {
            answer.extend_from_slice(&piece);
        }
        match (response.status(), otlp::rejected(&answer)) {
            (200..=299, 0) => Ok(()),
            (200..=299, rejected) => Err(ExportError::Rejected(rejected)),
            (status, _) => Err(ExportError::Status(status)),
        }
    }

    /// Ready a moment after the tracer is being closed, if it was not before.
    async fn closing(&self, is_known: bool) {
        if is_known {
            return std::future::pending().await;
        }
        while !self.tracer.is_closing.load(Ordering::Acquire) {
            self.tracer.wake.notified().await;
        }
        if let Some(by) = self.tracer.close_by.get() {
            sleep_until(Instant::from_std(*by)).await;
        }
    }

    /// Waits before the next attempt. True if there is no time for one.
    async fn is_interrupted(&self, pause: Duration) -> bool {
        let by = Instant::now() + pause;
        loop {
            if let Some(close_by) = self.tracer.close_by.get() {
                return Instant::from_std(*close_by) <= Instant::now() + pause;
            }
            if timeout_at(by, self.tracer.wake.notified()).await.is_err() {
                return false;
            }
        }
    }

    fn warn(&mut self, error: &ExportError) {
        let now = Instant::now();
        if self.warned.is_none_or(|warned| now.duration_since(warned) >= WARNINGS) {
            self.warned = Some(now);
            let (counts, endpoint) = (self.tracer.counts(), &self.tracer.settings.endpoint.origin);
            let (failed, dropped) = (counts.failed, counts.dropped);
            tracing::warn!(target: "trace", failed, dropped, "cannot send traces to {endpoint}: {error}");
        }
    }
}
