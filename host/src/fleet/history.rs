//! Histories that several hosts share: what this host appends goes to the engine, and each history that clients of this host read
//! has a copy here, which follows the engine's.
//!
//! ```text
//! a handler ── append ──> the engine: a script gives the id, keeps the event and publishes it ──┐
//! readers <── TopicLog, the copy <── the next event, or, if one is missing, what the engine has ─┘
//! ```
//!
//! The order is that of the engine, also for the host that has appended. A copy takes an event only if it is the next one. If not,
//! or if the connection was lost, it reads at the engine what it lacks; if that is no longer there, its readers are reset.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::MissedTickBehavior;

use super::channel::{self, Channel};
use super::message::{Content, FleetMessage, HostId, event_tail};
use super::publishers::Publishers;
use super::redis::{AppendCall, EngineConnection, FleetError, HistoryScripts};
use crate::push::{
    Applied, EventId, History, Hub, PushError, ScopeName, SharedAnswer, SharedEvent, TopicLog, TopicUser,
};

/// How long a history stays at the engine at least, after it was used last. Hosts whose clients read it use it more often.
const STAYS: Duration = Duration::from_secs(60);

/// How often copies are compared with the engine's, as the last message of all may have been lost.
const COMPARISON: Duration = Duration::from_secs(15);

/// The most events that are read at once, and appended at once.
const PAGE: usize = 500;
const MAX_APPENDS: usize = 256;
const MAX_APPEND_BYTES: usize = 1024 * 1024;

/// The most bytes that wait to be appended. What comes past them is refused.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// The side of the workers.
#[derive(Debug)]
pub(super) struct HistoryRelay {
    appends: UnboundedSender<Append>,
    waiting_bytes: Arc<AtomicUsize>,
    follows: Mutex<Vec<Follow>>,
    /// How long a handler waits for the engine.
    timeout: Duration,
}

/// An event on its way to the engine.
#[derive(Debug)]
pub(super) struct Append {
    call: AppendCall,
    answer: oneshot::Sender<EventId>,
    _waits: WaitingBytes,
}

/// Bytes that count as waiting until this is dropped.
#[derive(Debug)]
struct WaitingBytes {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

/// The wish of a subscriber to follow a history.
#[derive(Debug)]
pub(super) struct Follow {
    channel: Channel,
    scope: Arc<ScopeName>,
    topic: Box<str>,
    log: Arc<TopicLog>,
    answer: oneshot::Sender<()>,
}

impl HistoryRelay {
    pub(super) fn new(timeout: Duration) -> (Self, UnboundedReceiver<Append>) {
        let (appends, receiver) = unbounded_channel();
        (Self { appends, waiting_bytes: Arc::default(), follows: Mutex::default(), timeout }, receiver)
    }

    /// Appends an event. `channel` is that of its topic.
    pub(super) fn append(
        &self,
        host: HostId,
        prefix: &str,
        channel: Channel,
        publisher: &TopicUser,
        event: &[u8],
    ) -> SharedAnswer<EventId> {
        let history = publisher.history();
        let (answer, answered) = oneshot::channel();
        let sent = || {
            let call = AppendCall {
                keys: channel::history_keys(&channel, prefix),
                head: host.event_head(publisher.directory())?,
                tail: event_tail(history, event),
                events: history.events?.get(),
                stays: history.age.max(STAYS),
                channel,
            };
            let waits = WaitingBytes::take(&self.waiting_bytes, call.tail.len() + call.channel.len())?;
            self.appends.send(Append { call, answer, _waits: waits }).ok()
        };
        match sent() {
            Some(()) => self.answer(answered),
            None => unavailable(),
        }
    }

    /// Follows a history.
    pub(super) fn follow(
        &self,
        channel: Channel,
        scope: &Arc<ScopeName>,
        topic: &str,
        log: Arc<TopicLog>,
    ) -> SharedAnswer<()> {
        let (answer, answered) = oneshot::channel();
        self.lock().push(Follow { channel, scope: scope.clone(), topic: topic.into(), log, answer });
        self.answer(answered)
    }

    /// The histories that are wanted since the last call of this.
    pub(super) fn take_follows(&self) -> Vec<Follow> {
        std::mem::take(&mut *self.lock())
    }

