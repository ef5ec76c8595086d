//! A connection that subscribes: its topics and its queue.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::history::Answer;
use super::inbox::{Inbox, InboxEnd, InboxItem, QueueBounds};
use super::log::LogReader;
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
    /// The history that it reads, if it does. The events of that topic are not in the queue.
    reader: Option<Box<FollowedTopic>>,
    /// Whether the last chunk was one of the history: then it is the queue's turn.
    has_read: bool,
}

/// A topic whose history a subscriber reads.
#[derive(Debug)]
struct FollowedTopic {
    reader: LogReader,
    /// Whether the subscriber has this topic for its history alone.
    added: bool,
}

impl Subscriber {
    pub(super) fn new(hub: Arc<Hub>, tenant: Arc<TopicUser>, quota: Counted, id: u64, bounds: QueueBounds) -> Self {
        let inbox = Arc::new(Inbox::new(tenant.clone(), bounds));
        Self { hub, tenant, _quota: quota, id, inbox, topics: Vec::new(), reader: None, has_read: false }
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

    /// Subscribes to another topic with its history. Nothing of it is read before [`Self::read_after`], which is to be called once
    /// this is answered; [`Self::leave_history`] if it is not.
    ///
    /// # Errors
    /// As [`Self::subscribe`], and [`PushError::SecondHistory`].
    pub fn follow(&mut self, topic: &str, now: Instant) -> Result<Answer<()>, PushError> {
        check_topic(topic)?;
        if self.reader.is_some() {
            return Err(PushError::SecondHistory);
        }
        let key = (self.hub.worker, self.id);
        // The history comes first: to a subscriber that it does not know, events go through the queue as well.
        let topics = &self.hub.topics;
        let reader = topics.logs().with(&self.tenant, topic, now, |log| log.subscribe(key, &self.inbox))?;
        let log = reader.log().clone();
        let knew = self.topics.len();
        self.subscribe(topic)?;
        self.reader = Some(FollowedTopic { reader, added: self.topics.len() > knew }.into());
        Ok(match self.hub.topics.relay() {
            Some(relay) => Answer::Later(relay.follow(self.tenant.scope_name(), topic, log)),
            None => Answer::Now(()),
        })
    }

    /// Reads the history: first everything behind the event with the id `after`, then what follows, each event once and in the
    /// order of all. Without an id it begins now, and the first chunk tells only the id. If events are missing in between, the
    /// first chunk is a `reset`, after which it begins now; then this returns false.
    pub fn read_after(&mut self, after: Option<&str>, now: Instant) -> bool {
        self.reader.as_mut().is_some_and(|followed| followed.reader.begin(after, now))
    }

    /// Undoes [`Self::follow`].
    pub fn leave_history(&mut self) {
        let Some(followed) = self.reader.take() else { return };
        if followed.added
            && let Some(topic) = self.topics.pop()
        {
            self.hub.topics.remove(&topic, self.hub.worker, self.id);
        }
    }

    /// Polls the next chunk or the end. Nothing follows the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<InboxItem> {
        loop {
            if let Some(item) = self.take_unqueued() {
                return Poll::Ready(item);
            }
            match ready!(self.inbox.poll_next(cx)) {
                Some(item) => return Poll::Ready(item),
                None => self.reader.iter_mut().for_each(|followed| followed.reader.look_again()),
            }
        }
    }

    /// The next event of the history, if there is one. The queue has every other turn, and ends only after the history.
    fn take_unqueued(&mut self) -> Option<InboxItem> {
        let reader = &mut self.reader.as_mut()?.reader;
        if std::mem::take(&mut self.has_read) {
            match self.inbox.take() {
                (Some(chunk), _) => return Some(InboxItem::Chunk(chunk)),
                (None, Some(InboxEnd::Lagging)) => return None,
                (None, Some(InboxEnd::Finished)) => reader.stop(),
                (None, None) => {}
            }
        }
        let event = reader.next()?;
        self.has_read = true;
        Some(InboxItem::Chunk(event))
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
