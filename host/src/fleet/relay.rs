//! The side of the workers: what is published waits here for the thread of the engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::channel::{self, Channel};
use super::link::OutgoingMessage;
use super::message::{Content, FleetMessage, HostId};
use crate::push::{Relay, ScopeName, TopicUser};

/// The most bytes that wait for the engine. What is published past them is dropped for other hosts.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// What a waiting chunk takes besides its bytes.
const FRAME_OVERHEAD: usize = 128;

/// Takes what is published on this host, for the thread of the engine.
#[derive(Debug)]
pub struct FleetRelay {
    pub(super) host: HostId,
    pub(super) prefix: String,
    sender: UnboundedSender<OutgoingMessage>,
    interest: Mutex<HashMap<Channel, TopicInterest>>,
    pub(super) interest_changed: Notify,
    pub(super) counts: FleetCounts,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct FleetCounts {
    pub(super) is_up: AtomicBool,
    pub(super) waiting_bytes: AtomicUsize,
    pub(super) published: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) gaps: AtomicU64,
}

/// What a host has exchanged with others so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetStats {
    /// Whether the engine is connected, and this host hears itself through it.
    pub is_up: bool,
    /// Chunks and ends of topics that the engine has taken.
    pub published: u64,
    /// Chunks and ends of topics that other hosts have published.
    pub received: u64,
    /// Chunks and ends of topics that were not carried to or from other hosts.
    pub dropped: u64,
    /// How often the connection was lost while topics were subscribed, so that chunks of other hosts may be missing.
    pub gaps: u64,
}

/// Whether a topic has subscribers on this host.
#[derive(Debug)]
pub(super) struct TopicInterest {
    pub(super) scope: Arc<ScopeName>,
    pub(super) topic: Box<str>,
    pub(super) is_wanted: bool,
}

impl FleetRelay {
    /// A relay whose channels begin with `prefix`, and what its thread takes.
    pub(super) fn new(prefix: String) -> (Arc<Self>, UnboundedReceiver<OutgoingMessage>) {
        let (sender, receiver) = unbounded_channel();
        let (host, interest, interest_changed, counts) =
            (HostId::random(), Mutex::default(), Notify::new(), FleetCounts::default());
        (Arc::new(Self { host, prefix, sender, interest, interest_changed, counts }), receiver)
    }

    /// What is counted so far.
    #[must_use]
    pub fn stats(&self) -> FleetStats {
        let counts = &self.counts;
        FleetStats {
            is_up: counts.is_up.load(Ordering::Relaxed),
            published: counts.published.load(Ordering::Relaxed),
            received: counts.received.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
            gaps: counts.gaps.load(Ordering::Relaxed),
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

    fn topic_added(&self, scope: &Arc<ScopeName>, topic: &str) {
        self.set_interest(scope, topic, true);
    }

    fn topic_removed(&self, scope: &Arc<ScopeName>, topic: &str) {
        self.set_interest(scope, topic, false);
    }
}
