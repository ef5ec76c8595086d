//! The loop of a connection's task. It takes turns until nothing can proceed, then waits for a wake or the next
//! deadline, and repeats until the end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::deadlines::{Deadline, Deadlines};
use crate::guest::scheduler::NextSlice;
use crate::net::Timer;

/// The result of a turn.
#[derive(Debug)]
pub(super) enum Turn<E> {
    /// Something has proceeded, so that another turn may proceed too.
    Again,
    /// Nothing can proceed until the task is woken or a deadline passes.
    Wait,
    /// The task yields once, so that other ready tasks run first.
    Yield,
    /// The policy has ended.
    End(E),
}

/// What a connection does in its turns: run an exchange, serve a parked response, or serve a WebSocket.
pub(super) trait Policy {
    /// The result of the policy.
    type End;

    /// How many turns it may take before other connections get theirs.
    const MAX_TURNS: usize;

    /// Called once after the task was woken, before its turns.
    fn begin(&mut self, cx: &mut Context<'_>);

    /// Takes one turn.
    fn turn(&mut self, cx: &mut Context<'_>) -> Turn<Self::End>;

    /// The deadlines that end the wait.
    fn deadlines(&mut self, cx: &mut Context<'_>) -> Deadlines;

    /// Handles a deadline that has passed at `now`. Returns a value if that ends the policy.
    fn expire(&mut self, deadline: Deadline, cx: &mut Context<'_>, now: Instant) -> Option<Self::End>;

    /// Called when the task begins to wait.
    fn wait(&mut self, cx: &mut Context<'_>);

    /// The time slice that the task waits for after [`Self::MAX_TURNS`].
    fn next_slice(&self) -> NextSlice;

    /// The timer for the deadlines.
    fn timer(&mut self) -> &mut Timer;
}

/// Runs the turns of `policy` until it ends.
pub(super) async fn run<P: Policy>(policy: &mut P) -> P::End {
    // Boxed, because few connections need it.
    let mut slice = None;
    poll_fn(|cx| poll(policy, &mut slice, cx)).await
}

fn poll<P: Policy>(policy: &mut P, slice: &mut Option<Box<NextSlice>>, cx: &mut Context<'_>) -> Poll<P::End> {
    if let Some(waiting) = slice {
        ready!(Pin::new(waiting).poll(cx));
        *slice = None;
    }
    policy.begin(cx);
    for _ in 0..P::MAX_TURNS {
        match policy.turn(cx) {
            Turn::Again => continue,
            Turn::End(end) => return Poll::Ready(end),
            Turn::Yield => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Turn::Wait => {}
        }
        let deadlines = policy.deadlines(cx);
        let passed = match deadlines.next() {
            Some(next) => policy.timer().poll(cx, next),
            None => Poll::Pending,
        };
        if passed.is_pending() {
            policy.wait(cx);
            return Poll::Pending;
        }
        let now = Instant::now();
        if let Some(deadline) = deadlines.expired(now)
            && let Some(end) = policy.expire(deadline, cx, now)
        {
            return Poll::Ready(end);
        }
    }
    let waiting = slice.insert(Box::new(policy.next_slice()));
    // The first poll registers it among the tasks that wait for a slice.
    let _ = Pin::new(waiting).poll(cx);
    Poll::Pending
}

#[cfg(test)]
mod tests;
