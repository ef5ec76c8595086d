//! An exchange that goes on as a WebSocket: its request stays, its response is over, and messages are answered.

use std::time::Instant;

use super::{Body, Exchange, HandlerClock};
use crate::push::Subscriber;

/// The connection's side.
impl Exchange {
    /// Goes on as a WebSocket, whose handshake is sent.
    pub fn upgrade(&self) {
        self.change(|inner| {
            inner.response.compact();
            inner.is_websocket = true;
        });
    }

    /// Begins an invocation for one message; it has until `deadline`.
    pub fn begin_message(&self, deadline: Instant) {
        self.change(|inner| {
            inner.clock = HandlerClock::until(deadline);
            inner.body = Body::Over(Ok(()));
            inner.failure = None;
        });
        self.wake_handler();
    }

    /// Works on the subscriber that a handler has made of the connection. Not for use across an await.
    pub fn subscriber<R>(&self, work: impl FnOnce(&mut Subscriber) -> R) -> Option<R> {
        self.lock().subscriber.as_mut().map(work)
    }
}
