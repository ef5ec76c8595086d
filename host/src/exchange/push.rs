//! Publishing by a handler, and the subscription of its connection to topics.

use std::sync::Arc;
use std::time::Instant;

use super::Exchange;
use crate::push::{Answer, EventId, Hub, PushError, QueueBounds, Subscriber, TopicUser};
use crate::response::Response;

/// The hub that a handler publishes to, and the bounds of the queue that its connection gets if it subscribes.
#[derive(Debug)]
pub(super) struct Push {
    hub: Arc<Hub>,
    tenant: Arc<TopicUser>,
    bounds: QueueBounds,
}

impl Exchange {
    /// Lets the handler publish to `hub` and subscribe to its topics, on behalf of the route `tenant`. `bounds` limits
    /// the queue of the connection.
    pub fn allow_push(&mut self, hub: Arc<Hub>, tenant: Arc<TopicUser>, bounds: QueueBounds) {
        self.push = Some(Push { hub, tenant, bounds });
    }

    /// Subscribes the connection to a topic. It receives chunks once the handler has ended.
    ///
    /// # Errors
    /// [`PushError::Closed`] if the response is over and the connection is no WebSocket, and as [`Hub::subscriber`] and
    /// [`Subscriber::subscribe`].
    pub fn subscribe(&self, topic: &str) -> Result<(), PushError> {
        self.with_subscriber(|subscriber, _| subscriber.subscribe(topic))
    }

    /// Subscribes the connection to a topic with its history. Returns whether nothing is missing behind `after`.
    ///
    /// # Errors
    /// As [`Self::subscribe`], [`PushError::WebSocket`], [`PushError::Unavailable`], and as [`Subscriber::follow`].
    pub async fn subscribe_after(&self, topic: &str, after: Option<&str>) -> Result<bool, PushError> {
        let follow = |subscriber: &mut Subscriber, is_websocket: bool| match is_websocket {
            true => Err(PushError::WebSocket),
            false => subscriber.follow(topic, Instant::now()),
        };
        let followed = match self.with_subscriber(follow)? {
            Answer::Now(()) => Ok(()),
            Answer::Later(answer) => self.wait_elsewhere(answer).await,
        };
        self.with_subscriber(|subscriber, _| match followed {
            Ok(()) => Ok(subscriber.read_after(after, Instant::now())),
            Err(error) => {
                subscriber.leave_history();
                Err(error)
            }
        })
    }

    /// Calls the subscriber of the connection, with whether that is a WebSocket.
    fn with_subscriber<T>(
        &self,
        call: impl FnOnce(&mut Subscriber, bool) -> Result<T, PushError>,
    ) -> Result<T, PushError> {
        let inner = &mut *self.lock();
        let is_open = inner.is_websocket || !inner.response.is_over();
        let push = self.push.as_ref().filter(|_| is_open && inner.failure.is_none());
        let Push { hub, tenant, bounds } = push.ok_or(PushError::Closed)?;
        if inner.subscriber.is_none() {
            inner.subscriber = Some(hub.subscriber(tenant, *bounds)?);
        }
        let is_websocket = inner.is_websocket;
        inner.subscriber.as_mut().map_or(Err(PushError::Closed), |subscriber| call(subscriber, is_websocket))
    }

    /// Appends an event to the history of a topic, and returns its id.
    ///
    /// # Errors
    /// [`PushError::Closed`] if the exchange has no hub, and as [`Hub::append`].
    pub fn append(&self, topic: &str, event: &[u8]) -> Result<Answer<EventId>, PushError> {
        let Push { hub, tenant, .. } = self.push.as_ref().ok_or(PushError::Closed)?;
        hub.append(tenant, topic, event, Instant::now())
    }

    /// Publishes a chunk, and returns how many connections it has reached.
    ///
    /// # Errors
    /// [`PushError::Closed`] if the exchange has no hub, and as [`Hub::publish`].
    pub fn publish(&self, topic: &str, chunk: &[u8]) -> Result<u32, PushError> {
        let Push { hub, tenant, .. } = self.push.as_ref().ok_or(PushError::Closed)?;
        hub.publish(tenant, topic, chunk)
    }

    /// Ends the responses of the subscribers of a topic, and returns how many there are.
    ///
    /// # Errors
    /// [`PushError::Closed`] if the exchange has no hub, and as [`Hub::finish`].
    pub fn finish_topic(&self, topic: &str) -> Result<u32, PushError> {
        let Push { hub, tenant, .. } = self.push.as_ref().ok_or(PushError::Closed)?;
        hub.finish(tenant, topic)
    }

    /// Takes the response, which will be parked, and its subscriber if it has topics.
    #[must_use]
    pub fn leave_open(&self) -> (Response, Option<Subscriber>) {
        self.change(|inner| (inner.response.take(), inner.subscriber.take()))
    }
}
