//! An exchange whose connection has become a WebSocket. The request is kept, the response is over, and the handler is
//! invoked for messages.

use std::time::Instant;

use super::{Body, Exchange, HandlerClock};
use crate::push::Subscriber;

/// The connection's side.
impl Exchange {
    /// Turns the exchange into a WebSocket. The caller has sent the handshake.
    pub fn upgrade(&self) {
        self.change(|inner| {
            inner.response.compact();
            inner.is_websocket = true;
        });
    }

    /// Begins an invocation for one message. It has to end by `deadline`.
    pub fn begin_message(&self, deadline: Instant) {
        self.change(|inner| {
            inner.clock = HandlerClock::until(deadline);
            inner.body = Body::Over(Ok(()));
            inner.failure = None;
        });
        self.wake_handler();
    }

    /// Calls `work` with the subscriber of the connection, if a handler has subscribed it. The lock is held, so `work`
    /// must not await.
    pub fn subscriber<R>(&self, work: impl FnOnce(&mut Subscriber) -> R) -> Option<R> {
        self.lock().subscriber.as_mut().map(work)
    }
}
