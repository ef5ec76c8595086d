//! One connection to the engine.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use super::channel::{self, Channel};
use super::history::{self, Append, FollowedHistories};
use super::incoming::{Incoming, IncomingReceiver};
use super::link::OutgoingMessage;
use super::message::{Content, FleetMessage};
use super::publishers::Publishers;
use super::redis::{EngineConnection, FleetError};
use super::relay::{FleetQueues, FleetRelay, MAX_SILENCE};
use super::subscriptions::Subscriptions;
use crate::push::{Hub, MAX_CHUNK_BYTES, SharedEvent};
use crate::text::printable;

/// How often the host publishes to itself.
const TICK: Duration = Duration::from_secs(1);

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
///
/// What it sends, what it receives, and the time for which it may hear nothing go on beside each other: an engine that is slow
/// to confirm a subscription delays no chunk.
pub(super) struct EngineSession<'l> {
    connection: EngineConnection,
    relay: &'l FleetRelay,
    /// Borrowed only between two awaits.
    subscriptions: RefCell<&'l mut Subscriptions>,
    histories: &'l FollowedHistories,
    hub: &'l Hub,
    /// The channel on which the host hears only itself.
    own: Channel,
    /// The number of the last canary that was sent, and of the last that was heard.
    sent: Cell<u64>,
    heard: Cell<u64>,
    /// When the host has heard itself last. Before the first time: when it began to listen.
    heard_at: Cell<Instant>,
}

impl<'l> EngineSession<'l> {
    pub(super) fn new(
        connection: EngineConnection,
        relay: &'l FleetRelay,
        subscriptions: &'l mut Subscriptions,
        histories: &'l FollowedHistories,
        hub: &'l Hub,
    ) -> Self {
        let own = channel::of_host(&relay.prefix, relay.host);
        let (subscriptions, [sent, heard]) = (RefCell::new(subscriptions), [0, 0].map(Cell::new));
        Self { connection, relay, subscriptions, histories, hub, own, sent, heard, heard_at: Cell::new(Instant::now()) }
    }

    /// Serves the connection to its end. Calls `up` when the host hears itself for the first time.
    pub(super) async fn serve(&self, incoming: IncomingReceiver, queues: &mut FleetQueues, up: impl FnOnce()) -> Lost {
        tokio::select! {
            lost = publish(self.connection.clone(), self.relay, &mut queues.messages) => lost,
            lost = self.receive(incoming, up) => lost,
            lost = self.subscribe_and_watch(&mut queues.appends) => lost,
        }
    }

    /// Subscribes to all topics. Then subscribes to more as they are wanted, and sees that the host hears itself.
    async fn subscribe_and_watch(&self, appends: &mut UnboundedReceiver<Append>) -> Lost {
        let all = [vec![self.own.clone()], self.subscriptions.borrow().channels()].concat();
        if let Err(error) = self.subscribe(&all).await {
            return error.into();
        }
        self.heard_at.set(Instant::now());
        // What was published without a connection has not been heard.
        self.histories.note_gap();
        tokio::select! {
            lost = self.serve_histories(appends) => lost,
            lost = self.follow_interest() => lost,
            lost = self.send_canaries() => lost,
            lost = self.watch() => lost,
        }
    }

    /// Carries on the histories of topics. An engine that refuses what they need carries the rest.
    async fn serve_histories(&self, appends: &mut UnboundedReceiver<Append>) -> Lost {
        let scripts = match self.connection.clone().load_history_scripts().await {
            Ok(Ok(scripts)) => scripts,
            Err(error) => return error.into(),
            Ok(Err(reason)) => {
                let reason = printable(&reason);
                tracing::warn!(target: "fleet", "the engine keeps no histories of topics: {reason}");
                while appends.recv().await.is_some() {}
                return std::future::pending().await;
            }
        };
        let (prefix, connection) = (&self.relay.prefix, || self.connection.clone());
        let failed = tokio::select! {
            failed = self.histories.keep_current(connection(), &scripts, prefix, self.hub) => failed,
            failed = history::append(connection(), &scripts, appends) => failed,
        };
        match failed {
            Ok(never) => match never {},
            Err(error) => error.into(),
        }
    }

