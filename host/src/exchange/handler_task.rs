//! The handler as a task inside the connection's task. Tracks whether the handler has to be polled, and wakes the
//! connection's task for it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::Exchange;

/// The connection's task is running. It checks [`WOKEN`] before it ends its turn, so it need not be woken.
const IN_TURN: u8 = 1;
/// The handler was woken and has not been polled since.
const WOKEN: u8 = 2;
/// There may be waits. If there are none, the clock runs and need not be checked.
const WAITS: u8 = 4;

/// Whether the handler has to be polled. It is part of the exchange, so that the exchange can be the handler's waker
/// without another allocation.
#[derive(Debug)]
pub(super) struct HandlerTask {
    state: AtomicU8,
    /// The waker of the connection's task, set while the task is not running.
    connection: Mutex<Option<Waker>>,
}

impl Default for HandlerTask {
    /// The handler has to be polled, and the connection's task is running.
    fn default() -> Self {
        Self { state: AtomicU8::new(IN_TURN | WOKEN), connection: Mutex::default() }
    }
}

impl HandlerTask {
    fn has(&self, flag: u8) -> bool {
        self.state.load(Ordering::Acquire) & flag != 0
    }

    /// Records that a wait was registered.
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

    /// Marks the handler as woken, and wakes the connection's task if it is not running.
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
    /// The waker that the handler is polled with.
    #[must_use]
    pub fn handler_waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Begins a turn of the connection's task. It ends with [`Self::end_turn`].
    pub fn begin_turn(&self) {
        if !self.task.has(IN_TURN) {
            self.task.state.fetch_or(IN_TURN, Ordering::AcqRel);
        }
    }

    /// Ends a turn of the connection's task. From now on the task is woken when the handler is. If the handler was
    /// woken during the turn, the task is woken at once.
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

    /// Makes the connection poll the handler, or the middleware that runs in its place.
    pub fn wake_handler(&self) {
        self.task.wake();
    }

    /// Whether the handler has to be polled. Clears the mark, so the caller has to poll it next.
    #[must_use]
    pub fn take_wake(&self) -> bool {
        self.task.has(WOKEN) && self.task.state.fetch_and(!WOKEN, Ordering::AcqRel) & WOKEN != 0
    }

    /// Polls the handler, or middleware, with its `waker`. The clock runs during the poll. It is stopped afterwards if
    /// the handler waits only for its client.
    pub fn poll_handler<F: Future + ?Sized>(&self, waker: &Waker, handler: Pin<&mut F>) -> Poll<F::Output> {
        if self.task.has(WAITS) {
            self.lock().run_clock();
        }
        let polled = handler.poll(&mut Context::from_waker(waker));
        // A handler that was woken during the poll is runnable, so it is not waiting.
        if polled.is_pending() && self.task.has(WAITS) && !self.is_runnable() {
            let mut inner = self.lock();
            if inner.waits.is_empty() {
                self.task.state.fetch_and(!WAITS, Ordering::AcqRel);
            }
            inner.stop_clock();
        }
        polled
    }
}
