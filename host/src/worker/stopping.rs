//! How far a worker's stop has come, to be asked for and to be waited for.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// The stages after serving, which is 0.
const CLOSING: u8 = 1;
const DRAINING: u8 = 2;
const AT_ONCE: u8 = 3;
const STOPPED: u8 = 4;

/// How far the stop of a worker has come. Each worker has its own, so that waiting for it touches no other core.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    stage: AtomicU8,
    moved: Notify,
}

impl Stopping {
    /// Whether connections are to end, now or once their requests are served.
    pub(crate) fn is_set(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= DRAINING
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
