//! What the engine delivers, between its connection and the thread that takes it: bounded in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::channel::Channel;

/// The most bytes that wait to be taken. What arrives past them is dropped.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// The bytes past that for what the host publishes to itself, and for the end: a host that delivers too slowly is not one whose
/// engine is away.
const RESERVED_BYTES: usize = 4096;

/// What a waiting message takes besides its bytes.
const MESSAGE_OVERHEAD: usize = 128;

/// Something that the engine has sent by itself.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message on a channel.
    Message { channel: Vec<u8>, bytes: Vec<u8> },
    /// The connection is lost.
    Lost,
}

/// The end of the connection.
#[derive(Debug, Clone)]
pub(super) struct IncomingSender {
    sender: UnboundedSender<Incoming>,
    /// The channel on which the host hears only itself.
    own: Channel,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// The end of the thread.
#[derive(Debug)]
pub(super) struct IncomingReceiver {
    receiver: UnboundedReceiver<Incoming>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// A queue for one connection of the host whose channel is `own`.
pub(super) fn queue(own: Channel) -> (IncomingSender, IncomingReceiver) {
    let (sender, receiver) = unbounded_channel();
    let (waiting_bytes, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let of_sender = IncomingSender { sender, own, waiting_bytes: waiting_bytes.clone(), dropped: dropped.clone() };
    (of_sender, IncomingReceiver { receiver, waiting_bytes, dropped })
}

impl IncomingSender {
    /// Queues it. If there is no room, it is dropped and counted.
    pub(super) fn push(&self, incoming: Incoming) {
        let (cost, max) = (incoming.cost(), MAX_WAITING_BYTES + self.reserved_for(&incoming));
        if self.waiting_bytes.fetch_add(cost, Ordering::Relaxed) + cost > max {
            self.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // If nobody takes it any more, the connection is about to end.
        let _ = self.sender.send(incoming);
    }

    fn reserved_for(&self, incoming: &Incoming) -> usize {
        match incoming {
            Incoming::Message { channel, .. } if **channel != *self.own => 0,
            Incoming::Message { .. } | Incoming::Lost => RESERVED_BYTES,
        }
    }
}

impl IncomingReceiver {
    /// The next one.
    pub(super) async fn next(&mut self) -> Incoming {
        let Some(incoming) = self.receiver.recv().await else { return Incoming::Lost };
        self.waiting_bytes.fetch_sub(incoming.cost(), Ordering::Relaxed);
        incoming
    }

    /// How many were dropped since this was called last.
    pub(super) fn take_dropped(&self) -> usize {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl Incoming {
    fn cost(&self) -> usize {
        match self {
            Self::Message { channel, bytes } => channel.len() + bytes.len() + MESSAGE_OVERHEAD,
            Self::Lost => 0,
        }
    }
}
