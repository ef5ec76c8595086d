//! Topics: who is subscribed to them, and how what is published reaches each subscriber's queue.
//!
//! ```text
//! an invocation -> Hub::publish -> Topics -> Topic, a list for each worker -> Inbox of a connection -> its task wakes
//! ```
//!
//! Owns names, queues, their bounds and what happens past them. It must not know sockets, Wasm, or how a chunk is sent.
//! The rest of the host sees a [`Hub`] and a [`Subscriber`]: topics that several hosts share would come in behind them.
//!
//! Topics belong to a scope, the routes of one directory as a rule: a route ([`TopicUser`]) finds none but those of its own.
//!
//! Publishing takes no lock that others publishing elsewhere wait for: a topic is found in one of many shards, which are
//! locked for reading, and cores meet at the topic's own lists. A chunk is encoded once, and queued by reference.

mod inbox;
mod subscriber;
mod tenant;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thiserror::Error;

use crate::http1::chunk::Chunk;

pub use inbox::{InboxEnd, InboxItem, Overflow, QueueBounds};
pub use subscriber::Subscriber;
pub use tenant::{Quotas, Scope, TopicUser};
pub use topics::Topics;

use inbox::Delivery;

/// The most bytes in the name of a topic.
pub const MAX_TOPIC_BYTES: usize = 128;

/// The most topics of one subscriber.
pub const MAX_TOPICS: usize = 32;

/// The most bytes of a chunk.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// What a chunk counts for in a queue at least: small ones take memory too.
pub const MIN_CHUNK_COST: usize = 128;

/// Why a topic or a chunk is refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PushError {
    /// The name is empty, longer than [`MAX_TOPIC_BYTES`], or has a control character.
    #[error("not a topic: 1 to {MAX_TOPIC_BYTES} bytes of text without control characters")]
    Topic,
    /// The chunk is empty.
    #[error("an empty chunk")]
    Empty,
    /// The chunk has more than [`MAX_CHUNK_BYTES`].
    #[error("a chunk of more than {MAX_CHUNK_BYTES} bytes")]
    LargeChunk,
    /// The subscriber has [`MAX_TOPICS`] already.
    #[error("more than {MAX_TOPICS} topics")]
    TooManyTopics,
    /// The route has as many topics as it may.
    #[error("the topics of the route are as many as `max_topics` allows")]
    TopicQuota,
    /// The route has as many subscribers as it may.
    #[error("the subscribers of the route are as many as `max_subscribers` allows")]
    SubscriberQuota,
    /// The route publishes faster than it may.
    #[error("the route publishes faster than `publish_rate` allows")]
    PublishRate,
    /// There is no response that chunks could reach.
    #[error("the response is complete")]
    Closed,
}

/// The topics as one worker's invocations see them.
#[derive(Debug)]
pub struct Hub {
    topics: Arc<Topics>,
    worker: usize,
    next_subscriber: AtomicU64,
    counts: Counters,
}

/// What has become of published chunks: one count for each chunk and connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chunks that were queued.
    pub reached: u64,
    /// Chunks that were dropped for a client that reads too slowly, where `push_overflow` says so, or where they were of a
    /// route of another directory than the client's.
    pub dropped: u64,
}

/// A worker's own, so that cores do not meet at them.
#[derive(Debug, Default)]
struct Counters {
    reached: AtomicU64,
    dropped: AtomicU64,
}

impl Hub {
    /// What the worker of that number sees of `topics`.
    #[must_use]
    pub fn new(topics: Arc<Topics>, worker: usize) -> Self {
        Self { topics, worker, next_subscriber: AtomicU64::new(0), counts: Counters::default() }
    }

    /// A subscriber without a topic, of this route.
    ///
    /// # Errors
    /// [`PushError::SubscriberQuota`].
    pub fn subscriber(self: &Arc<Self>, tenant: &Arc<TopicUser>, bounds: QueueBounds) -> Result<Subscriber, PushError> {
        let share = tenant.take_subscriber()?;
        let number = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        Ok(Subscriber::new(self.clone(), tenant.clone(), share, number, bounds))
    }

    /// Queues a chunk for every subscriber of a topic of the route's scope, and says how many they are.
    ///
    /// # Errors
    /// [`PushError::Topic`], [`PushError::Empty`], [`PushError::LargeChunk`], [`PushError::PublishRate`].
    pub fn publish(&self, tenant: &TopicUser, topic: &str, chunk: &[u8]) -> Result<u32, PushError> {
        check_topic(topic)?;
        match chunk.len() {
            0 => return Err(PushError::Empty),
            1..=MAX_CHUNK_BYTES => {}
            _ => return Err(PushError::LargeChunk),
        }
        tenant.charge(chunk.len(), Instant::now)?;
        let Some(topic) = self.topics.find(tenant.scope(), topic) else { return Ok(0) };
        let chunk = Arc::new(Chunk::new(chunk));
        let mut reached = 0;
        topic.each(|inbox| match inbox.deliver(&chunk, tenant) {
            Delivery::Queued { dropped } => {
                reached += 1;
                self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
            Delivery::Dropped => {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Delivery::Ended => {}
        });
        self.counts.reached.fetch_add(u64::from(reached), Ordering::Relaxed);
        Ok(reached)
    }

    /// Ends the responses of every subscriber of a topic of the route's scope, after what has queued, and says how many
    /// they are.
    ///
    /// # Errors
    /// [`PushError::Topic`].
    pub fn finish(&self, tenant: &TopicUser, topic: &str) -> Result<u32, PushError> {
        check_topic(topic)?;
        let mut finished = 0;
        if let Some(topic) = self.topics.find(tenant.scope(), topic) {
            topic.each(|inbox| finished += u32::from(inbox.finish()));
        }
        Ok(finished)
    }

    /// What has become of the chunks that this worker's invocations published.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            reached: self.counts.reached.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
        }
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { reached: self.reached + other.reached, dropped: self.dropped + other.dropped }
    }
}

/// Whether it can be the name of a topic, or of those who share topics: 1 to [`MAX_TOPIC_BYTES`] bytes without control
/// characters.
#[must_use]
pub fn is_topic(name: &str) -> bool {
    (1..=MAX_TOPIC_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn check_topic(topic: &str) -> Result<(), PushError> {
    if is_topic(topic) { Ok(()) } else { Err(PushError::Topic) }
}
