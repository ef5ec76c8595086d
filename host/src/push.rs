//! Topics: tracks their subscribers and delivers published chunks to each subscriber's queue.
//!
//! ```text
//! an invocation -> Hub::publish -> Topics -> Topic, a list for each worker -> Inbox of a connection -> its task wakes
//! ```
//!
//! Owns the names, the queues, their bounds and what happens past them. The rest of the host uses a [`Hub`] and a
//! [`Subscriber`]. If there are several hosts, a [`Relay`] carries what is published to the others, behind the subscribers of
//! this one.
//!
//! A topic belongs to a scope, by default the routes of one directory. A route ([`TopicUser`]) reaches only the topics
//! of its own scope.
//!
//! What is appended to a topic is kept for a while, with an id ([`EventId`]), so that a client that was away reads on from the
//! last event that it has got ([`Subscriber::follow`]). Topics without such a history cost nothing of it.
//!
//! Publishers do not wait for each other: topics are spread over shards that are locked for reading, and cores share
//! only the lists of a topic. A chunk is encoded once and queued by reference.

mod history;
#[cfg(test)]
mod history_tests;
mod inbox;
mod log;
mod logs;
mod relay;
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
use crate::memory_budget::{self, Reservation};
use crate::metrics::WorkerMetrics;

pub use history::{Answer, EventId, History, SharedAnswer, SharedEvent};
pub use inbox::{InboxEnd, InboxItem, Overflow, QueueBounds};
pub use relay::Relay;
pub use subscriber::Subscriber;
pub use tenant::{Quotas, Scope, ScopeName, TopicUser};
pub use topics::Topics;

use inbox::{Delivery, Inbox};
use log::SubscriberKey;
pub use log::{Applied, TopicLog};

/// Maximum bytes of a topic's name.
pub const MAX_TOPIC_BYTES: usize = 128;

/// Maximum topics of one subscriber.
pub const MAX_TOPICS: usize = 32;

/// Maximum bytes of a chunk.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// A smaller chunk counts as this many bytes in a queue, because it also takes memory.
pub const MIN_CHUNK_COST: usize = 128;

/// Why a topic or a chunk is refused. A refused call changes nothing.
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
    /// The route has as many topics as its quota allows.
    #[error("the topics of the route are as many as `max_topics` allows")]
    TopicQuota,
    /// The route has as many subscribers as its quota allows.
    #[error("the subscribers of the route are as many as `max_subscribers` allows")]
    SubscriberQuota,
    /// The route publishes faster than its quota allows.
    #[error("the route publishes faster than `publish_rate` allows")]
    PublishRate,
    /// The response has ended.
    #[error("the response is complete")]
    Closed,
    /// The route keeps no history.
    #[error("the route has no `history`")]
    NoHistory,
    /// What is appended is not one event.
    #[error("not one event of an event stream without an id, and with the blank line that ends it")]
    Event,
    /// The subscriber reads a history already.
    #[error("a second topic with history")]
    SecondHistory,
    /// The engine that several hosts share does not answer.
    #[error("the engine that the hosts share does not answer")]
    Unavailable,
    /// The connection is a WebSocket, which has no event ids.
    #[error("a WebSocket has no event ids")]
    WebSocket,
}

/// The topics, as the invocations of one worker use them.
#[derive(Debug)]
pub struct Hub {
    topics: Arc<Topics>,
    worker: usize,
    next_subscriber: AtomicU64,
    counters: Arc<WorkerMetrics>,
}

impl Hub {
    /// The hub of a worker: `worker` is its index, and `counters` count what its invocations publish.
    #[must_use]
    pub fn new(topics: Arc<Topics>, worker: usize, counters: Arc<WorkerMetrics>) -> Self {
        Self { topics, worker, next_subscriber: AtomicU64::new(0), counters }
    }

    /// Creates a subscriber of this route, without topics.
    ///
    /// # Errors
    /// [`PushError::SubscriberQuota`].
    pub fn subscriber(self: &Arc<Self>, tenant: &Arc<TopicUser>, bounds: QueueBounds) -> Result<Subscriber, PushError> {
        let quota = tenant.take_subscriber()?;
        let id = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        Ok(Subscriber::new(self.clone(), tenant.clone(), quota, id, bounds))
    }

    /// Queues a chunk for every subscriber of a topic in the route's scope. Returns the number of subscribers reached, those of
    /// this host alone.
    ///
    /// # Errors
    /// [`PushError::Topic`], [`PushError::Empty`], [`PushError::LargeChunk`], [`PushError::PublishRate`].
    pub fn publish(&self, tenant: &TopicUser, topic: &str, chunk: &[u8]) -> Result<u32, PushError> {
        check_topic(topic)?;
        check_chunk(chunk)?;
        tenant.charge(chunk.len(), Instant::now)?;
        let reached = self.deliver(tenant, topic, chunk);
        if let Some(relay) = self.topics.relay() {
            relay.publish(tenant, topic, chunk);
        }
        Ok(reached)
    }

