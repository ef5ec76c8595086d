//! Ticks the epoch of the engine, so that guests that run come to rest, and the clocks. It must not know what is done
//! then.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock;

/// How often a running guest rests, so that what it wrote goes out and its time is checked.
const TICK: Duration = Duration::from_millis(5);

/// The thread that ticks the epoch and the clocks until it is dropped.
pub(super) struct EpochTicker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EpochTicker {
    /// Starts ticking.
    ///
    /// # Errors
    /// Why the thread did not start.
    pub(super) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        clock::tick();
        let (stop, stopped) = channel::<()>();
        let start = Instant::now();
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while stopped.recv_timeout(until_next(start.elapsed())) == Err(RecvTimeoutError::Timeout) {
                // The clock first: a guest that is interrupted finds out by it that a tick has come.
                clock::tick();
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The thread only sleeps and counts: there is no panic to report.
            let _ = thread.join();
        }
    }
}

/// How long it is until the next tick, so long after the start: each is due at a whole number of ticks, however late the
/// one before it was, and one whose time has passed is left out.
fn until_next(since_start: Duration) -> Duration {
    TICK - Duration::from_nanos_u128(since_start.as_nanos() % TICK.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_micros(60);

    #[test]
    fn a_tick_that_comes_late_does_not_delay_the_next() {
        assert_eq!(until_next(Duration::ZERO), TICK);
        assert_eq!(until_next(TICK), TICK);
        assert_eq!(until_next(TICK + LATE), TICK - LATE);
        assert_eq!(until_next(1000 * TICK + LATE), TICK - LATE);
    }

    #[test]
    fn ticks_that_were_missed_are_not_made_up_for() {
        let (before, hours_later) = (3 * TICK - LATE, 1_000_000 * TICK + LATE);
        assert_eq!(until_next(before), LATE);
        assert_eq!(until_next(hours_later), TICK - LATE);
    }
}
