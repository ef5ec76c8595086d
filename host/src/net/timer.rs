//! One timer for all deadlines of a connection, which is reset as seldom as possible.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::task::coop;
use tokio::time::Sleep;

/// A timer that is created when it is first polled, and reset only if the deadline moves to an earlier time or the timer
/// has expired. One task alone polls it.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it will wake the task. It is `None` if it will not.
    wakes_at: Option<tokio::time::Instant>,
}

impl Timer {
    /// Ready at `at`.
    pub fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let at = at.into();
        // Reading the clock is cheaper than accessing a timer that was set long ago, whose memory is not cached.
        if self.wakes_at.is_some_and(|wakes_at| wakes_at <= at && tokio::time::Instant::now() < wakes_at) {
            return Poll::Pending;
        }
        self.wakes_at = None;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            // If the budget of the task is used up, the timer only wakes the task and does not check the deadline.
            let asked = coop::has_budget_remaining();
            if sleep.as_mut().poll(cx).is_pending() {
                self.wakes_at = asked.then(|| sleep.deadline());
                return Poll::Pending;
            }
            // The timer fired for an earlier deadline, such as that of an earlier request. Continue to wait for this
            // one.
            if sleep.deadline() >= at || tokio::time::Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(3);

    #[tokio::test]
    async fn a_deadline_that_was_put_off_wakes_the_task_at_its_new_time() {
        let (mut timer, start) = (Timer::default(), Instant::now());
        let (mut at, put_off) = (start + SHORT, start + 2 * SHORT);
        poll_fn(|cx| timer.poll(cx, std::mem::replace(&mut at, put_off))).await;
        assert!(Instant::now() >= put_off);
    }

    #[tokio::test]
    async fn a_deadline_that_comes_nearer_wakes_the_task_then() {
        let (mut timer, start) = (Timer::default(), Instant::now());
        let (mut at, nearer) = (start + LONG, start + SHORT);
        poll_fn(|cx| {
            let far = timer.poll(cx, std::mem::replace(&mut at, nearer));
            if far.is_pending() { timer.poll(cx, nearer) } else { far }
        })
        .await;
        assert!((nearer..start + LONG).contains(&Instant::now()));
    }

    #[tokio::test]
    async fn a_task_whose_turn_is_over_is_not_taken_for_one_that_the_timer_wakes() {
        let (mut timer, at) = (Timer::default(), Instant::now() + LONG);
        let wakes_at = poll_fn(|cx| {
            while pin!(coop::consume_budget()).poll(cx).is_ready() {}
            assert!(timer.poll(cx, at).is_pending());
            Poll::Ready(timer.wakes_at)
        });
        assert_eq!(wakes_at.await, None);
        tokio::task::yield_now().await;
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, at))).await.is_pending());
        assert_eq!(timer.wakes_at, Some(at.into()));
    }

    #[tokio::test]
    async fn a_deadline_that_passes_while_its_task_is_busy_is_ready_then() {
        let (mut timer, at) = (Timer::default(), Instant::now() + SHORT);
        let mut busy = true;
        poll_fn(|cx| {
            if std::mem::take(&mut busy) && timer.poll(cx, at).is_pending() {
                while Instant::now() <= at {
                    std::hint::spin_loop();
                }
            }
            timer.poll(cx, at)
        })
        .await;
    }
}
