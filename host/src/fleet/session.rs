//! One connection to the engine.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use super::channel::{self, Channel};
use super::incoming::{Incoming, IncomingReceiver};
use super::link::OutgoingMessage;
use super::message::{Content, FleetMessage};
use super::publishers::Publishers;
use super::redis::{EngineConnection, FleetError};
use super::relay::FleetRelay;
use super::subscriptions::Subscriptions;
use crate::push::{Hub, MAX_CHUNK_BYTES};

/// How often the host looks whether it hears itself.
const TICK: Duration = Duration::from_secs(1);

/// How many canaries may be unheard before the connection is given up, so that it is noticed within three seconds.
const MAX_UNHEARD: u64 = 2;

/// How many channels one command names.
const MAX_CHANNELS: usize = 500;

/// The most frames and bytes that are published together.
const MAX_FRAMES: usize = 512;
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Why a connection has ended.
#[derive(Debug, Error)]
pub(super) enum Lost {
    /// The engine has answered with an error, or not at all.
    #[error(transparent)]
    Engine(#[from] FleetError),
    /// The engine has closed the connection.
    #[error("it has closed the connection")]
    Closed,
    /// The engine delivers nothing.
    #[error("it takes what this host publishes, and does not deliver it")]
    Deaf,
}

/// One connection to the engine.
pub(super) struct EngineSession<'l> {
    connection: EngineConnection,
    relay: &'l FleetRelay,
    subscriptions: &'l mut Subscriptions,
    hub: &'l Hub,
    publishers: Publishers,
    /// The number of the last canary that was sent, and of the last that was heard.
    sent: u64,
    heard: u64,
}

impl<'l> EngineSession<'l> {
    pub(super) fn new(
        connection: EngineConnection,
        relay: &'l FleetRelay,
        subscriptions: &'l mut Subscriptions,
        hub: &'l Hub,
    ) -> Self {
        let publishers = Publishers::default();
        Self { connection, relay, subscriptions, hub, publishers, sent: 0, heard: 0 }
    }

    /// Serves the connection to its end. Calls `up` when the host hears itself for the first time.
    pub(super) async fn serve(
        &mut self,
        mut incoming: IncomingReceiver,
        frames: &mut UnboundedReceiver<OutgoingMessage>,
        up: impl FnOnce(),
    ) -> Lost {
        let own = channel::of_host(&self.relay.prefix, self.relay.host);
        let all = [vec![own.clone()], self.subscriptions.channels()].concat();
        if let Err(error) = self.subscribe(&all).await {
            return error.into();
        }
        let mut up = Some(up);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut publishing = std::pin::pin!(publish(self.connection.clone(), self.relay, frames));
        loop {
            let turn = tokio::select! {
                lost = &mut publishing => return lost,
                incoming = incoming.next() => match incoming {
                    Incoming::Message { channel, bytes } => {
                        self.take(&channel, &bytes);
                        Ok(())
                    }
                    Incoming::Lost => return Lost::Closed,
                },
                () = self.relay.interest_changed.notified() => self.follow_interest().await,
                _ = ticks.tick() => {
                    self.count_dropped(incoming.take_dropped());
                    self.tick(&own).await
                }
            };
            if let Err(lost) = turn {
                return lost;
            }
            if self.heard > 0
                && let Some(up) = up.take()
            {
                up();
            }
        }
    }

    /// Acts on a message: delivers a chunk of another host.
    fn take(&mut self, channel: &[u8], bytes: &[u8]) {
        // Whoever can write to the engine can send anything.
        let Some(FleetMessage { host, content }) = FleetMessage::parse(bytes) else { return };
        let is_own = host == self.relay.host;
        let (directory, chunk) = match content {
            Content::Canary { number } if is_own => return self.heard = self.heard.max(number.min(self.sent)),
            Content::Chunk { directory, chunk } if (1..=MAX_CHUNK_BYTES).contains(&chunk.len()) => {
                (directory, Some(chunk))
            }
            Content::Finish { directory } => (directory, None),
            Content::Canary { .. } | Content::Chunk { .. } => return,
        };
        // Its own subscribers have got it already.
        let Some(topic) = self.subscriptions.get(channel).filter(|_| !is_own) else { return };
        self.relay.counts.received.fetch_add(1, Ordering::Relaxed);
        let publisher = self.publishers.get(&topic.scope, directory);
        match chunk {
            Some(chunk) => self.hub.deliver(publisher, &topic.topic, chunk),
            None => self.hub.finish_here(publisher, &topic.topic),
        };
    }

    /// Subscribes to the topics that have got subscribers.
    async fn follow_interest(&mut self) -> Result<(), Lost> {
        let new = self.subscriptions.update(self.relay.take_interest(), Instant::now());
        Ok(self.subscribe(&new).await?)
    }

    /// Looks whether the host hears itself, and leaves topics that nobody wants any more.
    async fn tick(&mut self, own: &Channel) -> Result<(), Lost> {
        if self.sent - self.heard > MAX_UNHEARD {
            return Err(Lost::Deaf);
        }
        for channels in self.subscriptions.leave(Instant::now()).chunks(MAX_CHANNELS) {
            self.connection.unsubscribe(channels).await?;
        }
        self.sent += 1;
        let canary = FleetMessage { host: self.relay.host, content: Content::Canary { number: self.sent } };
        let bytes = canary.to_bytes().unwrap_or_default();
        Ok(self.connection.publish(&[OutgoingMessage { channel: own.clone(), bytes }]).await?)
    }

    async fn subscribe(&mut self, channels: &[Channel]) -> Result<(), FleetError> {
        for channels in channels.chunks(MAX_CHANNELS) {
            self.connection.subscribe(channels).await?;
        }
        Ok(())
    }

    /// Counts messages that have come faster than they were delivered.
    fn count_dropped(&self, dropped: usize) {
        if dropped > 0 {
            self.relay.counts.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
            self.relay.counts.gaps.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Publishes what the workers give, until that fails.
async fn publish(
    mut connection: EngineConnection,
    relay: &FleetRelay,
    frames: &mut UnboundedReceiver<OutgoingMessage>,
) -> Lost {
    let mut batch = Vec::new();
    loop {
        // The relay keeps the other end.
        let Some(first) = frames.recv().await else { return Lost::Closed };
        let mut bytes = first.bytes.len();
        batch.push(first);
        while batch.len() < MAX_FRAMES
            && bytes < MAX_FRAME_BYTES
            && let Ok(frame) = frames.try_recv()
        {
            bytes += frame.bytes.len();
            batch.push(frame);
        }
        let published = connection.publish(&batch).await;
        let counts = &relay.counts;
        let counter = if published.is_ok() { &counts.published } else { &counts.dropped };
        counter.fetch_add(batch.len() as u64, Ordering::Relaxed);
        batch.drain(..).for_each(|frame| relay.forget(&frame));
        if let Err(error) = published {
            return error.into();
        }
    }
}
