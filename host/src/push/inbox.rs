//! The bounded queue of one subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::MIN_CHUNK_COST;
use super::tenant::TopicUser;
use crate::http1::chunk::Chunk;
use crate::memory_budget::MIN_COUNTED;

/// The largest chunk that a subscriber gets while memory is short.
const LARGEST_SHORT: usize = MIN_COUNTED;

/// Bounds of a subscriber's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// Maximum bytes in the queue; each chunk counts at least [`MIN_CHUNK_COST`].
    pub bytes: usize,
    /// What happens past the bound if a route of the subscriber's own directory published. Chunks from other
    /// directories may take half of the bytes, are dropped first, and never disconnect the subscriber.
    pub overflow: Overflow,
}

/// What happens to a subscriber that reads more slowly than chunks are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The subscriber is disconnected.
    Disconnect,
    /// The oldest queued chunks are dropped as a whole. A new chunk that exceeds the bound by itself is dropped too.
    DropOldest,
}

/// An item that a subscriber takes from its queue.
#[derive(Debug)]
pub enum InboxItem {
    /// A chunk.
    Chunk(Arc<Chunk>),
    /// No more chunks follow.
    End(InboxEnd),
}

/// Why no more chunks follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxEnd {
    /// A topic was finished.
    Finished,
    /// The queue overflowed. Its chunks were dropped.
    Lagging,
}

/// What happened to a chunk at one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It was queued, and this many others were dropped for it.
    Queued { dropped: u64 },
    /// It did not fit.
    Dropped,
    /// The queue has ended.
    Ended,
}

/// The queue between publishers on any core and one connection.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The route of the connection.
    tenant: Arc<TopicUser>,
    bounds: QueueBounds,
    state: Mutex<InboxState>,
}

#[derive(Debug, Default)]
struct InboxState {
    /// It has no allocation while it is empty.
    queue: VecDeque<QueuedChunk>,
    bytes: usize,
    /// The bytes of chunks from other directories.
    foreign_bytes: usize,
    end: Option<InboxEnd>,
    /// Whether the subscriber's history has got events since it was last polled.
    log_changed: bool,
    waker: Option<(Wants, Waker)>,
}

/// A chunk in the queue.
#[derive(Debug)]
struct QueuedChunk {
    chunk: Arc<Chunk>,
    /// Whether a route of another directory published it.
    is_foreign: bool,
}

/// What a subscriber waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// The next chunk, or the end.
    Next,
    /// Only an overflow, because it is still sending other chunks.
    Lag,
}

impl Inbox {
    pub(super) fn new(tenant: Arc<TopicUser>, bounds: QueueBounds) -> Self {
        Self { tenant, bounds, state: Mutex::default() }
    }

    /// Queues a chunk of `publisher`, or applies the overflow policy. While memory `is_short`, that also applies to each
    /// chunk that is large or behind another.
    pub(super) fn deliver(&self, chunk: &Arc<Chunk>, publisher: &TopicUser, is_short: bool) -> Delivery {
        let state = &mut *self.lock();
        if state.end.is_some() {
            return Delivery::Ended;
        }
        let (cost, max) = (cost(chunk), self.bounds.bytes);
        let overflows = |bytes: usize| bytes + cost > max || (is_short && (bytes > 0 || cost > LARGEST_SHORT));
        let is_foreign = !self.tenant.has_same_directory(publisher);
        if is_foreign && (state.foreign_bytes + cost > max / 2 || overflows(state.bytes)) {
            return Delivery::Dropped;
        }
        let mut dropped = 0;
        while overflows(state.bytes) && state.drop_oldest_foreign() {
            dropped += 1;
        }
        if overflows(state.bytes) {
            match self.bounds.overflow {
                Overflow::Disconnect => {
                    state.stop(InboxEnd::Lagging);
                    return Delivery::Ended;
                }
                Overflow::DropOldest if overflows(0) => return Delivery::Dropped,
                Overflow::DropOldest => {
                    while overflows(state.bytes) && state.pop().is_some() {
                        dropped += 1;
                    }
                }
            }
        }
        state.push(chunk.clone(), is_foreign);
        state.wake(Wants::Next);
        Delivery::Queued { dropped }
    }

