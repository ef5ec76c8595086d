//! The queue of one subscriber: chunks by reference, bounded, with whom to wake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::LEAST_CHUNK_COST;
use crate::http::chunk::Chunk;

/// What may queue for a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most bytes that queue, each chunk counting for at least [`LEAST_CHUNK_COST`].
    pub bytes: usize,
    /// What happens past them.
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
pub enum Next {
    /// A chunk.
    Chunk(Arc<Chunk>),
    /// No more chunks will come.
    End(End),
}

/// Why no more chunks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
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
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Without memory while it is empty.
    queue: VecDeque<Arc<Chunk>>,
    bytes: usize,
    end: Option<End>,
    waker: Option<(Wants, Waker)>,
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
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    /// Queues a chunk, or does what is to be done with one too many.
    pub(super) fn deliver(&self, chunk: &Arc<Chunk>) -> Delivery {
        let state = &mut *self.lock();
        if state.end.is_some() {
            return Delivery::Ended;
        }
        let (cost, most) = (cost(chunk), self.bounds.bytes);
        let mut dropped = 0;
        if state.bytes + cost > most {
            match self.bounds.overflow {
                Overflow::Disconnect => {
                    state.stop(End::Lagging);
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
        state.queue.push_back(chunk.clone());
        state.bytes += cost;
        state.wake(Wants::Next);
        Delivery::Queued { dropped }
    }

    /// Ends the queue after what is in it. False where it had ended.
    pub(super) fn finish(&self) -> bool {
        let state = &mut *self.lock();
        let goes_on = state.end.is_none();
        if goes_on {
            state.end = Some(End::Finished);
            state.wake(Wants::Next);
        }
        goes_on
    }

    /// The next chunk, or the end. Whoever polls is woken when there is more.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let state = &mut *self.lock();
        if let Some(chunk) = state.pop() {
            return Poll::Ready(Next::Chunk(chunk));
        }
        if state.queue.capacity() > 0 {
            state.queue = VecDeque::new();
        }
        if let Some(end) = state.end {
            return Poll::Ready(Next::End(end));
        }
        state.wait(Wants::Next, cx);
        Poll::Pending
    }

    /// Ready once the subscriber was found to be too slow.
    pub(super) fn poll_lagging(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        if state.end == Some(End::Lagging) {
            return Poll::Ready(());
        }
        state.wait(Wants::Lag, cx);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Arc<Chunk>> {
        let chunk = self.queue.pop_front()?;
        self.bytes -= cost(&chunk);
        Some(chunk)
    }

    fn stop(&mut self, end: End) {
        self.queue = VecDeque::new();
        self.bytes = 0;
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
    chunk.len().max(LEAST_CHUNK_COST)
}
