//! What a handler publishes, and what its connection is subscribed to.

use std::sync::Arc;

use super::Exchange;
use crate::http::response::Response;
use crate::push::{Bounds, Hub, PushError, Subscriber};

/// Where a handler publishes, and what its connection is given if it subscribes.
#[derive(Debug)]
pub(super) struct Push {
    hub: Arc<Hub>,
    bounds: Bounds,
}

impl Exchange {
    /// Gives the handler a `hub` to publish to, and to subscribe to within `bounds`.
    pub fn allow_push(&mut self, hub: Arc<Hub>, bounds: Bounds) {
        self.push = Some(Push { hub, bounds });
    }

    /// Subscribes the connection to a topic, for the time after the handler.
    ///
    /// # Errors
    /// [`PushError::Closed`] where the response is over and no WebSocket, and as [`Subscriber::subscribe`].
    pub fn subscribe(&self, topic: &str) -> Result<(), PushError> {
        let inner = &mut *self.lock();
        let is_open = inner.is_websocket || !inner.response.is_over();
        let push = self.push.as_ref().filter(|_| is_open && inner.failure.is_none());
        let Push { hub, bounds } = push.ok_or(PushError::Closed)?;
        inner.subscriber.get_or_insert_with(|| hub.subscriber(*bounds)).subscribe(topic)
    }

    /// Where the handler publishes.
    ///
    /// # Errors
    /// [`PushError::Closed`] where nobody can be reached.
    pub fn hub(&self) -> Result<&Hub, PushError> {
        Ok(&self.push.as_ref().ok_or(PushError::Closed)?.hub)
    }

    /// Takes the response that the handler has left open, and the subscriber that it made of the connection.
    #[must_use]
    pub fn leave_open(&self) -> (Response, Option<Subscriber>) {
        let inner = &mut *self.lock();
        (std::mem::replace(&mut inner.response, Response::over()), inner.subscriber.take())
    }
}
