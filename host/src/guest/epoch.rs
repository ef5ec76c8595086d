//! The thread that advances the epochs of all engines, which interrupts running guests, and the coarse clock.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock;

/// How often a running guest is interrupted, so that its output is sent and its deadline is checked.
const TICK: Duration = Duration::from_millis(5);

/// Advances the epochs and the clock until it is dropped.
pub(super) struct EpochTicker {
    /// One, or two if there are components of `wasi:http` 0.3.
    engines: Arc<Mutex<Vec<wasmtime::Engine>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EpochTicker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        clock::tick();
        let (stop, stopped) = channel::<()>();
        let start = Instant::now();
        let engines = Arc::new(Mutex::new(vec![engine]));
        let ticked = engines.clone();
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while stopped.recv_timeout(until_next(start.elapsed())) == Err(RecvTimeoutError::Timeout) {
                // Advance the clock first: an interrupted guest reads from it that a tick has passed.
                clock::tick();
                let engines = ticked.lock().unwrap_or_else(PoisonError::into_inner);
                engines.iter().for_each(wasmtime::Engine::increment_epoch);
            }
        })?;
        Ok(Self { engines, stop: Some(stop), thread: Some(thread) })
    }

    /// Advances the epoch of another engine too.
    pub(super) fn add(&self, engine: wasmtime::Engine) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, so there is nothing to report.
            let _ = thread.join();
        }
    }
}

/// Time until the next tick. Ticks are due at multiples of `TICK` after the start: a late tick does not delay the next
/// one, and a missed tick is skipped.
fn until_next(since_start: Duration) -> Duration {
    TICK - Duration::from_nanos_u128(since_start.as_nanos() % TICK.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_micros(60);

    #[test]
    fn a_tick_that_comes_late_does_not_delay_the_next() {
        assert_eq!(until_next(Duration::ZERO), TICK);
        assert_eq!(until_next(TICK), TICK);
        assert_eq!(until_next(TICK + DELAY), TICK - DELAY);
        assert_eq!(until_next(1000 * TICK + DELAY), TICK - DELAY);
    }

    #[test]
    fn missed_ticks_are_skipped() {
        let (before, hours_later) = (3 * TICK - DELAY, 1_000_000 * TICK + DELAY);
        assert_eq!(until_next(before), DELAY);
        assert_eq!(until_next(hours_later), TICK - DELAY);
    }
}
