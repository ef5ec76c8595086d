//! The side of the workers: what is published waits here for the thread of the engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::channel::{self, Channel};
use super::history::{self, Append, HistoryRelay};
use super::link::OutgoingMessage;
use super::message::{Content, FleetMessage, HostId};
use crate::metrics::FleetStats;
use crate::push::{EventId, Relay, ScopeName, SharedAnswer, TopicLog, TopicUser};

/// The most bytes that wait for the engine. What is published past them is dropped for other hosts.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// What a waiting chunk takes besides its bytes.
const FRAME_OVERHEAD: usize = 128;

/// How long a host may not hear itself through the engine before that counts as away.
pub(super) const MAX_SILENCE: Duration = Duration::from_millis(2500);

/// Takes what is published on this host, for the thread of the engine.
#[derive(Debug)]
pub struct FleetRelay {
    pub(super) host: HostId,
    pub(super) prefix: String,
    sender: UnboundedSender<OutgoingMessage>,
    pub(super) histories: HistoryRelay,
    interest: Mutex<HashMap<Channel, TopicInterest>>,
    pub(super) interest_changed: Notify,
    pub(super) counts: FleetCounts,
}

/// What waits for the thread of the engine.
#[derive(Debug)]
pub(super) struct FleetQueues {
    pub(super) messages: UnboundedReceiver<OutgoingMessage>,
    pub(super) appends: UnboundedReceiver<Append>,
}

/// What is counted.
#[derive(Debug)]
pub(super) struct FleetCounts {
    pub(super) is_up: AtomicBool,
    started: Instant,
    /// When the host heard itself last, in milliseconds after `started`.
    heard: AtomicU64,
    pub(super) waiting_bytes: AtomicUsize,
    pub(super) published: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) gaps: AtomicU64,
}

impl FleetCounts {
    fn new() -> Self {
        Self {
            is_up: AtomicBool::new(false),
            started: Instant::now(),
            heard: AtomicU64::new(0),
            waiting_bytes: AtomicUsize::new(0),
            published: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
        }
    }

    /// The host has heard itself.
    pub(super) fn note_heard(&self) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(elapsed, Ordering::Relaxed);
    }

    /// How long the host has not heard itself.
    fn silence(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }
}

/// Whether a topic has subscribers on this host.
#[derive(Debug)]
pub(super) struct TopicInterest {
    pub(super) scope: Arc<ScopeName>,
    pub(super) topic: Box<str>,
    pub(super) is_wanted: bool,
}

impl FleetRelay {
    /// A relay whose channels begin with `prefix`, and what its thread takes. Handlers wait for the engine at most for `timeout`.
    pub(super) fn new(prefix: String, timeout: Duration) -> (Arc<Self>, FleetQueues) {
        let (sender, messages) = unbounded_channel();
        let (histories, appends) = HistoryRelay::new(timeout);
        let (host, interest, interest_changed, counts) =
            (HostId::random(), Mutex::default(), Notify::new(), FleetCounts::new());
        let relay = Self { host, prefix, sender, histories, interest, interest_changed, counts };
        (Arc::new(relay), FleetQueues { messages, appends })
    }

    /// What is counted so far.
    #[must_use]
    pub fn stats(&self) -> FleetStats {
        let counts = &self.counts;
        let silence = counts.silence();
        FleetStats {
            // The thread that notes the end of a connection may be slow itself.
            is_up: counts.is_up.load(Ordering::Relaxed) && silence < MAX_SILENCE + Duration::from_millis(500),
            published: counts.published.load(Ordering::Relaxed),
            received: counts.received.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
            gaps: counts.gaps.load(Ordering::Relaxed),
            silence,
            waiting_bytes: counts.waiting_bytes.load(Ordering::Relaxed),
        }
    }

    /// The topics whose subscribers have come or gone since this was called last.
    pub(super) fn take_interest(&self) -> HashMap<Channel, TopicInterest> {
        std::mem::take(&mut *self.lock())
    }

    /// Notes that a frame does not wait any more.
    pub(super) fn forget(&self, frame: &OutgoingMessage) {
        self.counts.waiting_bytes.fetch_sub(cost(frame), Ordering::Relaxed);
    }

    fn send(&self, publisher: &TopicUser, topic: &str, content: Content<'_>) {
        let counts = &self.counts;
        let message = FleetMessage { host: self.host, content };
        let frame = counts.is_up.load(Ordering::Relaxed).then(|| message.to_bytes()).flatten().map(|bytes| {
            OutgoingMessage { channel: channel::of_topic(&self.prefix, publisher.scope_name(), topic), bytes }
        });
        let frame = frame.filter(|frame| {
            let cost = cost(frame);
            let has_room = counts.waiting_bytes.fetch_add(cost, Ordering::Relaxed) + cost <= MAX_WAITING_BYTES;
            if !has_room {
                counts.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            }
            has_room
        });
        if frame.is_none_or(|frame| self.sender.send(frame).is_err()) {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn set_interest(&self, scope: &Arc<ScopeName>, topic: &str, is_wanted: bool) {
        let channel = channel::of_topic(&self.prefix, scope, topic);
        let interest = TopicInterest { scope: scope.clone(), topic: topic.into(), is_wanted };
        self.lock().insert(channel, interest);
        self.interest_changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Channel, TopicInterest>> {
        // No change of the map is left half-done by a panic.
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a frame counts as while it waits.
fn cost(frame: &OutgoingMessage) -> usize {
    frame.bytes.len() + frame.channel.len() + FRAME_OVERHEAD
}

impl Relay for FleetRelay {
    fn publish(&self, publisher: &TopicUser, topic: &str, chunk: &[u8]) {
        self.send(publisher, topic, Content::Chunk { directory: publisher.directory(), chunk });
    }

    fn finish(&self, publisher: &TopicUser, topic: &str) {
        self.send(publisher, topic, Content::Finish { directory: publisher.directory() });
    }

    fn append(&self, publisher: &TopicUser, topic: &str, event: &[u8]) -> SharedAnswer<EventId> {
        if !self.counts.is_up.load(Ordering::Relaxed) {
            return history::unavailable();
        }
        let channel = channel::of_topic(&self.prefix, publisher.scope_name(), topic);
        self.histories.append(self.host, &self.prefix, channel, publisher, event)
    }

    fn follow(&self, scope: &Arc<ScopeName>, topic: &str, log: Arc<TopicLog>) -> SharedAnswer<()> {
        if !self.counts.is_up.load(Ordering::Relaxed) {
            return history::unavailable();
        }
        let answer = self.histories.follow(channel::of_topic(&self.prefix, scope, topic), scope, topic, log);
        self.interest_changed.notify_one();
        answer
    }

    fn topic_added(&self, scope: &Arc<ScopeName>, topic: &str) {
        self.set_interest(scope, topic, true);
    }

    fn topic_removed(&self, scope: &Arc<ScopeName>, topic: &str) {
        self.set_interest(scope, topic, false);
    }
}
