//! The built-in options as the host uses them: typed, with units and with every default applied.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::builtin::{find, seconds};
use super::{Entries, OptionSource, Value};
use crate::http1::encoder::ChunkedCoding;
use crate::push::{History, Overflow, QueueBounds, Quotas};
use crate::rate::RateScope;
use crate::share::Share;

/// The built-in options of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// When the chunked coding is used, if the client's version allows it.
    pub chunked: ChunkedCoding,
    /// Bytes per second to each client.
    pub rate: Option<NonZeroU64>,
    /// Bytes per second from each client.
    pub upload_rate: Option<NonZeroU64>,
    /// Maximum size of a piece in bytes: 1 to 1,048,576.
    pub buffer_size: usize,
    /// The status of a response if its handler sets none: 200 to 599.
    pub status: u16,
    /// The `content-type` of a response if its handler sets none: a valid field value.
    pub content_type: String,
    /// Whether writes are sent at once.
    pub stream: bool,
    /// Maximum bytes of a request body.
    pub max_body: u64,
    /// Whether the route accepts only WebSocket handshakes.
    pub websocket: bool,
    /// Maximum bytes of a message from a WebSocket client: 1 to 67,108,864.
    pub max_message: usize,
    /// Maximum duration of an invocation.
    pub timeout: Duration,
    /// Maximum processor time of an invocation.
    pub cpu: Duration,
    /// Maximum bytes of all memories of an invocation together.
    pub memory: usize,
    /// Maximum number of concurrent invocations.
    pub concurrency: Option<NonZeroU32>,
    /// Bytes per second that the route's handlers may log; 0 is unlimited.
    pub log_rate: u64,
    /// The failures within 10 s after which the route answers 503 for a while; 0 is never.
    pub quarantine: u32,
    /// The part of shared resources that the route may use.
    pub share: Share,
    /// How many invocations an instance serves, at least 1.
    pub reuse: u32,
    /// Whether all connections of a client share a rate.
    pub rate_scope: RateScope,
    /// The burst of `rate` in bytes, at least 1.
    pub burst: u64,
    /// The burst of `upload_rate` in bytes, at least 1.
    pub upload_burst: u64,
    /// Bounds of the queue of a parked response.
    pub push: QueueBounds,
    /// The route's quotas of topics.
    pub push_quotas: Quotas,
    /// How much the route keeps of what it appends to topics.
    pub history: History,
    /// Whether parked responses are ended once chunks of other hosts may have been lost.
    pub ends_on_gap: bool,
    /// How long a parked response waits for a chunk before it is ended.
    pub park_timeout: Option<Duration>,
    /// How long a parked response may be silent before its client is probed: whole seconds.
    pub heartbeat: Option<Duration>,
}

/// How a burst follows from a rate and the options.
#[derive(Debug, Clone, Copy)]
pub(super) enum BurstRule {
    /// The operator has set a rate, so the component's `burst` and `buffer_size` cannot raise its burst.
    Operator {
        /// The operator's `buffer_size`, in bytes.
        buffer_size: i64,
        /// The operator's `burst`, in bytes.
        burst: Option<u64>,
    },
    /// The operator has set no rate, so the component may choose.
    Component,
}

