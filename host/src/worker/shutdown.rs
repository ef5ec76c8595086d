//! How far a worker's stop has come, to be asked for and to be waited for.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use tokio::sync::Notify;

/// The stages.
const SERVING: u8 = 0;
const CLOSING: u8 = 1;
const DRAINING: u8 = 2;
const AT_ONCE: u8 = 3;
const STOPPED: u8 = 4;

/// How far the stop of a worker has come. Each worker has its own, so that waiting for it touches no other core.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    stage: AtomicU8,
    moved: Notify,
}

/// How one task waits until connections are to end, again and again: its place among those who wait is in cold memory,
/// and is not looked at while the worker serves.
pub(crate) struct ShutdownWaiter<'s, F> {
    stopping: &'s Shutdown,
    reached: Pin<&'s mut F>,
    /// Whether it has taken its place.
    is_placed: bool,
}

impl<'s, F: Future<Output = ()>> ShutdownWaiter<'s, F> {
    /// `reached` is what [`Shutdown::wait`] has returned.
    pub(crate) fn new(stopping: &'s Shutdown, reached: Pin<&'s mut F>) -> Self {
        Self { stopping, reached, is_placed: false }
    }

    /// Whether connections are to end; if not yet, the task is woken then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let stage = self.stopping.stage.load(Ordering::Acquire);
        // Whoever moves the stage takes their places from all who wait, and wakes them, but after the stage is seen to move.
        if stage == SERVING && self.is_placed {
            return false;
        }
        self.is_placed = true;
        stage >= DRAINING || self.reached.as_mut().poll(cx).is_ready()
    }
}

impl Shutdown {
    /// Whether the worker was told to stop: a response whose head is encoded from now on is the last of its connection.
    pub(crate) fn is_set(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= CLOSING
    }

    /// Waits until connections are to end.
    pub(crate) async fn wait(&self) {
        self.reached(DRAINING).await;
    }

    /// Waits until no more connections are to be accepted.
    pub(crate) async fn wait_closing(&self) {
        self.reached(CLOSING).await;
    }

    /// Waits until the worker is to stop without draining.
    pub(crate) async fn wait_at_once(&self) {
        self.reached(AT_ONCE).await;
    }

    /// Waits until the worker has stopped.
    pub(crate) async fn wait_stopped(&self) {
        self.reached(STOPPED).await;
    }

    /// Asks for no more connections, and the worker to drain once it has those that were accepted.
    pub(crate) fn close(&self) {
        self.move_to(CLOSING);
    }

    /// Asks the connections to end.
    pub(crate) fn drain(&self) {
        self.move_to(DRAINING);
    }

    /// Asks the worker to stop without draining.
    pub(crate) fn stop_at_once(&self) {
        self.move_to(AT_ONCE);
    }

    /// Says that the worker has stopped.
    pub(crate) fn stopped(&self) {
        self.move_to(STOPPED);
    }

    fn move_to(&self, stage: u8) {
        self.stage.fetch_max(stage, Ordering::Release);
        self.moved.notify_waiters();
    }

    async fn reached(&self, stage: u8) {
        loop {
            let moved = self.moved.notified();
            if self.stage.load(Ordering::Acquire) >= stage {
                return;
            }
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_that_waits_is_woken_at_each_stage_until_connections_are_to_end() {
        for waits_before in [false, true] {
            let (stopping, wakes) = (Shutdown::default(), Arc::new(Wakes::default()));
            let waker = Waker::from(wakes.clone());
            let mut cx = Context::from_waker(&waker);
            let reached = std::pin::pin!(stopping.wait());
            let mut wait = ShutdownWaiter::new(&stopping, reached);
            if waits_before {
                assert!(!wait.poll(&mut cx));
            }
            // As `close` does, with the task polled in between.
            stopping.stage.fetch_max(CLOSING, Ordering::Release);
            assert!(!wait.poll(&mut cx), "no more are accepted, and those that are go on");
            stopping.moved.notify_waiters();
            assert!(!wait.poll(&mut cx));
            let woken = wakes.0.load(Ordering::Relaxed);
            stopping.drain();
            assert_eq!(wakes.0.load(Ordering::Relaxed), woken + 1, "waits before: {waits_before}");
            assert!(wait.poll(&mut cx) && wait.poll(&mut cx));
        }
    }
}
