//! The handler as a task inside the task of its connection: whether it is to be polled, and which task its wakers wake.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::Exchange;

/// The connection's task has its turn, and looks for [`WOKEN`] before it ends: nobody need wake it.
const IN_TURN: u8 = 1;
/// The handler was woken, and not polled since.
const WOKEN: u8 = 2;
/// There may be waits. Without any the clock runs, and needs no look.
const WAITS: u8 = 4;

/// Whether a handler is to be polled. It is part of the exchange, which so can be the handler's waker without memory of
/// its own.
#[derive(Debug)]
pub(super) struct HandlerTask {
    state: AtomicU8,
    /// The connection's task, while it does not have its turn.
    connection: Mutex<Option<Waker>>,
}

impl Default for HandlerTask {
    /// A handler that is to be polled, in a connection that has its turn.
    fn default() -> Self {
        Self { state: AtomicU8::new(IN_TURN | WOKEN), connection: Mutex::default() }
    }
}

impl HandlerTask {
    fn has(&self, flag: u8) -> bool {
        self.state.load(Ordering::Acquire) & flag != 0
    }

    /// A wait was registered.
    pub(super) fn note_wait(&self) {
        if !self.has(WAITS) {
            self.state.fetch_or(WAITS, Ordering::AcqRel);
        }
    }

    fn connection(&self) -> MutexGuard<'_, Option<Waker>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_connection(&self, waker: &Waker) {
        let mut connection = self.connection();
        if !connection.as_ref().is_some_and(|known| known.will_wake(waker)) {
            let replaced = connection.replace(waker.clone());
            drop(connection);
            drop(replaced);
        }
    }

    /// The handler is to be polled.
    pub(super) fn wake(&self) {
        let before = self.state.fetch_or(WOKEN, Ordering::AcqRel);
        if before & (IN_TURN | WOKEN) == 0 {
            let connection = self.connection().take();
            if let Some(connection) = connection {
                connection.wake();
            }
        }
    }
}

impl Wake for Exchange {
    fn wake(self: Arc<Self>) {
        self.task.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.task.wake();
    }
}

/// The connection's side.
impl Exchange {
    /// What the handler is polled with.
    #[must_use]
    pub fn handler_waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// The connection's task has its turn, until [`Self::end_turn`].
    pub fn begin_turn(&self) {
        if !self.task.has(IN_TURN) {
            self.task.state.fetch_or(IN_TURN, Ordering::AcqRel);
        }
    }

    /// The turn of the connection's task ends. It is woken if the handler is, which may be at once.
    pub fn end_turn(&self, cx: &Context<'_>) {
        self.task.set_connection(cx.waker());
        if self.task.state.fetch_and(!IN_TURN, Ordering::AcqRel) & WOKEN != 0 {
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the handler is to be polled.
    #[must_use]
    pub fn is_runnable(&self) -> bool {
        self.task.has(WOKEN)
    }

    /// Has the handler, or middleware in its place, polled.
    pub fn wake_handler(&self) {
        self.task.wake();
    }

    /// Whether the handler is to be polled. The caller does that next.
    #[must_use]
    pub fn take_wake(&self) -> bool {
        self.task.has(WOKEN) && self.task.state.fetch_and(!WOKEN, Ordering::AcqRel) & WOKEN != 0
    }

    /// Polls the handler, or middleware, with its `waker`. Its clock runs meanwhile, and stands still afterwards if it
    /// waits for nothing but its client.
    pub fn poll_handler<F: Future + ?Sized>(&self, waker: &Waker, handler: Pin<&mut F>) -> Poll<F::Output> {
        if self.task.has(WAITS) {
            self.lock().run_clock();
        }
        let polled = handler.poll(&mut Context::from_waker(waker));
        // One that was woken meanwhile is runnable: it waits for nothing.
        if polled.is_pending() && self.task.has(WAITS) && !self.is_runnable() {
            let mut inner = self.lock();
            if inner.waits.is_empty() {
                self.task.state.fetch_and(!WAITS, Ordering::AcqRel);
            }
            inner.rest_clock();
        }
        polled
    }
}
