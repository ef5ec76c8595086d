//! The queue of one subscriber: chunks by reference, bounded, with whom to wake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::MIN_CHUNK_COST;
use super::tenant::TopicUser;
use crate::http1::chunk::Chunk;

/// What may queue for a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// The most bytes that queue, each chunk counting for at least [`MIN_CHUNK_COST`].
    pub bytes: usize,
    /// What happens past them, where routes of the subscriber's own directory publish. What others publish may take half
    /// of the bytes, gives way, and is dropped past that: they disconnect nobody.
    pub overflow: Overflow,
}

/// What happens to a subscriber that does not take its chunks as fast as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is disconnected.
    Disconnect,
    /// The oldest chunks that have queued are dropped, whole; and the new one, where it does not fit alone.
    DropOldest,
}

/// What a subscriber takes from its queue.
#[derive(Debug)]
pub enum InboxItem {
    /// A chunk.
    Chunk(Arc<Chunk>),
    /// No more chunks will come.
    End(InboxEnd),
}

/// Why no more chunks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxEnd {
    /// A topic was finished.
    Finished,
    /// Too much had queued: what was left is dropped.
    Lagging,
}

/// What became of a chunk at one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It has queued, in the place of as many others.
    Queued { dropped: u64 },
    /// It does not fit.
    Dropped,
    /// The subscriber takes no more.
    Ended,
}

/// A queue between those who publish, on any core, and one connection.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The route whose connection it is.
    tenant: Arc<TopicUser>,
    bounds: QueueBounds,
    state: Mutex<InboxState>,
}

#[derive(Debug, Default)]
struct InboxState {
    /// Without memory while it is empty.
    queue: VecDeque<QueuedChunk>,
    bytes: usize,
    /// How many of them are of others.
    bytes_of_others: usize,
    end: Option<InboxEnd>,
    waker: Option<(Wants, Waker)>,
}

/// A chunk that waits.
#[derive(Debug)]
struct QueuedChunk {
    chunk: Arc<Chunk>,
    /// Whether a route of another directory has published it.
    is_of_others: bool,
}

/// What a subscriber waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A chunk, or the end.
    Next,
    /// Only to be told that it is too slow: it is busy with what it has.
    Lag,
}

impl Inbox {
    pub(super) fn new(tenant: Arc<TopicUser>, bounds: QueueBounds) -> Self {
        Self { tenant, bounds, state: Mutex::default() }
    }

    /// Queues a chunk that `publisher` has published, or does what is to be done with one too many.
    pub(super) fn deliver(&self, chunk: &Arc<Chunk>, publisher: &TopicUser) -> Delivery {
        let state = &mut *self.lock();
        if state.end.is_some() {
            return Delivery::Ended;
        }
        let (cost, most) = (cost(chunk), self.bounds.bytes);
        let is_of_others = !self.tenant.is_at_home_with(publisher);
        if is_of_others && (state.bytes_of_others + cost > most / 2 || state.bytes + cost > most) {
            return Delivery::Dropped;
        }
        let mut dropped = 0;
        while state.bytes + cost > most && state.drop_of_others() {
            dropped += 1;
        }
        if state.bytes + cost > most {
            match self.bounds.overflow {
                Overflow::Disconnect => {
                    state.stop(InboxEnd::Lagging);
                    return Delivery::Ended;
                }
                Overflow::DropOldest if cost > most => return Delivery::Dropped,
                Overflow::DropOldest => {
                    while state.bytes + cost > most && state.pop().is_some() {
                        dropped += 1;
                    }
                }
            }
        }
        state.push(chunk.clone(), is_of_others);
        state.wake(Wants::Next);
        Delivery::Queued { dropped }
    }

    /// Ends the queue after what is in it. False where it had ended.
    pub(super) fn finish(&self) -> bool {
        let state = &mut *self.lock();
        let goes_on = state.end.is_none();
        if goes_on {
            state.end = Some(InboxEnd::Finished);
            state.wake(Wants::Next);
        }
        goes_on
    }

    /// The next chunk, or the end. Whoever polls is woken when there is more.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<InboxItem> {
        let state = &mut *self.lock();
        if let Some(chunk) = state.pop() {
            return Poll::Ready(InboxItem::Chunk(chunk));
        }
        if state.queue.capacity() > 0 {
            state.queue = VecDeque::new();
        }
        if let Some(end) = state.end {
            return Poll::Ready(InboxItem::End(end));
        }
        state.wait(Wants::Next, cx);
        Poll::Pending
    }

    /// Ready once the subscriber was found to be too slow.
    pub(super) fn poll_lagging(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        if state.end == Some(InboxEnd::Lagging) {
            return Poll::Ready(());
        }
        state.wait(Wants::Lag, cx);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        // Every change below is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InboxState {
    fn push(&mut self, chunk: Arc<Chunk>, is_of_others: bool) {
        self.count(&chunk, is_of_others, usize::wrapping_add);
        self.queue.push_back(QueuedChunk { chunk, is_of_others });
    }

    fn pop(&mut self) -> Option<Arc<Chunk>> {
        let QueuedChunk { chunk, is_of_others } = self.queue.pop_front()?;
        self.count(&chunk, is_of_others, usize::wrapping_sub);
        Some(chunk)
    }

    /// Drops the oldest chunk that others have published; false where there is none.
    fn drop_of_others(&mut self) -> bool {
        if self.bytes_of_others == 0 {
            return false;
        }
        let at = self.queue.iter().position(|queued| queued.is_of_others);
        let Some(QueuedChunk { chunk, is_of_others }) = at.and_then(|at| self.queue.remove(at)) else { return false };
        self.count(&chunk, is_of_others, usize::wrapping_sub);
        true
    }

    /// Counts the bytes of a chunk that comes or goes.
    fn count(&mut self, chunk: &Chunk, is_of_others: bool, change: fn(usize, usize) -> usize) {
        self.bytes = change(self.bytes, cost(chunk));
        if is_of_others {
            self.bytes_of_others = change(self.bytes_of_others, cost(chunk));
        }
    }

    fn stop(&mut self, end: InboxEnd) {
        self.queue = VecDeque::new();
        (self.bytes, self.bytes_of_others) = (0, 0);
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

    /// Wakes a subscriber that waits for this, or is too slow.
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
