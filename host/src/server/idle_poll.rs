//! Busy-polls for a few microseconds before a worker parks, when requests arrive back to back: a wake-up costs more than that.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::worker::Worker;

/// The most sockets that a worker is to hear of at once, once it has nothing to do. Few: what was read to tell of a socket,
/// and what its connection has in memory, is still in the caches of the core when its turn comes.
pub(super) const EVENTS_PER_TICK: usize = 16;

/// Where [`IdlePoll::misses`] ends: then one chance to poll in two to this power is taken.
const MAX_MISSES: u32 = 7;

thread_local! {
    static AWAKE: RefCell<Option<Awake>> = const { RefCell::new(None) };
}

/// What keeps the runtime of a thread awake.
struct Awake {
    worker: Arc<Worker>,
    poll: IdlePoll,
    waker: Waker,
}

/// Lets the worker of this thread poll before it sleeps.
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

/// For a runtime that is about to sleep: keeps it awake where that pays.
pub(super) fn before_sleep() {
    AWAKE.with_borrow_mut(|awake| {
        if let Some(Awake { worker, poll, waker }) = awake
            && poll.goes_on(worker.requests(), Instant::now)
        {
            waker.wake_by_ref();
        }
    });
}

/// When to poll: once something was asked, until the next thing is, or for as long as the window is. Where that is in
/// vain more often than not, ever fewer chances are taken, so that a worker with little to do sleeps.
#[derive(Debug)]
struct IdlePoll {
    window: Duration,
    /// What had been asked when it was looked last.
    asked: u64,
    /// Since when it polls.
    since: Option<Instant>,
    /// Polls in vain less those that were not.
    misses: u32,
    /// The chances to let go before the next one is taken.
    let_go: u32,
}

impl IdlePoll {
    fn new(window: Duration) -> Self {
        Self { window, asked: 0, since: None, misses: 0, let_go: 0 }
    }

    /// Whether to look once more rather than to sleep, where so much was asked until `now`.
    fn goes_on(&mut self, asked: u64, now: impl FnOnce() -> Instant) -> bool {
        if self.window.is_zero() {
            return false;
        }
        if asked != self.asked {
            let since_last = asked - self.asked;
            self.asked = asked;
            // As many as it is told of at once: others wait to be told of, and to look for them is to be told of all.
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

    /// A worker that is asked every `gap`, so often; and looks every microsecond. In how many gaps it slept, and for how
    /// long it polled in all.
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
