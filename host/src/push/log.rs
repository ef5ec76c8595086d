//! The history of one topic: its last events in one order, and the subscribers that read them.
//!
//! An event is kept once. Each subscriber has a place in the history and reads on from there, so a slow one costs nothing and
//! holds up nobody. A subscriber whose next event is no longer kept reads a `reset` in its place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::history::{EventId, History};
use super::inbox::Inbox;
use super::tenant::{Counted, TopicUser};
use super::{MIN_CHUNK_COST, PushError};
use crate::http1::chunk::Chunk;
use crate::memory_budget::{self, Reservation};

/// What identifies a subscriber: its worker, and its number there.
pub(super) type SubscriberKey = (usize, u64);

/// The history of a topic. It exists while it has subscribers, and for a time after them and after the last event.
#[derive(Debug)]
pub(super) struct TopicLog {
    /// Taken from the quota of the route that used it first.
    _quota: Counted,
    state: Mutex<LogState>,
}

#[derive(Debug)]
struct LogState {
    /// The id of the last event.
    last: EventId,
    /// The events that are kept. Their offsets follow each other, and the last one has that of `last`.
    events: VecDeque<KeptEvent>,
    /// How long events are kept.
    age: Duration,
    /// When it was last used.
    used_at: Instant,
    subscribers: BTreeMap<SubscriberKey, Arc<Inbox>>,
    /// Set once it is forgotten: whoever still has it has to look again.
    is_forgotten: bool,
}

#[derive(Debug)]
struct KeptEvent {
    /// With the line of its id.
    chunk: Arc<Chunk>,
    kept_since: Instant,
}

/// The place of a subscriber in a history. Dropping it ends the subscription.
#[derive(Debug)]
pub(super) struct LogReader {
    log: Arc<TopicLog>,
    key: SubscriberKey,
    /// The id of the event that was read last.
    place: EventId,
    /// What is read before the next event.
    first: Option<Arc<Chunk>>,
    /// Whether there may be more to read.
    may_have_more: bool,
    /// The offset after which nothing more is read.
    end: Option<u64>,
}

/// The history was forgotten meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forgotten;

impl TopicLog {
    pub(super) fn new(user: &TopicUser, now: Instant) -> Result<Self, PushError> {
        let state = LogState {
            last: EventId::start(),
            events: VecDeque::new(),
            age: user.history().age,
            used_at: now,
            subscribers: BTreeMap::new(),
            is_forgotten: false,
        };
        Ok(Self { _quota: user.take_topic()?, state: Mutex::new(state) })
    }

    /// Keeps an event of `publisher` as the next one, and wakes the subscribers. `others` gets, still in the order of the
    /// history, a test of which subscribers are its own. Returns the id and the number of its subscribers.
    pub(super) fn append(
        &self,
        publisher: &TopicUser,
        event: &[u8],
        now: Instant,
        others: impl FnOnce(&dyn Fn(SubscriberKey) -> bool),
    ) -> Result<(EventId, usize), Forgotten> {
        let state = &mut *self.live()?;
        let id = EventId { offset: state.last.offset + 1, ..state.last };
        state.keep(id, publisher, event, now);
        state.subscribers.values().for_each(|inbox| inbox.note_log());
        others(&|key| state.subscribers.contains_key(&key));
        Ok((id, state.subscribers.len()))
    }