    /// Appends an event to the history of a topic in the route's scope, as the next one for all, and returns its id. Those who
    /// read the history get it with its id, other subscribers of the topic without.
    ///
    /// # Errors
    /// As [`Self::publish`], [`PushError::NoHistory`], [`PushError::Event`], [`PushError::TopicQuota`].
    pub fn append(
        &self,
        tenant: &TopicUser,
        topic: &str,
        event: &[u8],
        now: Instant,
    ) -> Result<Answer<EventId>, PushError> {
        check_topic(topic)?;
        check_chunk(event)?;
        tenant.history().events.ok_or(PushError::NoHistory)?;
        if !history::is_event(event) {
            return Err(PushError::Event);
        }
        tenant.charge(event.len(), || now)?;
        if let Some(relay) = self.topics.relay() {
            // Its history here counts for the quota of the route.
            self.topics.logs().with(tenant, topic, now, |log| log.touch(now))?;
            return Ok(Answer::Later(relay.append(tenant, topic, event)));
        }
        let (id, readers) = self.topics.logs().with(tenant, topic, now, |log| {
            log.append(tenant, event, now, |reads| {
                self.deliver_to(tenant, topic, event, |subscriber| !reads(subscriber));
            })
        })?;
        self.count_readers(readers);
        Ok(Answer::Now(id))
    }

    /// Takes an event that the engine has into this host's copy of the history, if it is the next one. Those who are subscribed
    /// to the topic without its history get it if it `is_new`.
    pub fn apply(
        &self,
        log: &TopicLog,
        publisher: &TopicUser,
        topic: &str,
        event: &SharedEvent<'_>,
        is_new: bool,
    ) -> Applied {
        log.apply(event, publisher, |reads| {
            if is_new {
                self.deliver_to(publisher, topic, event.bytes, |subscriber| !reads(subscriber));
            }
        })
    }

    /// Queues an event for those subscribers of this host who do not read the history.
    pub fn deliver_beside(&self, log: &TopicLog, publisher: &TopicUser, topic: &str, event: &SharedEvent<'_>) {
        log.with_readers(|reads| {
            self.deliver_to(publisher, topic, event.bytes, |subscriber| !reads(subscriber));
        });
    }

    /// The same of an event whose history is not followed yet: whoever reads it will get the event out of the history.
    pub fn deliver_unfollowed(&self, publisher: &TopicUser, topic: &str, event: &SharedEvent<'_>) {
        match self.topics.logs().find(publisher.scope(), topic) {
            Some(log) => self.deliver_beside(&log, publisher, topic, event),
            None => _ = self.deliver(publisher, topic, event.bytes),
        }
    }

    fn count_readers(&self, readers: usize) {
        self.counters.count_reached(u32::try_from(readers).unwrap_or(u32::MAX));
    }

    /// Queues a chunk for the subscribers of this host alone: it is one of another host. Returns their number.
    pub fn deliver(&self, tenant: &TopicUser, topic: &str, chunk: &[u8]) -> u32 {
        self.deliver_to(tenant, topic, chunk, |_| true)
    }

    fn deliver_to(&self, tenant: &TopicUser, topic: &str, chunk: &[u8], is_for: impl Fn(SubscriberKey) -> bool) -> u32 {
        let Some(topic) = self.topics.find(tenant.scope(), topic) else { return 0 };
        // The chunk may be kept in two encodings.
        let (bytes, owner) = (2 * chunk.len().max(MIN_CHUNK_COST), tenant.memory_owner());
        let is_short = memory_budget::check(bytes, owner).is_err();
        let hold = |coded| memory_budget::hold(coded, Reservation::forced(bytes, owner));
        let chunk = Arc::new(Chunk::held(chunk, hold));
        let mut reached = 0;
        let mut queue = |inbox: &Inbox| match inbox.deliver(&chunk, tenant, is_short) {
            Delivery::Queued { dropped } => {
                reached += 1;
                self.counters.count_dropped(dropped);
            }
            Delivery::Dropped => self.counters.count_dropped(1),
            Delivery::Ended => {}
        };
        topic.for_each(|subscriber, inbox| {
            if is_for(subscriber) {
                queue(inbox);
            }
        });
        self.counters.count_reached(reached);
        reached
    }

    /// Ends the responses of every subscriber of a topic in the route's scope, after their queued chunks. Returns their
    /// number, those of this host alone.
    ///
    /// # Errors
    /// [`PushError::Topic`].
    pub fn finish(&self, tenant: &TopicUser, topic: &str) -> Result<u32, PushError> {
        check_topic(topic)?;
        let finished = self.finish_here(tenant, topic);
        if let Some(relay) = self.topics.relay() {
            relay.finish(tenant, topic);
        }
        Ok(finished)
    }

    /// Chunks of other hosts may have been lost: ends the responses whose routes want that.
    pub fn end_after_gap(&self) {
        self.topics.for_each_inbox(Inbox::end_after_gap);
    }

    /// Ends the responses of this host alone: another host has finished the topic. Returns their number.
    pub fn finish_here(&self, tenant: &TopicUser, topic: &str) -> u32 {
        let mut finished = 0;
        if let Some(topic) = self.topics.find(tenant.scope(), topic) {
            topic.for_each(|_, inbox| finished += u32::from(inbox.finish()));
        }
        finished
    }
}

/// Whether it is a valid name of a topic or of a scope: 1 to [`MAX_TOPIC_BYTES`] bytes without control characters.
#[must_use]
pub fn is_topic(name: &str) -> bool {
    (1..=MAX_TOPIC_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn check_chunk(chunk: &[u8]) -> Result<(), PushError> {
    match chunk.len() {
        0 => Err(PushError::Empty),
        1..=MAX_CHUNK_BYTES => Ok(()),
        _ => Err(PushError::LargeChunk),
    }
}

fn check_topic(topic: &str) -> Result<(), PushError> {
    if is_topic(topic) { Ok(()) } else { Err(PushError::Topic) }
}
