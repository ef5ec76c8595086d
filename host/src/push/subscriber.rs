//! A connection that subscribes: its topics and its queue.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::inbox::{Inbox, InboxItem, QueueBounds};
use super::tenant::{Counted, TopicUser};
use super::topics::Topic;
use super::{Hub, MAX_TOPICS, PushError, check_topic};

/// A connection that is subscribed to topics. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscriber {
    hub: Arc<Hub>,
    /// The route of the connection, and its share of the route's quota.
    tenant: Arc<TopicUser>,
    _quota: Counted,
    /// Unique among the subscribers of its worker.
    id: u64,
    inbox: Arc<Inbox>,
    topics: Vec<Arc<Topic>>,
}

impl Subscriber {
    pub(super) fn new(hub: Arc<Hub>, tenant: Arc<TopicUser>, quota: Counted, id: u64, bounds: QueueBounds) -> Self {
        let inbox = Arc::new(Inbox::new(tenant.clone(), bounds));
        Self { hub, tenant, _quota: quota, id, inbox, topics: Vec::new() }
    }

    /// Subscribes to another topic. Does nothing if it is already subscribed.
    ///
    /// # Errors
    /// [`PushError::Topic`], [`PushError::TooManyTopics`], [`PushError::TopicQuota`].
    pub fn subscribe(&mut self, topic: &str) -> Result<(), PushError> {
        check_topic(topic)?;
        if self.topics.iter().any(|known| known.is(self.tenant.scope(), topic)) {
            return Ok(());
        }
        if self.topics.len() == MAX_TOPICS {
            return Err(PushError::TooManyTopics);
        }
        let topic = self.hub.topics.add(&self.tenant, topic, self.hub.worker, self.id, &self.inbox)?;
        // Most handlers subscribe to one topic.
        self.topics.reserve_exact(1);
        self.topics.push(topic);
        Ok(())
    }

    /// Polls the next chunk or the end. Nothing follows the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<InboxItem> {
        self.inbox.poll_next(cx)
    }

    /// Ready once the queue has overflowed. Poll this while a batch is still being written: it does not wake for new
    /// chunks.
    pub fn poll_lagging(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inbox.poll_lagging(cx)
    }

    /// Ends the queue after the chunks that are in it.
    pub fn finish(&mut self) {
        self.inbox.finish();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for topic in self.topics.drain(..) {
            self.hub.topics.remove(&topic, self.hub.worker, self.id);
        }
    }
}
