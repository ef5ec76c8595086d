//! An exchange that goes on as a WebSocket: its request stays, its response is over, and messages are answered.

use std::time::Instant;

use super::{Body, Clock, Exchange};
use crate::push::Subscriber;

/// The connection's side.
impl Exchange {
    /// Goes on as a WebSocket, whose handshake is sent.
    pub fn upgrade(&self) {
        let inner = &mut *self.lock();
        inner.response.compact();
        inner.is_websocket = true;
    }

    /// Begins an invocation for one message; it has until `deadline`.
    pub fn begin_message(&self, deadline: Instant) {
        let inner = &mut *self.lock();
        inner.clock = Clock { deadline, waiting: None };
        inner.body = Body::Over(Ok(()));
        inner.failure = None;
    }

    /// Works on the subscriber that a handler has made of the connection. Not for use across an await.
    pub fn subscriber<R>(&self, work: impl FnOnce(&mut Subscriber) -> R) -> Option<R> {
        self.lock().subscriber.as_mut().map(work)
    }
}
