//! Detects a lost client if reading cannot: it has closed its sending side, or has sent more than is read ahead.
//!
//! Such a client is served as any other while something is sent to it. It may still read: closing the sending side
//! after a request is valid in HTTP. But closing one side and closing the connection look the same to the host until it
//! sends something. So if the handler writes nothing, it gets less time than its `timeout`.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use super::ExchangeLoop;
use crate::exchange::ClientLoss;
use crate::guest::{CallError, Outcome};
use crate::net::{Stream, is_read_ahead_full};

/// The state of such a client.
pub(super) struct ClientWatch<'c> {
    /// Ready once the client has reset the connection. The system reports this without a read.
    reset: Pin<Box<dyn Future<Output = ()> + Send + 'c>>,
    /// When something was last sent, as far as was checked.
    since: Instant,
    /// How many bytes were sent by then.
    sent: u64,
}

impl<'c> ClientWatch<'c> {
    fn new(socket: &'c Stream, sent: u64) -> Self {
        let reset = Box::pin(socket.wait_for_reset());
        Self { reset, since: Instant::now(), sent }
    }

    /// The deadline for sending something to the client.
    pub(super) fn until(&self, timeout: Duration) -> Instant {
        self.since + timeout
    }
}

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// Whether the client has reset the connection while nothing is read from it and its handler runs.
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

    /// Called when the deadline of the watch has passed. If the client has closed its sending side, and nothing was
    /// sent to it since the last check, the handler is ended.
    pub(super) fn give_up_client(&mut self, cx: &mut Context<'_>) {
        let Some(watch) = &mut self.watch else { return };
        let (sent, waits) = self.exchange.response(|response| (response.sent_bytes(), !response.output().is_empty()));
        let was_sent = waits || sent != watch.sent;
        (watch.since, watch.sent) = (Instant::now(), sent);
        if !*self.io.half_closed {
            // The client has sent more than is read ahead. The end of its side may follow after that.
            *self.io.half_closed = self.io.socket.is_read_closed(cx);
        } else if !was_sent {
            self.exchange.shorten_deadline(watch.since, ClientLoss::HalfClosed);
            self.expire_handler();
        }
    }
}
