//! The waits of a handler: their wakers, and whether the handler's clock runs during them.
//!
//! A wait is registered from its first poll until its future ends or is dropped. There may be several at once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::{Body, Exchange, Inner};

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// Room for a write: the client has to accept earlier output.
    Writable,
    /// A piece of the body, which the client has to send.
    Body,
    /// Middleware, which has to see the head.
    Head,
    /// Something that only the handler can do, so the wait does not end by itself.
    Itself,
    /// Another server.
    Upstream,
    /// Anything other than these, such as a timer.
    Elsewhere,
}

/// The waits that have not ended.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Most handlers wait for one thing at a time.
    pending: SmallVec<[PendingWait; 1]>,
    next_key: u64,
}

/// A wait that has not ended.
#[derive(Debug)]
struct PendingWait {
    key: u64,
    reason: WaitReason,
    /// The waker of the wait. It is `None` from the wake until the next poll.
    waker: Option<Waker>,
}

/// The wakers of waits that have ended. Wake them without holding the lock.
pub(super) type Wakers = SmallVec<[Waker; 1]>;

impl Waits {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn count(&self, reason: WaitReason) -> usize {
        self.pending.iter().filter(|wait| wait.reason == reason).count()
    }

    fn any(&self, reason: WaitReason) -> bool {
        self.pending.iter().any(|wait| wait.reason == reason)
    }

    /// Whether there are waits for the client and none for another server or [`Elsewhere`](WaitReason::Elsewhere). Waits for the chain do not
    /// count: the chain may itself wait for the client. Nor does one that was woken: it has ended, even if the handler does
    /// not look at it, as with a read that it has cancelled.
    pub(super) fn are_for_client(&self) -> bool {
        let is_of_client = |wait: &PendingWait| match wait.reason {
            WaitReason::Writable | WaitReason::Body => wait.waker.is_some(),
            WaitReason::Head | WaitReason::Itself | WaitReason::Upstream | WaitReason::Elsewhere => false,
        };
        self.pending.iter().any(is_of_client) && !self.any(WaitReason::Elsewhere) && !self.any(WaitReason::Upstream)
    }

    /// Registers a wait, or replaces its waker. Returns the old waker, which the caller drops without holding the lock.
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

    /// Takes the wakers of the waits for which `is_over` returns true.
    pub(super) fn take_wakers(&mut self, is_over: impl Fn(WaitReason) -> bool) -> Wakers {
        let over = self.pending.iter_mut().filter(|wait| is_over(wait.reason));
        over.filter_map(|wait| wait.waker.take()).collect()
    }
}

impl Inner {
    /// Removes a wait that has ended or was dropped.
    fn end_wait(&mut self, key: u64) -> Option<PendingWait> {
        let ended = self.waits.remove(key)?;
        // If no wait is left for the body, the next piece is no longer requested.
        if matches!(self.body, Body::Wanted(_)) && !self.waits.any(WaitReason::Body) {
            self.body = Body::Idle;
        }
        if !self.waits.are_for_client() {
            self.run_clock();
        }
        Some(ended)
    }
}

/// A wait. It ends when this value is dropped.
struct Wait<'e> {
    exchange: &'e Exchange,
    reason: WaitReason,
    /// The key of the wait in [`Waits`], once it is registered.
    key: Option<u64>,
}

impl Wait<'_> {
    fn poll<R>(&mut self, cx: &mut Context<'_>, ready: &mut impl FnMut(&mut Inner) -> Option<R>) -> Poll<R> {
        let mut inner = self.exchange.lock();
        if let Some(value) = ready(&mut inner) {
            return Poll::Ready(value);
        }
        let replaced = inner.waits.register(&mut self.key, self.reason, Some(cx.waker()));
        // The old waker is dropped without the lock, as in `drop` below.
        drop(inner);
        drop(replaced);
        self.exchange.task.note_wait();
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // The waker is dropped without the lock, because its drop may run code that takes the lock.
            let ended = self.exchange.lock().end_wait(key);
            drop(ended);
        }
    }
}

impl Exchange {
    /// Waits until `ready` returns a value.
    pub(super) async fn wait<R>(&self, reason: WaitReason, mut ready: impl FnMut(&mut Inner) -> Option<R>) -> R {
        let mut wait = Wait { exchange: self, reason, key: None };
        poll_fn(|cx| wait.poll(cx, &mut ready)).await
    }

    /// Waits for `other`, which is not the client. The handler's clock runs during the wait, even if the handler waits
    /// for its client too. Every wait of a handler that is not for its client has to go through this function.
    pub async fn wait_elsewhere<F: Future>(&self, other: F) -> F::Output {
        self.wait_for_other(WaitReason::Elsewhere, other).await
    }

    /// Waits for another server, as [`Self::wait_elsewhere`]. Until then [`Self::waits_for_upstream`].
    pub async fn wait_for_upstream<F: Future>(&self, other: F) -> F::Output {
        self.wait_for_other(WaitReason::Upstream, other).await
    }

    /// Whether the handler waits for another server.
    #[must_use]
    pub fn waits_for_upstream(&self) -> bool {
        self.lock().waits.any(WaitReason::Upstream)
    }

    async fn wait_for_other<F: Future>(&self, reason: WaitReason, other: F) -> F::Output {
        let mut wait = Wait { exchange: self, reason, key: None };
        let _ = self.lock().waits.register(&mut wait.key, wait.reason, None);
        self.task.note_wait();
        other.await
    }

    /// Waits for the handler itself, which has to change something first. This never ends: it is for one of several waits.
    pub async fn wait_for_itself(&self) {
        self.wait(WaitReason::Itself, |_| None::<()>).await;
    }

    /// Whether the handler waits for something that this exchange knows of.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.lock().waits.is_empty()
    }

    /// Waits for `any`, which waits for `count` things at once and ends with the first. If one of them is not the client,
    /// the handler's clock runs.
    ///
    /// # Errors
    /// All of them are waits for the handler itself.
    pub async fn wait_for_any<F: Future>(&self, count: usize, any: F) -> Result<F::Output, NeverReady> {
        let mut any = pin!(any);
        let mut elsewhere = Wait { exchange: self, reason: WaitReason::Elsewhere, key: None };
        poll_fn(|cx| match any.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => {
                let mut inner = self.lock();
                let of_itself = inner.waits.count(WaitReason::Itself);
                let of_client = inner.waits.count(WaitReason::Writable) + inner.waits.count(WaitReason::Body);
                let of_chain = inner.waits.count(WaitReason::Head);
                if of_itself == count {
                    return Poll::Ready(Err(NeverReady));
                }
                if of_itself + of_client + of_chain < count && elsewhere.key.is_none() {
                    let _ = inner.waits.register(&mut elsewhere.key, elsewhere.reason, None);
                    drop(inner);
                    self.task.note_wait();
                }
                Poll::Pending
            }
        })
        .await
    }
}

/// What is waited for happens only once the handler goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeverReady;