impl Settings {
    /// Reads the typed options from resolved ones. Every default is present and every value was checked.
    pub(super) fn new(entries: &Entries, bursts: BurstRule) -> Self {
        let (rate, upload_rate) = (integer(entries, "rate"), integer(entries, "upload_rate"));
        Self {
            chunked: match entries.get("chunked").map(|entry| &entry.value) {
                Some(Value::Boolean(false)) => ChunkedCoding::Never,
                Some(Value::Text(_)) => ChunkedCoding::IfNeeded,
                Some(_) | None => ChunkedCoding::Preferred,
            },
            rate: NonZeroU64::new(rate.unsigned_abs()),
            upload_rate: NonZeroU64::new(upload_rate.unsigned_abs()),
            buffer_size: size(entries, "buffer_size"),
            status: u16::try_from(integer(entries, "status")).expect("a status is at most 599"),
            content_type: text(entries, "content_type").to_owned(),
            stream: *value(entries, "stream") == Value::Boolean(true),
            max_body: integer(entries, "max_body").unsigned_abs(),
            websocket: *value(entries, "websocket") == Value::Boolean(true),
            max_message: size(entries, "max_message"),
            timeout: seconds(value(entries, "timeout")).expect("a timeout was checked to be seconds"),
            cpu: Duration::from_millis(integer(entries, "cpu").unsigned_abs()),
            memory: size(entries, "memory"),
            concurrency: concurrency(integer(entries, "concurrency")),
            log_rate: integer(entries, "log_rate").unsigned_abs(),
            quarantine: u32::try_from(integer(entries, "quarantine")).unwrap_or(u32::MAX),
            share: whole(entries, "share").map_or(Share::DEFAULT, Share::new),
            reuse: u32::try_from(integer(entries, "reuse")).expect("a reuse fits"),
            rate_scope: match text(entries, "rate_scope") {
                "connection" => RateScope::Connection,
                _ => RateScope::Client,
            },
            burst: bursts.resolve(rate, entries),
            upload_burst: bursts.resolve(upload_rate, entries),
            push: QueueBounds {
                bytes: size(entries, "push_queue"),
                overflow: match text(entries, "push_overflow") {
                    "drop-oldest" => Overflow::DropOldest,
                    _ => Overflow::Disconnect,
                },
            },
            push_quotas: Quotas {
                topics: NonZeroUsize::new(size(entries, "max_topics")),
                subscribers: NonZeroUsize::new(size(entries, "max_subscribers")),
                publish_rate: NonZeroU64::new(integer(entries, "publish_rate").unsigned_abs()),
            },
            history: History {
                events: whole(entries, "history").and_then(|events| NonZeroUsize::new(usize::try_from(events).ok()?)),
                age: seconds(value(entries, "history_seconds")).expect("it was checked to be seconds"),
            },
            ends_on_gap: text(entries, "on_gap") == "reset",
            park_timeout: entries.get("park_timeout").and_then(|entry| seconds(&entry.value)),
            heartbeat: whole(entries, "heartbeat").map(Duration::from_secs),
        }
    }
}

impl BurstRule {
    /// The burst of a rate if no option sets it: one buffer, or 10 ms of the rate, whichever is more.
    pub(super) fn default_burst(self, rate: i64, buffer_size: i64) -> u64 {
        let buffer_size = match self {
            Self::Operator { buffer_size: operators, burst: _ } => buffer_size.min(operators),
            Self::Component => buffer_size,
        };
        buffer_size.max(rate / 100).unsigned_abs()
    }

    fn resolve(self, rate: i64, entries: &Entries) -> u64 {
        let default = self.default_burst(rate, integer(entries, "buffer_size"));
        let Some(burst) = whole(entries, "burst") else { return default };
        let is_from_component = entries.get("burst").is_some_and(|entry| entry.source == OptionSource::Component);
        match self {
            Self::Operator { buffer_size: _, burst: max } if is_from_component => burst.min(max.unwrap_or(default)),
            Self::Operator { .. } | Self::Component => burst,
        }
    }
}

/// The number that an option without a default has, if it is set.
pub(super) fn whole(entries: &Entries, name: &str) -> Option<u64> {
    let Value::Integer(integer) = entries.get(name)?.value else { return None };
    Some(integer.unsigned_abs())
}

/// The number that an option with a default has.
pub(super) fn integer(entries: &Entries, name: &str) -> i64 {
    match value(entries, name) {
        Value::Integer(integer) => *integer,
        other => unreachable!("{name} was checked to be a whole number, and is {other}"),
    }
}

fn text<'e>(entries: &'e Entries, name: &str) -> &'e str {
    match value(entries, name) {
        Value::Text(text) => text,
        other => unreachable!("{name} was checked to be text, and is {other}"),
    }
}

fn value<'e>(entries: &'e Entries, name: &str) -> &'e Value {
    debug_assert!(find(name).is_some_and(|builtin| builtin.default.is_some()), "{name} has a default");
    &entries.get(name).expect("every built-in with a default is in the resolved options").value
}

/// A number of bytes. On a small address space, saturates.
fn size(entries: &Entries, name: &str) -> usize {
    usize::try_from(integer(entries, name)).unwrap_or(usize::MAX)
}

/// Saturates: a `u32` counts more invocations than can run.
fn concurrency(max: i64) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(max).unwrap_or(u32::MAX))
}
