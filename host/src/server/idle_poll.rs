//! Busy-polls for a few microseconds before a worker parks, when requests arrive back to back: a wake-up costs more than that.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::worker::Worker;

/// Maximum I/O events per tick while no task is runnable. It is low, so that the state of each connection is still
/// cached when its task runs.
pub(super) const EVENTS_PER_TICK: usize = 16;

/// The maximum of [`IdlePoll::misses`]. At the maximum, one of `2^MAX_MISSES` chances to poll is taken.
const MAX_MISSES: u32 = 7;

thread_local! {
    static AWAKE: RefCell<Option<Awake>> = const { RefCell::new(None) };
}

/// The state that keeps the runtime of a thread awake.
struct Awake {
    worker: Arc<Worker>,
    poll: IdlePoll,
    waker: Waker,
}

/// Runs on a worker's thread, and lets it poll before it sleeps. It never ends.
pub(super) async fn keep(worker: Arc<Worker>) -> Infallible {
    std::future::poll_fn(|cx| {
        AWAKE.with_borrow_mut(|awake| {
            if awake.is_none() {
                let poll = IdlePoll::new(worker.config().idle_poll);
                *awake = Some(Awake { worker: worker.clone(), poll, waker: cx.waker().clone() });
            }
        });
        Poll::Pending
    })
    .await
}

/// Called when the runtime is about to sleep. Keeps it awake if polling is worth it.
pub(super) fn before_sleep() {
    AWAKE.with_borrow_mut(|awake| {
        if let Some(Awake { worker, poll, waker }) = awake
            && poll.goes_on(worker.counters().requests(), Instant::now)
        {
            waker.wake_by_ref();
        }
    });
}

/// Decides when to poll. Polling begins after a request, and ends with the next request or after the window. If it is
/// in vain more often than not, fewer and fewer chances are taken, so that a worker with few requests sleeps.
#[derive(Debug)]
struct IdlePoll {
    window: Duration,
    /// The number of requests at the last check.
    asked: u64,
    /// When polling began, if it polls.
    since: Option<Instant>,
    /// The number of polls in vain, minus the number of successful ones.
    misses: u32,
    /// How many chances to skip before the next one is taken.
    let_go: u32,
}

impl IdlePoll {
    fn new(window: Duration) -> Self {
        Self { window, asked: 0, since: None, misses: 0, let_go: 0 }
    }

    /// Whether to poll once more instead of sleeping. `asked` is the number of requests until `now`.
    fn goes_on(&mut self, asked: u64, now: impl FnOnce() -> Instant) -> bool {
        if self.window.is_zero() {
            return false;
        }
        if asked != self.asked {
            let since_last = asked - self.asked;
            self.asked = asked;
            // A tick had the maximum of events, so more sockets may be ready. The next tick reports them without
            // polling.
            if since_last >= EVENTS_PER_TICK as u64 {
                self.since = None;
                return false;
            }
            if self.since.take().is_some() {
                self.misses = self.misses.saturating_sub(1);
            }
            if self.let_go > 0 {
                self.let_go -= 1;
                return false;
            }
            self.since = Some(now());
            return true;
        }
        let Some(since) = self.since else { return false };
        if now().saturating_duration_since(since) < self.window {
            return true;
        }
        self.since = None;
        self.misses = (self.misses + 1).min(MAX_MISSES);
        self.let_go = (1 << self.misses) - 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_micros(50);

    /// Simulates a worker that gets a request every `gap`, this many `times`, and checks every microsecond. Returns in
    /// how many gaps it slept, and how long it polled in all.
    fn asked_every(gap: Duration, times: u64, poll: &mut IdlePoll) -> (u64, Duration) {
        let start = Instant::now();
        let (mut slept, mut polled) = (0, Duration::ZERO);
        let before = poll.asked;
        for time in 1..=times {
            let (asked, begin) = (before + time, start + gap * u32::try_from(time).expect("a small number"));
            let mut at = Duration::ZERO;
            while at < gap && poll.goes_on(asked, || begin + at) {
                at += Duration::from_micros(1);
            }
            slept += u64::from(at < gap);
            polled += at;
        }
        (slept, polled)
    }

    #[test]
    fn a_worker_whose_next_request_comes_within_the_window_never_sleeps() {
        let (slept, _) = asked_every(Duration::from_micros(30), 1000, &mut IdlePoll::new(WINDOW));
        assert_eq!(slept, 0);
    }

    #[test]
    fn a_worker_whose_next_request_comes_later_hardly_polls() {
        let gap = Duration::from_micros(200);
        let (slept, polled) = asked_every(gap, 10_000, &mut IdlePoll::new(WINDOW));
        assert_eq!(slept, 10_000);
        assert!(polled < gap * 10_000 / 200, "polled for {polled:?} of {:?}", gap * 10_000);
    }

    #[test]
    fn once_requests_come_close_again_it_finds_out() {
        let mut poll = IdlePoll::new(WINDOW);
        asked_every(Duration::from_millis(1), 10_000, &mut poll);
        let (slept, _) = asked_every(Duration::from_micros(30), 1000, &mut poll);
        assert!(slept < 400, "slept {slept} times");
        let (slept, _) = asked_every(Duration::from_micros(30), 1000, &mut poll);
        assert_eq!(slept, 0);
    }

    #[test]
    fn a_worker_that_is_asked_as_much_as_it_hears_of_does_not_poll() {
        let (mut poll, now) = (IdlePoll::new(WINDOW), Instant::now());
        let heard = EVENTS_PER_TICK as u64;
        assert!(poll.goes_on(1, || now));
        assert!(!poll.goes_on(1 + heard, || now));
        assert!(!poll.goes_on(1 + heard, || now), "nothing was asked since");
        assert!(poll.goes_on(2 * heard, || now), "it was asked less than that");
    }

    #[test]
    fn without_a_window_it_never_polls() {
        let mut poll = IdlePoll::new(Duration::ZERO);
        assert!(!poll.goes_on(1, || panic!("no clock is read")));
    }
}