    /// Takes what the engine delivers.
    async fn receive(&self, mut incoming: IncomingReceiver, up: impl FnOnce()) -> Lost {
        let mut up = Some(up);
        let mut publishers = Publishers::default();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                incoming = incoming.next() => match incoming {
                    Incoming::Message { channel, bytes } => self.take(&mut publishers, &channel, &bytes),
                    Incoming::Lost => return Lost::Closed,
                },
                _ = ticks.tick() => self.count_dropped(incoming.take_dropped()),
            }
            if self.heard.get() > 0
                && let Some(up) = up.take()
            {
                up();
            }
        }
    }

    /// Acts on a message: delivers a chunk of another host.
    fn take(&self, publishers: &mut Publishers, channel: &[u8], bytes: &[u8]) {
        // Whoever can write to the engine can send anything.
        let Some(FleetMessage { host, content }) = FleetMessage::parse(bytes) else { return };
        let is_own = host == self.relay.host;
        let (directory, chunk) = match content {
            Content::Canary { number } if is_own => return self.hear(number),
            Content::Chunk { directory, chunk } if (1..=MAX_CHUNK_BYTES).contains(&chunk.len()) => {
                (directory, Some(chunk))
            }
            Content::Finish { directory } => (directory, None),
            Content::Event { directory, id, history, event } => {
                let event = SharedEvent { id, history, kept_since: Instant::now(), bytes: event };
                if !event.is_valid() {
                    return;
                }
                return self.take_event(publishers, channel, directory, &event);
            }
            Content::Canary { .. } | Content::Chunk { .. } => return,
        };
        let subscriptions = self.subscriptions.borrow();
        // Its own subscribers have got it already.
        let Some(topic) = subscriptions.get(channel).filter(|_| !is_own) else { return };
        self.relay.counts.received.fetch_add(1, Ordering::Relaxed);
        let publisher = publishers.get(&topic.scope, directory);
        match chunk {
            Some(chunk) => self.hub.deliver(publisher, &topic.topic, chunk),
            None => self.hub.finish_here(publisher, &topic.topic),
        };
    }

    /// Takes an event of a history, whichever host has appended it.
    fn take_event(&self, publishers: &mut Publishers, channel: &[u8], directory: &Path, event: &SharedEvent<'_>) {
        let subscriptions = self.subscriptions.borrow();
        let Some(topic) = subscriptions.get(channel) else { return };
        self.relay.counts.received.fetch_add(1, Ordering::Relaxed);
        let publisher = publishers.get(&topic.scope, directory);
        self.histories.take(self.hub, publisher, channel, &topic.topic, event);
    }

    /// A canary has come back: one that was sent, and not one that was heard before.
    fn hear(&self, number: u64) {
        if number > self.heard.get() && number <= self.sent.get() {
            self.heard.set(number);
            self.heard_at.set(Instant::now());
            self.relay.counts.note_heard();
        }
    }

    /// Ends when the host has not heard itself for too long.
    async fn watch(&self) -> Lost {
        loop {
            let deadline = self.heard_at.get() + MAX_SILENCE;
            if deadline <= Instant::now() {
                return Lost::Deaf;
            }
            tokio::time::sleep_until(deadline.into()).await;
        }
    }

    /// Subscribes to the topics that have got subscribers, and leaves those that nobody wants any more.
    async fn follow_interest(&self) -> Lost {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = self.connection.clone();
        loop {
            tokio::select! {
                () = self.relay.interest_changed.notified() => {
                    let follows = self.relay.histories.take_follows();
                    let new = self.subscriptions.borrow_mut().update(self.relay.take_interest(), Instant::now());
                    if let Err(error) = self.subscribe(&new).await {
                        return error.into();
                    }
                    let subscriptions = self.subscriptions.borrow();
                    self.histories.add(follows, |channel| subscriptions.get(channel).is_some());
                }
                _ = ticks.tick() => {
                    let left = self.subscriptions.borrow_mut().leave(Instant::now());
                    self.histories.remove(&left);
                    for channels in left.chunks(MAX_CHANNELS) {
                        if let Err(error) = connection.unsubscribe(channels).await {
                            return error.into();
                        }
                    }
                }
            }
        }
    }

    /// Publishes to the host itself, again and again.
    async fn send_canaries(&self) -> Lost {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = self.connection.clone();
        loop {
            ticks.tick().await;
            let number = self.sent.get() + 1;
            self.sent.set(number);
            let canary = FleetMessage { host: self.relay.host, content: Content::Canary { number } };
            let bytes = canary.to_bytes().unwrap_or_default();
            let message = OutgoingMessage { channel: self.own.clone(), bytes };
            if let Err(error) = connection.publish(&[message]).await {
                return error.into();
            }
        }
    }

    async fn subscribe(&self, channels: &[Channel]) -> Result<(), FleetError> {
        let mut connection = self.connection.clone();
        for channels in channels.chunks(MAX_CHANNELS) {
            connection.subscribe(channels).await?;
        }
        Ok(())
    }

    /// Counts messages that have come faster than they were delivered.
    fn count_dropped(&self, dropped: usize) {
        if dropped > 0 {
            self.relay.counts.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
            self.relay.counts.gaps.fetch_add(1, Ordering::Relaxed);
            self.hub.end_after_gap();
            self.histories.note_gap();
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