    /// Subscribes: everything behind the event with the id `after` is read first, or, without an id, what comes from now on.
    /// Whether nothing is missing in between.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        key: SubscriberKey,
        inbox: &Arc<Inbox>,
        after: Option<&str>,
        now: Instant,
    ) -> Result<(LogReader, bool), Forgotten> {
        let state = &mut *self.live()?;
        state.drop_old(now);
        state.subscribers.insert(key, inbox.clone());
        let last = state.last;
        let (place, first, is_whole) = match after {
            None => (last, Some(last.alone()), true),
            Some(text) => match EventId::parse(text).filter(|id| state.has_all_after(*id)) {
                Some(id) => (id, None, true),
                None => (last, Some(last.reset()), false),
            },
        };
        let first = first.map(|bytes| Arc::new(Chunk::new(&bytes)));
        Ok((LogReader { log: self.clone(), key, place, first, may_have_more: true, end: None }, is_whole))
    }

    /// Drops events that are too old. Returns whether it may be forgotten, which it then is: it has no subscribers, and was not
    /// used for as long as events are kept.
    pub(super) fn expire(&self, now: Instant) -> bool {
        let state = &mut *self.lock();
        state.drop_old(now);
        let is_unused = now.saturating_duration_since(state.used_at) >= state.age;
        state.is_forgotten |= state.subscribers.is_empty() && is_unused;
        state.is_forgotten
    }

    /// Drops the older half of the events, because memory is short.
    pub(super) fn drop_half(&self) {
        let state = &mut *self.lock();
        let half = state.events.len().div_ceil(2);
        state.events.drain(..half);
    }

    fn live(&self) -> Result<MutexGuard<'_, LogState>, Forgotten> {
        Some(self.lock()).filter(|state| !state.is_forgotten).ok_or(Forgotten)
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        // No change is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    /// Keeps an event whose id follows the last one.
    fn keep(&mut self, id: EventId, publisher: &TopicUser, event: &[u8], now: Instant) {
        let History { events, age } = publisher.history();
        (self.age, self.used_at) = (age, now);
        self.drop_old(now);
        let bytes = id.before(event);
        // It may be kept in two encodings.
        let (cost, owner) = (2 * bytes.len().max(MIN_CHUNK_COST), publisher.memory_owner());
        if memory_budget::check(cost, owner).is_err() {
            self.events.clear();
        }
        let hold = |coded| memory_budget::hold(coded, Reservation::forced(cost, owner));
        self.events.push_back(KeptEvent { chunk: Arc::new(Chunk::held(&bytes, hold)), kept_since: now });
        self.last = id;
        let more = self.events.len().saturating_sub(events.map_or(1, usize::from));
        self.events.drain(..more);
    }

    fn drop_old(&mut self, now: Instant) {
        let age = self.age;
        while self.events.pop_front_if(|event| now.saturating_duration_since(event.kept_since) >= age).is_some() {}
    }

    /// The offset of the event before the first that is kept.
    fn begin(&self) -> u64 {
        self.last.offset - self.events.len() as u64
    }

    /// Whether it has every event after this one.
    fn has_all_after(&self, id: EventId) -> bool {
        id.epoch == self.last.epoch && (self.begin()..=self.last.offset).contains(&id.offset)
    }
}

impl LogReader {
    /// The next event, or the `reset` in the place of events that are no longer kept.
    pub(super) fn next(&mut self) -> Option<Arc<Chunk>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if !self.may_have_more || self.end.is_some_and(|end| self.place.offset >= end) {
            return None;
        }
        let state = &*self.log.lock();
        if !state.has_all_after(self.place) {
            self.place = state.last;
            return Some(Arc::new(Chunk::new(&state.last.reset())));
        }
        let ahead = usize::try_from(self.place.offset - state.begin()).ok();
        let next = ahead.and_then(|ahead| state.events.get(ahead)).map(|event| event.chunk.clone());
        match next {
            Some(_) => self.place.offset += 1,
            None => self.may_have_more = false,
        }
        next
    }

    /// Looks again for events: there may be more.
    pub(super) fn look_again(&mut self) {
        self.may_have_more = true;
    }

    /// Reads nothing that is appended from now on.
    pub(super) fn stop(&mut self) {
        if self.end.is_none() {
            self.end = Some(self.log.lock().last.offset);
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        let state = &mut *self.log.lock();
        state.subscribers.remove(&self.key);
        state.used_at = Instant::now();
    }
}
