//! Detects a lost client if reading cannot: it has closed its sending side, or has sent more than is read ahead.
//!
//! Such a client is served as any other while something is sent to it. It may still read: closing the sending side
//! after a request is valid in HTTP. But closing one side and closing the connection look the same to the host until it
//! sends something. So if the handler writes nothing, it gets less time than its `timeout`.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::net::Stream;

/// The watch over such a client. It looks at intervals whether something was sent to the client.
pub(super) struct ClientWatch<'c> {
    /// Ready once the client has reset the connection. The system reports this without a read.
    reset: Pin<Box<dyn Future<Output = ()> + Send + 'c>>,
    /// When the current interval began.
    since: Instant,
    /// How many bytes were sent by then.
    sent: u64,
}

impl<'c> ClientWatch<'c> {
    /// A watch of `socket`, to which `sent` bytes of the response are sent so far.
    pub(super) fn new(socket: &'c Stream, sent: u64) -> Self {
        let reset = Box::pin(socket.wait_for_reset());
        Self { reset, since: Instant::now(), sent }
    }

    /// The end of the current interval, which lasts `timeout`.
    pub(super) fn until(&self, timeout: Duration) -> Instant {
        self.since + timeout
    }

    /// Whether the client has reset the connection.
    pub(super) fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.reset.as_mut().poll(cx).is_ready()
    }

    /// Ends the current interval and begins the next one. `sent` is how many bytes are sent by now. Returns whether
    /// none of them was sent during the interval that ends.
    pub(super) fn was_silent(&mut self, sent: u64) -> bool {
        let was_silent = sent == self.sent;
        (self.since, self.sent) = (Instant::now(), sent);
        was_silent
    }

    /// When the current interval began.
    pub(super) fn since(&self) -> Instant {
        self.since
    }
}
