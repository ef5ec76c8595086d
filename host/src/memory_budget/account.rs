//! The counters: the bytes that all workers have reserved, and the bytes that each worker has reserved ahead.

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The most that a worker reserves ahead at once.
const MAX_PIECE: usize = 4 * 1024 * 1024;

/// The bytes that everything may use together, and what is reserved of them.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: usize,
    /// The bytes that a worker reserves ahead.
    piece: usize,
    /// The bytes that all workers have reserved.
    reserved: PaddedCounter,
    /// How many invocations wait for memory.
    waiting: PaddedCounter,
    /// The unused bytes that each worker has reserved ahead. Only that worker's thread changes its number.
    ahead: Box<[PaddedCounter]>,
    /// Notifies all workers that little is left.
    shortage: Notify,
}

/// Counts one invocation that waits for memory, until it is dropped.
pub(super) struct MemoryWaiter<'b>(&'b MemoryBudget);

/// A number in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct PaddedCounter(AtomicUsize);

/// The account of one worker.
#[derive(Debug)]
pub(super) struct WorkerAccount {
    budget: Arc<MemoryBudget>,
    worker: usize,
}

thread_local! {
    /// The account of this thread, if it serves.
    static ACCOUNT: OnceCell<Arc<WorkerAccount>> = const { OnceCell::new() };
}

impl MemoryBudget {
    /// A budget of `limit` bytes. Together the `workers` reserve at most an eighth of it ahead.
    #[must_use]
    pub fn new(limit: usize, workers: NonZeroUsize) -> Self {
        Self {
            limit,
            piece: (limit / 16 / workers).min(MAX_PIECE),
            reserved: PaddedCounter::default(),
            waiting: PaddedCounter::default(),
            ahead: (0..workers.get()).map(|_| PaddedCounter::default()).collect(),
            shortage: Notify::new(),
        }
    }

    /// Makes this thread, which is that of `worker`, count for the budget from now on.
    pub fn serve(self: &Arc<Self>, worker: usize) {
        ACCOUNT.with(|account| {
            let _ = account.set(Arc::new(WorkerAccount { budget: self.clone(), worker }));
        });
    }

    /// The bytes in use now; approximate while requests run.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let ahead: usize = self.ahead.iter().map(PaddedCounter::get).sum();
        self.reserved.get().saturating_sub(ahead)
    }

    /// Never ready. Each time little memory is left, runs `drop_unused` and gives back what this worker has ahead.
    pub async fn relieve(&self, drop_unused: impl Fn()) {
        loop {
            self.shortage.notified().await;
            drop_unused();
            with_account((), |account| account.release_ahead());
        }
    }

    /// The reserved bytes, including what workers have ahead.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.reserved.get()
    }

    /// Makes all workers drop unused memory.
    pub(super) fn tell_shortage(&self) {
        self.shortage.notify_waiters();
    }

    /// Whether little is left, or an invocation waits for memory.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.get() > 0 || self.reserved.get() > self.plenty()
    }

    /// Counts a waiting invocation until the result is dropped, and notifies all workers.
    pub(super) fn wait(&self) -> MemoryWaiter<'_> {
        self.waiting.0.fetch_add(1, Ordering::Relaxed);
        self.tell_shortage();
        MemoryWaiter(self)
    }

    fn try_reserve(&self, bytes: usize) -> bool {
        let more = |reserved: usize| reserved.checked_add(bytes).filter(|reserved| *reserved <= self.limit);
        let Ok(before) = self.reserved.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) else { return false };
        if before <= self.plenty() && before + bytes > self.plenty() {
            self.tell_shortage();
        }
        true
    }

    /// Up to this many reserved bytes, unused memory is kept.
    fn plenty(&self) -> usize {
        self.limit / 4 * 3
    }

    fn release(&self, bytes: usize) {
        self.reserved.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for MemoryWaiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PaddedCounter {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets a number that only this thread changes.
    fn set(&self, number: usize) {
        self.0.store(number, Ordering::Relaxed);
    }
}

impl WorkerAccount {
    fn ahead(&self) -> &PaddedCounter {
        &self.budget.ahead[self.worker]
    }

    pub(super) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// How many bytes are reserved, and how many are left for this worker.
    pub(super) fn level(&self) -> (usize, usize) {
        let reserved = self.budget.reserved.get().saturating_sub(self.ahead().get());
        (reserved, self.budget.limit.saturating_sub(reserved))
    }

    /// Whether there are `bytes`. If so, this worker has them ahead.
    pub(super) fn can_reserve(&self, bytes: usize) -> bool {
        bytes <= self.ahead().get() || self.refill(bytes)
    }

    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let is_there = self.can_reserve(bytes);
        if is_there {
            self.ahead().set(self.ahead().get() - bytes);
        }
        is_there
    }

    /// Reserves bytes that are in use already, even past the limit. Then the worker has nothing ahead.
    pub(super) fn force(&self, bytes: usize) {
        if !self.reserve(bytes) {
            let ahead = self.ahead().get();
            self.ahead().set(0);
            self.budget.reserved.0.fetch_add(bytes - ahead, Ordering::Relaxed);
        }
    }

    pub(super) fn release(&self, bytes: usize) {
        let ahead = self.ahead().get() + bytes;
        self.ahead().set(ahead);
        if self.budget.waiting.get() > 0 {
            self.release_ahead();
        } else if ahead > 2 * self.budget.piece {
            self.keep_ahead(self.budget.piece);
        }
    }

    /// Releases what was reserved for this account, on any thread.
    pub(super) fn release_anywhere(&self, bytes: usize) {
        let here = with_account(false, |own| {
            let is_same = Arc::ptr_eq(&own.budget, &self.budget);
            if is_same {
                own.release(bytes);
            }
            is_same
        });
        if !here {
            self.budget.release(bytes);
        }
    }

    fn release_ahead(&self) {
        self.keep_ahead(0);
    }

    #[cold]
    fn keep_ahead(&self, kept: usize) {
        let ahead = self.ahead().get();
        self.ahead().set(ahead.min(kept));
        self.budget.release(ahead.saturating_sub(kept));
    }

    #[cold]
    fn refill(&self, bytes: usize) -> bool {
        let ahead = self.ahead().get();
        let lacking = bytes.saturating_sub(ahead);
        for more in [lacking.max(self.budget.piece), lacking] {
            if self.budget.try_reserve(more) {
                self.ahead().set(ahead + more);
                return true;
            }
        }
        false
    }
}

/// The result of `f` for the account of this thread, or `none` if it does not serve or is ending.
pub(super) fn with_account<R>(none: R, f: impl FnOnce(&Arc<WorkerAccount>) -> R) -> R {
    let found = ACCOUNT.try_with(|account| account.get().map(f));
    found.ok().flatten().unwrap_or(none)
}
