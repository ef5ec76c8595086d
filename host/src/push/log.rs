//! The history of one topic: its last events in one order, and the subscribers that read them.
//!
//! An event is kept once. Each subscriber has a place in the history and reads on from there, so a slow one costs nothing and
//! holds up nobody. A subscriber whose next event is no longer kept reads a `reset` in its place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::history::{EventId, History, SharedEvent};
use super::inbox::Inbox;
use super::tenant::{Counted, TopicUser};
use super::{MIN_CHUNK_COST, PushError};
use crate::http1::chunk::Chunk;
use crate::memory_budget::{self, Reservation};

/// What identifies a subscriber: its worker, and its number there.
pub(super) type SubscriberKey = (usize, u64);

/// The history of a topic. It exists while it has subscribers, and for a time after them and after the last event.
#[derive(Debug)]
pub struct TopicLog {
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
    /// The id of the event that was read last. `None` until it is known where it begins.
    place: Option<EventId>,
    /// What is read before the next event.
    first: Option<Arc<Chunk>>,
    /// Whether there may be more to read.
    may_have_more: bool,
    /// The offset after which nothing more is read.
    end: Option<u64>,
}

/// What became of an event that comes from the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is the next one, and is kept.
    Kept,
    /// It is kept already, or was.
    Known,
    /// Events before it are missing here.
    Gap,
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
        let event = SharedEvent { id, history: publisher.history(), kept_since: now, bytes: event };
        state.keep(&event, publisher);
        state.wake();
        others(&|key| state.subscribers.contains_key(&key));
        Ok((id, state.subscribers.len()))
    }

    /// Takes an event that the engine has, if it is the next one: as [`Self::append`].
    pub(super) fn apply(
        &self,
        event: &SharedEvent<'_>,
        publisher: &TopicUser,
        others: impl FnOnce(&dyn Fn(SubscriberKey) -> bool),
    ) -> Applied {
        let state = &mut *self.lock();
        if event.id.epoch == state.last.epoch && event.id.offset <= state.last.offset {
            return Applied::Known;
        }
        if event.id.epoch != state.last.epoch || event.id.offset - 1 != state.last.offset {
            return Applied::Gap;
        }
        if event.is_valid() {
            state.keep(event, publisher);
            others(&|key| state.subscribers.contains_key(&key));
        } else {
            // It was an event for somebody, so it is one that is lost.
            state.restart(event.id);
        }
        state.wake();
        Applied::Kept
    }

    /// Begins behind this event, unless the copy goes on there: its subscribers are reset if it does not.
    pub(crate) fn continue_behind(&self, id: EventId) {
        let state = &mut *self.lock();
        if state.last.epoch != id.epoch || state.last.offset < id.offset {
            state.restart(id);
            state.wake();
        }
    }

    /// Begins anew behind this event.
    pub(crate) fn restart(&self, id: EventId) {
        let state = &mut *self.lock();
        state.restart(id);
        state.wake();
    }

    /// The id of the last event.
    pub(crate) fn last(&self) -> EventId {
        self.lock().last
    }

    /// Calls with a test of which subscribers are its own.
    pub(super) fn with_readers(&self, call: impl FnOnce(&dyn Fn(SubscriberKey) -> bool)) {
        let state = &*self.lock();
        call(&|key| state.subscribers.contains_key(&key));
    }

    /// Notes that it is in use.
    pub(super) fn touch(&self, now: Instant) -> Result<(), Forgotten> {
        self.live()?.used_at = now;
        Ok(())
    }

    /// A subscriber, which reads nothing until it has a place.
    pub(super) fn subscribe(self: &Arc<Self>, key: SubscriberKey, inbox: &Arc<Inbox>) -> Result<LogReader, Forgotten> {
        self.live()?.subscribers.insert(key, inbox.clone());
        Ok(LogReader { log: self.clone(), key, place: None, first: None, may_have_more: true, end: None })
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
    fn keep(&mut self, event: &SharedEvent<'_>, publisher: &TopicUser) {
        let SharedEvent { id, history: History { events, age }, kept_since, bytes } = *event;
        (self.age, self.used_at) = (age, self.used_at.max(kept_since));
        self.drop_old(kept_since);
        let bytes = id.before(bytes);
        // It may be kept in two encodings.
        let (cost, owner) = (2 * bytes.len().max(MIN_CHUNK_COST), publisher.memory_owner());
        if memory_budget::check(cost, owner).is_err() {
            self.events.clear();
        }
        let hold = |coded| memory_budget::hold(coded, Reservation::forced(cost, owner));
        self.events.push_back(KeptEvent { chunk: Arc::new(Chunk::held(&bytes, hold)), kept_since });
        self.last = id;
        let more = self.events.len().saturating_sub(events.map_or(1, usize::from));
        self.events.drain(..more);
    }

    /// Keeps nothing, and begins behind this event.
    fn restart(&mut self, id: EventId) {
        self.events.clear();
        self.last = id;
    }

    fn wake(&self) {
        self.subscribers.values().for_each(|inbox| inbox.note_log());
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
    /// Begins: everything behind the event with the id `after` is read first, or, without an id, what comes from now on. Returns
    /// whether nothing is missing in between.
    pub(super) fn begin(&mut self, after: Option<&str>, now: Instant) -> bool {
        let state = &mut *self.log.lock();
        state.drop_old(now);
        let last = state.last;
        let (place, first, is_whole) = match after {
            None => (last, Some(last.alone()), true),
            Some(text) => match EventId::parse(text).filter(|id| state.has_all_after(*id)) {
                Some(id) => (id, None, true),
                None => (last, Some(last.reset()), false),
            },
        };
        (self.place, self.first) = (Some(place), first.map(|bytes| Arc::new(Chunk::new(&bytes))));
        is_whole
    }

    /// The next event, or the `reset` in the place of events that are no longer kept.
    pub(super) fn next(&mut self) -> Option<Arc<Chunk>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let place = self.place.as_mut().filter(|_| self.may_have_more)?;
        if self.end.is_some_and(|end| place.offset >= end) {
            return None;
        }
        let state = &*self.log.lock();
        if !state.has_all_after(*place) {
            *place = state.last;
            return Some(Arc::new(Chunk::new(&state.last.reset())));
        }
        let ahead = usize::try_from(place.offset - state.begin()).ok();
        let next = ahead.and_then(|ahead| state.events.get(ahead)).map(|event| event.chunk.clone());
        match next {
            Some(_) => place.offset += 1,
            None => self.may_have_more = false,
        }
        next
    }

    /// The history.
    pub(super) fn log(&self) -> &Arc<TopicLog> {
        &self.log
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