    /// Ends the queue after its chunks. Returns false if it had already ended.
    pub(super) fn finish(&self) -> bool {
        let state = &mut *self.lock();
        let was_open = state.end.is_none();
        if was_open {
            state.end = Some(InboxEnd::Finished);
            state.wake(Wants::Next);
        }
        was_open
    }

    /// Wakes the subscriber, because its history has got an event. Does nothing once the queue has ended.
    pub(super) fn note_log(&self) {
        let state = &mut *self.lock();
        if state.end.is_none() {
            state.log_changed = true;
            state.wake(Wants::Next);
        }
    }

    /// Takes the next chunk, without waiting for one, and says whether the queue has ended. An overflow has no chunks.
    pub(super) fn take(&self) -> (Option<Arc<Chunk>>, Option<InboxEnd>) {
        let state = &mut *self.lock();
        (state.pop(), state.end)
    }

    /// Ends the queue after its chunks if the subscriber's route wants that when chunks of other hosts may have been lost.
    pub(super) fn end_after_gap(&self) {
        if self.tenant.ends_on_gap() {
            self.finish();
        }
    }

    /// Polls the next chunk or the end. `None` if the subscriber's history has got events.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<InboxItem>> {
        let state = &mut *self.lock();
        if let Some(chunk) = state.pop() {
            return Poll::Ready(Some(InboxItem::Chunk(chunk)));
        }
        if std::mem::take(&mut state.log_changed) {
            return Poll::Ready(None);
        }
        if state.queue.capacity() > 0 {
            state.queue = VecDeque::new();
        }
        if let Some(end) = state.end {
            return Poll::Ready(Some(InboxItem::End(end)));
        }
        state.wait(Wants::Next, cx);
        Poll::Pending
    }

    /// Completes when the queue has overflowed.
    pub(super) fn poll_lagging(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        if state.end == Some(InboxEnd::Lagging) {
            return Poll::Ready(());
        }
        state.wait(Wants::Lag, cx);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        // No change below is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InboxState {
    fn push(&mut self, chunk: Arc<Chunk>, is_foreign: bool) {
        self.count(&chunk, is_foreign, usize::wrapping_add);
        self.queue.push_back(QueuedChunk { chunk, is_foreign });
    }

    fn pop(&mut self) -> Option<Arc<Chunk>> {
        let QueuedChunk { chunk, is_foreign } = self.queue.pop_front()?;
        self.count(&chunk, is_foreign, usize::wrapping_sub);
        Some(chunk)
    }

    /// Drops the oldest chunk from another directory. Returns false if there is none.
    fn drop_oldest_foreign(&mut self) -> bool {
        if self.foreign_bytes == 0 {
            return false;
        }
        let at = self.queue.iter().position(|queued| queued.is_foreign);
        let Some(QueuedChunk { chunk, is_foreign }) = at.and_then(|at| self.queue.remove(at)) else { return false };
        self.count(&chunk, is_foreign, usize::wrapping_sub);
        true
    }

    /// Adds or subtracts the bytes of a chunk.
    fn count(&mut self, chunk: &Chunk, is_foreign: bool, change: fn(usize, usize) -> usize) {
        self.bytes = change(self.bytes, cost(chunk));
        if is_foreign {
            self.foreign_bytes = change(self.foreign_bytes, cost(chunk));
        }
    }

    fn stop(&mut self, end: InboxEnd) {
        self.queue = VecDeque::new();
        (self.bytes, self.foreign_bytes) = (0, 0);
        self.end = Some(end);
        self.wake(Wants::Lag);
    }

    fn wait(&mut self, wants: Wants, cx: &Context<'_>) {
        match &mut self.waker {
            Some((wanted, waker)) => {
                *wanted = wants;
                waker.clone_from(cx.waker());
            }
            None => self.waker = Some((wants, cx.waker().clone())),
        }
    }

    /// Wakes the subscriber if it waits for this, or if the queue has overflowed.
    fn wake(&mut self, happened: Wants) {
        let waits = |(wanted, _): &mut (Wants, Waker)| *wanted == Wants::Next || happened == Wants::Lag;
        if let Some((_, waker)) = self.waker.take_if(waits) {
            waker.wake();
        }
    }
}

fn cost(chunk: &Chunk) -> usize {
    chunk.len().max(MIN_CHUNK_COST)
}