    fn answer<T: Send + 'static>(&self, answered: oneshot::Receiver<T>) -> SharedAnswer<T> {
        let timeout = self.timeout;
        Box::pin(async move {
            let answered = tokio::time::timeout(timeout, answered).await;
            answered.ok().and_then(Result::ok).ok_or(PushError::Unavailable)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Follow>> {
        // No change is left half-done by a panic.
        self.follows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer while the engine is away.
pub(super) fn unavailable<T: Send + 'static>() -> SharedAnswer<T> {
    Box::pin(std::future::ready(Err(PushError::Unavailable)))
}

impl WaitingBytes {
    fn take(all: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        let more = |waiting: usize| (waiting + bytes <= MAX_WAITING_BYTES).then_some(waiting + bytes);
        all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self { all: all.clone(), bytes })
    }
}

impl Drop for WaitingBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The histories that this host follows. They outlive a connection.
#[derive(Debug, Default)]
pub(super) struct FollowedHistories {
    logs: RefCell<HashMap<Channel, FollowedLog>>,
    changed: Notify,
}

/// A copy of a history.
#[derive(Debug)]
struct FollowedLog {
    log: Arc<TopicLog>,
    scope: Arc<ScopeName>,
    topic: Box<str>,
    /// Whether it has not been read yet. Then those who do not read the history get its events beside it.
    is_new: bool,
    /// The last event that was read while it was new. Those who do not read the history get the events up to it as they are
    /// delivered, which may be later.
    read_as_new: Option<EventId>,
    /// Whether something may be missing since it was begun to be read last.
    is_behind: bool,
    /// Whether nothing was missing when it was read to its end last.
    is_current: bool,
    /// Who waits until the copy is current.
    waits: Vec<oneshot::Sender<()>>,
}

impl FollowedHistories {
    /// Follows histories whose channels are subscribed to.
    pub(super) fn add(&self, follows: Vec<Follow>, is_subscribed: impl Fn(&Channel) -> bool) {
        let mut logs = self.logs.borrow_mut();
        for Follow { channel, scope, topic, log, answer } in follows {
            if !is_subscribed(&channel) {
                continue;
            }
            let new = || FollowedLog::new(log.clone(), scope, topic);
            let followed = logs.entry(channel).or_insert_with(new);
            if !Arc::ptr_eq(&followed.log, &log) {
                // The earlier one was forgotten meanwhile.
                (followed.log, followed.is_new) = (log, true);
                followed.note_gap();
            }
            if followed.is_current {
                // Whoever waits may have given up.
                let _ = answer.send(());
            } else {
                // An engine that refuses histories answers nobody.
                followed.waits.retain(|wait| !wait.is_closed());
                followed.waits.push(answer);
            }
        }
        self.changed.notify_one();
    }

    /// Follows the histories of these channels no longer.
    pub(super) fn remove(&self, channels: &[Channel]) {
        let mut logs = self.logs.borrow_mut();
        channels.iter().for_each(|channel| drop(logs.remove(channel)));
    }

    /// Notes that messages may have been lost.
    pub(super) fn note_gap(&self) {
        self.logs.borrow_mut().values_mut().for_each(FollowedLog::note_gap);
        self.changed.notify_one();
    }

    /// Takes an event that the engine has published.
    pub(super) fn take(&self, hub: &Hub, publisher: &TopicUser, channel: &[u8], topic: &str, event: &SharedEvent<'_>) {
        let mut logs = self.logs.borrow_mut();
        let Some(followed) = logs.get_mut(channel) else {
            hub.deliver_unfollowed(publisher, topic, event);
            return;
        };
        let applied = hub.apply(&followed.log, publisher, topic, event, !followed.is_new);
        if followed.is_new || (applied == Applied::Known && followed.has_read_as_new(event.id)) {
            hub.deliver_beside(&followed.log, publisher, topic, event);
        }
        if applied == Applied::Gap {
            followed.note_gap();
            self.changed.notify_one();
        }
    }

    /// Keeps the copies current, until the engine fails.
    pub(super) async fn keep_current(
        &self,
        mut connection: EngineConnection,
        scripts: &HistoryScripts,
        prefix: &str,
        hub: &Hub,
    ) -> Result<Infallible, FleetError> {
        let mut publishers = Publishers::default();
        let mut comparisons = tokio::time::interval(COMPARISON);
        comparisons.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                // Until it is compared, what was current still is.
                _ = comparisons.tick() => self.logs.borrow_mut().values_mut().for_each(|it| it.is_behind = true),
            }
            let behind = |(channel, followed): (&Channel, &FollowedLog)| followed.is_behind.then(|| channel.clone());
            let channels: Vec<Channel> = self.logs.borrow().iter().filter_map(behind).collect();
            for channel in channels {
                let mut copying = Copying { histories: self, prefix, hub, publishers: &mut publishers, channel };
                copying.run(&mut connection, scripts).await?;
            }
        }
    }
}

impl FollowedLog {
    fn new(log: Arc<TopicLog>, scope: Arc<ScopeName>, topic: Box<str>) -> Self {
        Self {
            log,
            scope,
            topic,
            is_new: true,
            read_as_new: None,
            is_behind: true,
            is_current: false,
            waits: Vec::new(),
        }
    }

    fn note_gap(&mut self) {
        (self.is_behind, self.is_current) = (true, false);
    }

