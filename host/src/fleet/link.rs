//! The thread that talks to the engine: connects, again and again, and says when the engine is away.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::channel::{self, Channel};
use super::history::FollowedHistories;
use super::incoming;
use super::redis::{EngineConnection, EngineSettings};
use super::relay::{FleetQueues, FleetRelay};
use super::session::{EngineSession, Lost};
use super::subscriptions::Subscriptions;
use crate::push::Hub;
use crate::text::printable;

/// The shortest time between two log lines about an engine that is away.
const REPORTS: Duration = Duration::from_secs(60);

/// A chunk, or the end of a topic, on its way to the engine.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) channel: Channel,
    pub(super) bytes: Vec<u8>,
}

/// The connection of a host to its engine.
#[derive(Debug)]
pub struct FleetLink {
    engine: EngineSettings,
    relay: Arc<FleetRelay>,
    queues: FleetQueues,
    subscriptions: Subscriptions,
    histories: FollowedHistories,
    outage: Option<Outage>,
    /// Whether chunks of other hosts may be missing, and the subscribers that want to know have not been told.
    has_gap: bool,
    /// Whether the engine has said which entries it removes if its memory is short.
    knows_policy: bool,
}

/// A time without the engine.
#[derive(Debug)]
struct Outage {
    since: Instant,
    reported: Instant,
    /// What was dropped when it began.
    dropped: u64,
}

impl FleetLink {
    /// The link to this engine, which is not connected yet, and what gives it what is published here.
    #[must_use]
    pub fn new(engine: EngineSettings) -> (Self, Arc<FleetRelay>) {
        let (relay, queues) = FleetRelay::new(engine.prefix().to_owned(), engine.timeout());
        (
            Self {
                engine,
                relay: relay.clone(),
                queues,
                subscriptions: Subscriptions::default(),
                histories: FollowedHistories::default(),
                outage: None,
                has_gap: false,
                knows_policy: false,
            },
            relay,
        )
    }

    /// Connects to the engine, again and again, and delivers to `hub` what other hosts publish. It never ends.
    pub async fn run(mut self, hub: &Hub) {
        let mut backoff = Backoff::new();
        loop {
            let lost = self.connect_and_serve(hub).await;
            if self.relay.counts.is_up.swap(false, Ordering::Relaxed) {
                backoff.reset();
                if !self.subscriptions.is_empty() {
                    self.relay.counts.gaps.fetch_add(1, Ordering::Relaxed);
                    self.has_gap = true;
                }
            }
            self.note_lost(&lost);
            self.drop_frames();
            backoff.wait().await;
        }
    }

    /// Serves one connection to its end.
    async fn connect_and_serve(&mut self, hub: &Hub) -> Lost {
        let (sender, incoming) = incoming::queue(channel::of_host(&self.relay.prefix, self.relay.host));
        let connection = match self.engine.connect(sender).await {
            Ok(connection) => connection,
            Err(error) => return error.into(),
        };
        let policy = warn_of_eviction(connection.clone(), &self.engine, &mut self.knows_policy);
        let session = EngineSession::new(connection, &self.relay, &mut self.subscriptions, &self.histories, hub);
        let up = || {
            note_up(&self.engine, &self.relay, &mut self.outage);
            if std::mem::take(&mut self.has_gap) {
                hub.end_after_gap();
            }
        };
        tokio::select! {
            lost = session.serve(incoming, &mut self.queues, up) => lost,
            never = policy => match never {},
        }
    }

    /// Says that the engine is away, at once and then each minute.
    fn note_lost(&mut self, lost: &Lost) {
        let now = Instant::now();
        let is_new = self.outage.is_none();
        let dropped = self.relay.stats().dropped;
        let outage = self.outage.get_or_insert(Outage { since: now, reported: now, dropped });
        if is_new || now.duration_since(outage.reported) >= REPORTS {
            outage.reported = now;
            tracing::warn!(
                target: "fleet",
                "the engine {} is away: {lost}; topics reach the clients of this host alone until it is back",
                self.engine
            );
        }
    }

    /// Drops what waits for an engine that is away.
    fn drop_frames(&mut self) {
        // Whoever has appended or begins to read a history is told by an answer that is dropped.
        while self.queues.appends.try_recv().is_ok() {}
        self.relay.histories.take_follows();
        // All that is wanted then is subscribed to with the next connection. What has come and gone until then is forgotten.
        let now = Instant::now();
        self.subscriptions.update(self.relay.take_interest(), now);
        self.histories.remove(&self.subscriptions.leave(now));
        while let Ok(frame) = self.queues.messages.try_recv() {
            self.relay.forget(&frame);
            self.relay.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Warns, once, of an engine that may remove what hosts keep there. It does not end before the connection does.
async fn warn_of_eviction(mut connection: EngineConnection, engine: &EngineSettings, knows: &mut bool) -> Infallible {
    if !*knows && let Some(policy) = connection.eviction_policy().await {
        *knows = true;
        if policy != "noeviction" {
            tracing::warn!(
                target: "fleet",
                "the engine {engine} may remove what hosts keep there: its maxmemory-policy is {}, and should be noeviction",
                printable(&policy)
            );
        }
    }
    std::future::pending().await
}

/// The host hears itself through the engine.
fn note_up(engine: &EngineSettings, relay: &FleetRelay, outage: &mut Option<Outage>) {
    relay.counts.is_up.store(true, Ordering::Relaxed);
    match outage.take() {
        None => tracing::info!(target: "fleet", "connected to the engine {engine}"),
        Some(Outage { since, dropped, .. }) => tracing::info!(
            target: "fleet",
            seconds = since.elapsed().as_secs(),
            dropped = relay.stats().dropped.saturating_sub(dropped),
            "the engine {engine} is back"
        ),
    }
}
