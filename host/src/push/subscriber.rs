//! One connection among the subscribers: its topics and its queue, which it leaves when it is dropped.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::inbox::{Inbox, InboxItem, QueueBounds};
use super::tenant::{Counted, TopicUser};
use super::topics::Topic;
use super::{Hub, MAX_TOPICS, PushError, check_topic};

/// A connection that is subscribed to topics. Dropped, it is subscribed to none.
#[derive(Debug)]
pub struct Subscriber {
    hub: Arc<Hub>,
    /// The route that it is of, and its place among the subscribers of that.
    tenant: Arc<TopicUser>,
    _share: Counted,
    /// No other subscriber of its worker has it.
    number: u64,
    inbox: Arc<Inbox>,
    topics: Vec<Arc<Topic>>,
}

impl Subscriber {
    pub(super) fn new(hub: Arc<Hub>, tenant: Arc<TopicUser>, share: Counted, number: u64, bounds: QueueBounds) -> Self {
        let inbox = Arc::new(Inbox::new(tenant.clone(), bounds));
        Self { hub, tenant, _share: share, number, inbox, topics: Vec::new() }
    }

    /// Subscribes to a topic too. A second time does nothing.
    ///
    /// # Errors
    /// [`PushError::Topic`], [`PushError::TooManyTopics`], [`PushError::TopicQuota`].
    pub fn subscribe(&mut self, topic: &str) -> Result<(), PushError> {
        check_topic(topic)?;
        if self.topics.iter().any(|of_before| of_before.is(self.tenant.scope(), topic)) {
            return Ok(());
        }
        if self.topics.len() == MAX_TOPICS {
            return Err(PushError::TooManyTopics);
        }
        let topic = self.hub.topics.add(&self.tenant, topic, self.hub.worker, self.number, &self.inbox)?;
        // A handler subscribes to one topic or to few.
        self.topics.reserve_exact(1);
        self.topics.push(topic);
        Ok(())
    }

    /// The next chunk, or the end: no more comes after it. Whoever polls is woken when there is more.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<InboxItem> {
        self.inbox.poll_next(cx)
    }

    /// Ready once it was too slow: what waits to be sent to it is of no more use. It is for who is busy with what it has
    /// taken, and is not woken by more.
    pub fn poll_lagging(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inbox.poll_lagging(cx)
    }

    /// Takes no more chunks than those that have queued.
    pub fn finish(&mut self) {
        self.inbox.finish();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for topic in self.topics.drain(..) {
            self.hub.topics.remove(&topic, self.hub.worker, self.number);
        }
    }
}