    /// The copy was read to its end.
    fn note_read(&mut self) {
        if self.is_new {
            self.read_as_new = Some(self.log.last());
        }
        (self.is_new, self.is_current) = (false, true);
        for answer in self.waits.drain(..) {
            // Whoever waits may have given up.
            let _ = answer.send(());
        }
    }

    /// Whether an event that is known was read before it was delivered.
    fn has_read_as_new(&self, id: EventId) -> bool {
        self.read_as_new.is_some_and(|last| last.epoch == id.epoch && id.offset <= last.offset)
    }
}

/// One copy that is made current.
struct Copying<'c> {
    histories: &'c FollowedHistories,
    prefix: &'c str,
    hub: &'c Hub,
    publishers: &'c mut Publishers,
    channel: Channel,
}

impl Copying<'_> {
    async fn run(&mut self, connection: &mut EngineConnection, scripts: &HistoryScripts) -> Result<(), FleetError> {
        let keys = channel::history_keys(&self.channel, self.prefix);
        loop {
            // It may not be followed any more.
            let Some((log, is_new)) = self.begin() else { return Ok(()) };
            let known = log.last();
            let page = connection.read_history(scripts, &keys, known, STAYS, PAGE).await?;
            let Some(page) = page else {
                self.give_up();
                return Ok(());
            };
            let begin = page.events.first().map_or(page.last.offset, |event| event.id.offset.saturating_sub(1));
            let begin = EventId { offset: begin, ..page.last };
            if page.last.epoch == known.epoch && page.last.offset < known.offset {
                // The engine has fewer events than it had.
                log.restart(page.last);
            } else {
                log.continue_behind(begin);
            }
            for event in &page.events {
                self.apply(&log, &event.message, event.id, event.age, is_new);
            }
            if page.events.len() == PAGE {
                continue;
            }
            // It has it all, unless the history is not as hosts make it.
            log.continue_behind(page.last);
            if self.end() {
                return Ok(());
            }
        }
    }

    /// The copy, and whether it has not been read yet.
    fn begin(&self) -> Option<(Arc<TopicLog>, bool)> {
        let mut logs = self.histories.logs.borrow_mut();
        let followed = logs.get_mut(&self.channel)?;
        // What is noted from now on is noted after the engine was asked.
        followed.is_behind = false;
        Some((followed.log.clone(), followed.is_new))
    }

    /// The history cannot be read now.
    fn give_up(&self) {
        if let Some(followed) = self.histories.logs.borrow_mut().get_mut(&self.channel) {
            followed.note_gap();
            followed.waits.clear();
        }
    }

    /// Whether the copy is current.
    fn end(&self) -> bool {
        let mut logs = self.histories.logs.borrow_mut();
        let Some(followed) = logs.get_mut(&self.channel) else { return true };
        if !followed.is_behind {
            followed.note_read();
        }
        !followed.is_behind
    }

    fn apply(&mut self, log: &TopicLog, message: &[u8], id: EventId, age: Duration, is_new: bool) {
        let logs = self.histories.logs.borrow();
        let Some(followed) = logs.get(&self.channel) else { return };
        let now = Instant::now();
        let kept_since = now.checked_sub(age).unwrap_or(now);
        // Whoever can write to the engine can send anything: what is no event is one that is lost.
        let parsed = FleetMessage::parse(message).map(|message| message.content);
        let (directory, event) = match parsed {
            Some(Content::Event { directory, history, event, .. }) => {
                (directory, SharedEvent { id, history, kept_since, bytes: event })
            }
            _ => (Path::new(""), SharedEvent { id, history: History::default(), kept_since, bytes: b"" }),
        };
        let publisher = self.publishers.get(&followed.scope, directory);
        self.hub.apply(log, publisher, &followed.topic, &event, !is_new);
    }
}

/// Appends what the workers give, until the engine fails.
pub(super) async fn append(
    mut connection: EngineConnection,
    scripts: &HistoryScripts,
    appends: &mut UnboundedReceiver<Append>,
) -> Result<Infallible, FleetError> {
    let (mut calls, mut answers, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut next = match appends.recv().await {
            Some(append) => Some(append),
            // The relay keeps the other end.
            None => std::future::pending().await,
        };
        let mut bytes = 0;
        while let Some(Append { call, answer, _waits }) = next {
            // A handler that has given up is told that the event may not be there.
            if !answer.is_closed() {
                bytes += call.tail.len();
                calls.push(call);
                answers.push(answer);
                waiting.push(_waits);
            }
            let is_full = calls.len() >= MAX_APPENDS || bytes >= MAX_APPEND_BYTES;
            next = if is_full { None } else { appends.try_recv().ok() };
        }
        if calls.is_empty() {
            continue;
        }
        let ids = connection.append(scripts, &calls).await?;
        calls.clear();
        waiting.clear();
        for (answer, id) in answers.drain(..).zip(ids) {
            // If it has failed, the answer is dropped, which says so.
            if let Ok(id) = id {
                let _ = answer.send(id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
