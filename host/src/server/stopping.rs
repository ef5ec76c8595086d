//! The wish that a worker stops, to be asked for and to be waited for.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const AT_ONCE: u8 = 2;

/// Whether a worker is to stop. Each worker has its own, so that waiting for it touches no other core.
#[derive(Debug, Default)]
pub struct Stopping {
    stage: AtomicU8,
    moved: Notify,
}

impl Stopping {
    /// Whether the worker is to stop, now or once it is drained.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.stage.load(Ordering::Relaxed) > SERVING
    }

    /// Waits until the worker is to stop.
    pub async fn wait(&self) {
        self.reached(DRAINING).await;
    }

    /// Waits until the worker is to stop without draining.
    pub async fn wait_at_once(&self) {
        self.reached(AT_ONCE).await;
    }

    /// Asks the worker to drain.
    pub fn drain(&self) {
        self.move_to(DRAINING);
    }

    /// Asks the worker to stop without draining.
    pub fn stop_at_once(&self) {
        self.move_to(AT_ONCE);
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
