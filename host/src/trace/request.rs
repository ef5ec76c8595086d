//! The trace of one request, and the spans that are open.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Tracer;
use super::context::{SpanId, TraceId, TraceParent};
use super::span::{AttributeValue, SpanKind, SpanRecord};
use crate::text::excerpt;

/// The most spans of one request beside its own. A handler can make as many calls as it likes.
const MAX_SPANS: usize = 128;

/// The most bytes of an error.
const MAX_ERROR_BYTES: usize = 512;

/// The trace of one request.
#[derive(Debug)]
pub struct RequestTrace {
    tracer: Arc<Tracer>,
    id: TraceId,
    /// The span of the request.
    span: SpanId,
    parent: Option<SpanId>,
    state: Option<Box<str>>,
    /// `None` if it is not sampled.
    recording: Option<Recording>,
}

/// The spans of a request that is sampled.
#[derive(Debug)]
struct Recording {
    /// One moment on both clocks, so that a span is as long as it was if the clock of the system is set meanwhile.
    began: (Instant, SystemTime),
    /// The span that runs now.
    current: AtomicU64,
    ended: Mutex<EndedSpans>,
}

#[derive(Debug, Default)]
struct EndedSpans {
    /// They wait for the end of the request.
    spans: Vec<SpanRecord>,
    count: usize,
    is_finished: bool,
}

/// A span that has not ended. It ends when this is dropped.
#[derive(Debug)]
pub struct OpenSpan {
    trace: Arc<RequestTrace>,
    start: Instant,
    /// The span that runs after this one, if this one runs now.
    before: Option<u64>,
    record: Option<SpanRecord>,
}

impl RequestTrace {
    pub(super) fn new(
        tracer: Arc<Tracer>,
        id: TraceId,
        parent: Option<SpanId>,
        state: Option<Box<str>>,
        is_sampled: bool,
    ) -> Arc<Self> {
        let span = SpanId::random();
        let recording = is_sampled.then(|| Recording {
            began: (Instant::now(), SystemTime::now()),
            current: AtomicU64::new(span.number()),
            ended: Mutex::default(),
        });
        Arc::new(Self { tracer, id, span, parent, state, recording })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Whether its spans are sent to the collector.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.recording.is_some()
    }

    /// Its `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The `traceparent` for a request to another server, as part of `span` or of what runs now.
    #[must_use]
    pub fn parent_of_call(&self, span: Option<&OpenSpan>) -> TraceParent {
        let span = span.and_then(|span| span.record.as_ref()).map_or_else(|| self.current(), |record| record.id);
        TraceParent { trace: self.id, span, is_sampled: self.is_sampled() }
    }

    /// Begins a span of what runs now. `None` if the trace is not sampled, or has too many spans.
    pub fn begin(self: &Arc<Self>, kind: SpanKind, name: impl FnOnce() -> String) -> Option<OpenSpan> {
        let recording = self.recording.as_ref()?;
        {
            let mut ended = recording.lock();
            if ended.count >= MAX_SPANS {
                return None;
            }
            ended.count += 1;
        }
        let record = SpanRecord {
            trace: self.id,
            id: SpanId::random(),
            parent: Some(self.current()),
            state: self.state.clone(),
            kind,
            name: Cow::Owned(name()),
            start: 0,
            end: 0,
            attributes: Vec::new(),
            error: None,
        };
        Some(OpenSpan { trace: self.clone(), start: Instant::now(), before: None, record: Some(record) })
    }

    /// Begins a span that runs from now on: what is begun meanwhile is a part of it.
    pub fn enter(self: &Arc<Self>, name: impl FnOnce() -> String) -> Option<OpenSpan> {
        let mut span = self.begin(SpanKind::Internal, name)?;
        if let (Some(recording), Some(record)) = (&self.recording, &span.record) {
            span.before = Some(recording.current.swap(record.id.number(), Ordering::Relaxed));
        }
        Some(span)
    }

    /// Ends the span of the request at `end`, which sends all of them. `arrival` is when its head was complete.
    pub fn finish(
        &self,
        name: String,
        (arrival, end): (Option<Instant>, Instant),
        attributes: Vec<(&'static str, AttributeValue)>,
        error: Option<String>,
    ) {
        let Some(recording) = &self.recording else { return };
        let request = SpanRecord {
            trace: self.id,
            id: self.span,
            parent: self.parent,
            state: self.state.clone(),
            kind: SpanKind::Server,
            name: name.into(),
            start: recording.time(arrival.unwrap_or(recording.began.0)),
            end: recording.time(end),
            attributes,
            error,
        };
        let mut ended = recording.lock();
        let mut spans = std::mem::take(&mut ended.spans);
        ended.is_finished = true;
        drop(ended);
        spans.push(request);
        self.tracer.queue(spans);
    }

    fn current(&self) -> SpanId {
        let current = self.recording.as_ref().map(|recording| recording.current.load(Ordering::Relaxed));
        current.and_then(SpanId::of).unwrap_or(self.span)
    }
}

impl Recording {
    /// A moment in nanoseconds since 1970.
    fn time(&self, moment: Instant) -> u64 {
        let (instant, time) = self.began;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let moment = match moment.checked_duration_since(instant) {
            Some(later) => since.saturating_add(later),
            None => since.saturating_sub(instant.saturating_duration_since(moment)),
        };
        u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, EndedSpans> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSpan {
    /// Notes something about it.
    pub fn note(&mut self, name: &'static str, value: impl Into<AttributeValue>) {
        if let Some(record) = &mut self.record {
            record.attributes.push((name, value.into()));
        }
    }

    /// Notes that it has failed.
    pub fn fail(&mut self, error: &dyn Display) {
        if let Some(record) = &mut self.record {
            let text = error.to_string();
            record.error = Some(excerpt(text.lines().next().unwrap_or_default(), MAX_ERROR_BYTES).into_owned());
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        let (Some(mut record), Some(recording)) = (self.record.take(), &self.trace.recording) else { return };
        if let Some(before) = self.before {
            recording.current.store(before, Ordering::Relaxed);
        }
        (record.start, record.end) = (recording.time(self.start), recording.time(Instant::now()));
        let mut ended = recording.lock();
        if ended.is_finished {
            drop(ended);
            // A handler can go on after its response.
            self.trace.tracer.queue(vec![record]);
        } else {
            ended.spans.push(record);
        }
    }
}
