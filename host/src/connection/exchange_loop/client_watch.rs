//! A client that may have gone while nothing can be read from it: it has sent its last byte, or more than is read ahead.
//!
//! Such a client is served as any other while something is sent to it, since it may still read: `shutdown` after a request
//! is HTTP. But to end one side and to close look the same from here until something is sent. So where the handler writes
//! nothing it is not waited for as long as its `timeout` allows.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use super::ExchangeLoop;
use crate::exchange::ClientLoss;
use crate::guest::{CallError, Outcome};
use crate::net::{Stream, is_read_ahead_full};

/// What is watched of such a client.
pub(super) struct ClientWatch<'c> {
    /// Ready once the client has reset the connection, which is told without reading.
    reset: Pin<Box<dyn Future<Output = ()> + Send + 'c>>,
    /// Since when nothing was sent, as far as was looked.
    since: Instant,
    /// The bytes that were sent by then.
    sent: u64,
}

impl<'c> ClientWatch<'c> {
    fn new(socket: &'c Stream, sent: u64) -> Self {
        let reset = Box::pin(socket.wait_for_reset());
        Self { reset, since: Instant::now(), sent }
    }

    /// When the client was silent for too long.
    pub(super) fn until(&self, timeout: Duration) -> Instant {
        self.since + timeout
    }
}

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// Whether a client has reset the connection while nothing is read from it, and a handler works for it.
    pub(super) fn watch_client(&mut self, cx: &mut Context<'_>) -> bool {
        let may_be_gone = *self.io.half_closed || is_read_ahead_full(self.io.input);
        if !may_be_gone || !self.is_running() {
            return false;
        }
        let socket = self.io.socket;
        let watch = self.watch.get_or_insert_with(|| {
            let sent = self.exchange.response(|response| response.sent_bytes());
            Box::new(ClientWatch::new(socket, sent))
        });
        watch.reset.as_mut().poll(cx).is_ready()
    }

    /// Some time has passed since the client was last seen to take something. Where it has sent its last byte, and was
    /// sent nothing since then, its handler has no more time.
    pub(super) fn give_up_client(&mut self, cx: &mut Context<'_>) {
        let Some(watch) = &mut self.watch else { return };
        let (sent, waits) = self.exchange.response(|response| (response.sent_bytes(), !response.output().is_empty()));
        let was_sent = waits || sent != watch.sent;
        (watch.since, watch.sent) = (Instant::now(), sent);
        if !*self.io.half_closed {
            // It has sent more than is read ahead: its end may be behind that.
            *self.io.half_closed = self.io.socket.is_read_closed(cx);
        } else if !was_sent {
            self.exchange.shorten_deadline(watch.since, ClientLoss::HalfClosed);
            self.expire_handler();
        }
    }
}
