//! The shutdown of a worker: its stages, and waiting for them.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use tokio::sync::Notify;

/// The stages, in order.
const SERVING: u8 = 0;
const CLOSING: u8 = 1;
const DRAINING: u8 = 2;
const AT_ONCE: u8 = 3;
const STOPPED: u8 = 4;

/// The stage of a worker's shutdown. Each worker has its own, so that waiting for it touches no other core.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    stage: AtomicU8,
    stage_changed: Notify,
    /// Over which time what stays open ends, in milliseconds.
    window: AtomicU64,
    /// How many have been told when to end.
    turns: AtomicU32,
}

/// Lets a task poll repeatedly for the end of connections. It registers once: registering for each request would touch
/// other waiters' cold cache lines.
pub(crate) struct ShutdownWaiter<'s, F> {
    shutdown: &'s Shutdown,
    reached: Pin<&'s mut F>,
    /// Whether it is registered for the next stage.
    is_registered: bool,
}

impl<'s, F: Future<Output = ()>> ShutdownWaiter<'s, F> {
    /// `reached` is the future of [`Shutdown::wait`].
    pub(crate) fn new(shutdown: &'s Shutdown, reached: Pin<&'s mut F>) -> Self {
        Self { shutdown, reached, is_registered: false }
    }

    /// Whether connections must end. If not, the task is woken when they must.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let stage = self.shutdown.stage.load(Ordering::Acquire);
        // `notify_waiters` runs after the stage is stored, so a task may see the new stage before it is woken.
        if stage == SERVING && self.is_registered {
            return false;
        }
        self.is_registered = true;
        stage >= DRAINING || self.reached.as_mut().poll(cx).is_ready()
    }
}

impl Shutdown {
    /// Whether the worker was told to stop. Then every response is the last of its connection.
    pub(crate) fn is_set(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= CLOSING
    }

    /// Whether the worker has stopped.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= STOPPED
    }

    /// Waits until connections must end.
    pub(crate) async fn wait(&self) {
        self.reached(DRAINING).await;
    }

    /// Waits until a connection that stays open must end: those that wait end one after the other over the time that was given.
    pub(crate) async fn wait_for_turn(&self) {
        self.wait().await;
        let window = self.window.load(Ordering::Relaxed);
        if window > 0 {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            // Boxed, as few wait for it at any time.
            Box::pin(tokio::time::sleep(place_in(Duration::from_millis(window), turn))).await;
        }
    }

    /// The time over which what stays open ends, if the server stops.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(self.window.load(Ordering::Relaxed))
    }

    /// Sets it, before the worker is told to stop.
    pub(crate) fn set_window(&self, window: Duration) {
        self.window.store(u64::try_from(window.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Waits until no more connections are accepted.
    pub(crate) async fn wait_closing(&self) {
        self.reached(CLOSING).await;
    }

    /// Waits until the worker must stop without draining.
    pub(crate) async fn wait_at_once(&self) {
        self.reached(AT_ONCE).await;
    }

    /// Waits until the worker has stopped.
    pub(crate) async fn wait_stopped(&self) {
        self.reached(STOPPED).await;
    }

    /// Stops accepting. The worker drains once it has the connections that were accepted.
    pub(crate) fn close(&self) {
        self.advance_to(CLOSING);
    }

    /// Tells connections to end.
    pub(crate) fn drain(&self) {
        self.advance_to(DRAINING);
    }

    /// Tells the worker to stop without draining.
    pub(crate) fn stop_at_once(&self) {
        self.advance_to(AT_ONCE);
    }

    /// Marks the worker as stopped.
    pub(crate) fn mark_stopped(&self) {
        self.advance_to(STOPPED);
    }

    fn advance_to(&self, stage: u8) {
        self.stage.fetch_max(stage, Ordering::Release);
        self.stage_changed.notify_waiters();
    }

    async fn reached(&self, stage: u8) {
        loop {
            let stage_changed = self.stage_changed.notified();
            if self.stage.load(Ordering::Acquire) >= stage {
                return;
            }
            stage_changed.await;
        }
    }
}

/// The place of a turn in a time, so that however many turns there are, they are spread evenly: multiples of the golden ratio.
fn place_in(window: Duration, turn: u32) -> Duration {
    const GOLDEN_RATIO: u32 = 0x9E37_79B9;
    window.mul_f64(f64::from(turn.wrapping_mul(GOLDEN_RATIO)) / f64::from(u32::MAX))
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
    fn however_many_turns_there_are_they_are_spread_evenly() {
        for turns in [10_u32, 100, 1000, 12_345] {
            let mut tenths = [0_u32; 10];
            for turn in 0..turns {
                let place = place_in(Duration::from_secs(10), turn).as_secs_f64();
                tenths[(place as usize).min(9)] += 1;
            }
            let mean = turns / 10;
            assert!(tenths.iter().all(|tenth| (mean / 2..=2 * mean).contains(tenth)), "{turns}: {tenths:?}");
        }
    }

    #[test]
    fn a_task_that_waits_is_woken_at_each_stage_until_connections_are_to_end() {
        for waits_before in [false, true] {
            let (shutdown, wakes) = (Shutdown::default(), Arc::new(Wakes::default()));
            let waker = Waker::from(wakes.clone());
            let mut cx = Context::from_waker(&waker);
            let reached = std::pin::pin!(shutdown.wait());
            let mut wait = ShutdownWaiter::new(&shutdown, reached);
            if waits_before {
                assert!(!wait.poll(&mut cx));
            }
            // This does the same as `close`, with a poll in between.
            shutdown.stage.fetch_max(CLOSING, Ordering::Release);
            assert!(!wait.poll(&mut cx), "no more connections are accepted, and the accepted ones continue");
            shutdown.stage_changed.notify_waiters();
            assert!(!wait.poll(&mut cx));
            let woken = wakes.0.load(Ordering::Relaxed);
            shutdown.drain();
            assert_eq!(wakes.0.load(Ordering::Relaxed), woken + 1, "waits before: {waits_before}");
            assert!(wait.poll(&mut cx) && wait.poll(&mut cx));
        }
    }
}
