//! What a handler waits for: its wakers, and whether its clock runs meanwhile.
//!
//! A wait is registered when it is first polled, and until its future ends or is dropped. Several may go on at once.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::{Body, Exchange, Inner};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// The client takes what was written.
    Writable,
    /// The client sends a piece of the body.
    Body,
    /// Middleware has seen the head.
    Head,
    /// Anything but the client and the chain, such as a timer or an upstream.
    Elsewhere,
}

/// The waits that go on.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Most handlers wait for one thing at a time.
    pending: SmallVec<[PendingWait; 1]>,
    next_key: u64,
}

/// A wait that goes on.
#[derive(Debug)]
struct PendingWait {
    key: u64,
    reason: WaitReason,
    /// Whom to wake; none once it was woken, until it is polled again.
    waker: Option<Waker>,
}

/// Wakers of waits that have come to their end. To be woken without the lock.
pub(super) type Wakers = SmallVec<[Waker; 1]>;

impl Waits {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn any(&self, reason: WaitReason) -> bool {
        self.pending.iter().any(|wait| wait.reason == reason)
    }

    /// Whether there are waits for the client, and none for anything else. A wait for the chain is neither: the chain may
    /// wait for the client itself.
    pub(super) fn are_for_client(&self) -> bool {
        (self.any(WaitReason::Writable) || self.any(WaitReason::Body)) && !self.any(WaitReason::Elsewhere)
    }

    /// Registers a wait, or renews its waker. Returns the waker that was replaced, to be dropped without the lock.
    fn register(&mut self, key: &mut Option<u64>, reason: WaitReason, waker: Option<&Waker>) -> Option<Waker> {
        let known = key.and_then(|key| self.pending.iter_mut().find(|wait| wait.key == key));
        match (known, waker) {
            (Some(wait), Some(waker)) if wait.waker.as_ref().is_some_and(|known| known.will_wake(waker)) => None,
            (Some(wait), waker) => std::mem::replace(&mut wait.waker, waker.cloned()),
            (None, waker) => {
                self.pending.push(PendingWait { key: self.next_key, reason, waker: waker.cloned() });
                *key = Some(self.next_key);
                self.next_key += 1;
                None
            }
        }
    }

    fn remove(&mut self, key: u64) -> Option<PendingWait> {
        let at = self.pending.iter().position(|wait| wait.key == key)?;
        Some(self.pending.swap_remove(at))
    }

    /// Takes the wakers of the waits that are over, as `is_over` says.
    pub(super) fn take_wakers(&mut self, is_over: impl Fn(WaitReason) -> bool) -> Wakers {
        let over = self.pending.iter_mut().filter(|wait| is_over(wait.reason));
        over.filter_map(|wait| wait.waker.take()).collect()
    }
}

impl Inner {
    /// A wait has ended, or was dropped.
    fn end_wait(&mut self, key: u64) -> Option<PendingWait> {
        let ended = self.waits.remove(key)?;
        // A body that nobody waits for any more is not asked for.
        if matches!(self.body, Body::Wanted(_)) && !self.waits.any(WaitReason::Body) {
            self.body = Body::Idle;
        }
        if !self.waits.are_for_client() {
            self.run_clock();
        }
        Some(ended)
    }
}

/// A wait, which ends when this is dropped.
struct Wait<'e> {
    exchange: &'e Exchange,
    reason: WaitReason,
    /// Its place among those that go on, once it is registered.
    key: Option<u64>,
}

impl Wait<'_> {
    fn poll<R>(&mut self, cx: &mut Context<'_>, ready: &mut impl FnMut(&mut Inner) -> Option<R>) -> Poll<R> {
        let mut inner = self.exchange.lock();
        if let Some(value) = ready(&mut inner) {
            return Poll::Ready(value);
        }
        let replaced = inner.waits.register(&mut self.key, self.reason, Some(cx.waker()));
        // Dropped without the lock, as in `drop` below.
        drop(inner);
        drop(replaced);
        self.exchange.task.note_wait();
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // Its waker is dropped without the lock, since that may drop what takes it.
            let ended = self.exchange.lock().end_wait(key);
            drop(ended);
        }
    }
}

impl Exchange {
    /// Waits until `ready` gives a value.
    pub(super) async fn wait<R>(&self, reason: WaitReason, mut ready: impl FnMut(&mut Inner) -> Option<R>) -> R {
        let mut wait = Wait { exchange: self, reason, key: None };
        poll_fn(|cx| wait.poll(cx, &mut ready)).await
    }

    /// Waits for `other`, which is not the client: the handler's clock runs meanwhile, whatever it waits for besides. All
    /// that a handler may wait for beside its client has to go through this.
    pub async fn wait_elsewhere<F: Future>(&self, other: F) -> F::Output {
        let mut wait = Wait { exchange: self, reason: WaitReason::Elsewhere, key: None };
        let _ = self.lock().waits.register(&mut wait.key, wait.reason, None);
        self.task.note_wait();
        other.await
    }
}
