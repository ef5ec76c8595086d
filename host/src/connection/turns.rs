//! How all that goes on at a connection takes turns in its one task, until it waits, for a moment at most, or has ended.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::deadlines::{Deadline, Deadlines};
use crate::guest::scheduler::NextSlice;
use crate::net::Timer;

/// What a turn has come to.
#[derive(Debug)]
pub(super) enum Turn<E> {
    /// Something has moved, so something else may move too.
    Again,
    /// Nothing moves before the task is woken, or a deadline passes.
    Wait,
    /// Other tasks that are ready are to run first.
    Yield,
    /// The end.
    End(E),
}

/// What a connection does: it runs an exchange, sends a parked response, or is a WebSocket.
pub(super) trait Policy {
    /// How it ends.
    type End;

    /// How many turns it takes before other connections have theirs.
    const MAX_TURNS: usize;

    /// The task was woken: what is done once before its turns.
    fn begin(&mut self, cx: &mut Context<'_>);

    /// One turn of all that goes on.
    fn turn(&mut self, cx: &mut Context<'_>) -> Turn<Self::End>;

    /// Until when nothing need move.
    fn deadlines(&mut self, cx: &mut Context<'_>) -> Deadlines;

    /// Deals with a deadline that has passed at `now`. The end, if that is one.
    fn expire(&mut self, deadline: Deadline, cx: &mut Context<'_>, now: Instant) -> Option<Self::End>;

    /// The task waits now.
    fn wait(&mut self, cx: &mut Context<'_>);

    /// The time slice to wait for after [`Self::MAX_TURNS`].
    fn next_slice(&self) -> NextSlice;

    /// What its deadlines are waited for with.
    fn timer(&mut self) -> &mut Timer;
}

/// Lets `policy` have its turns until its end.
pub(super) async fn run<P: Policy>(policy: &mut P) -> P::End {
    // In a box, as few need one.
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
    // It takes its place among those that wait.
    let _ = Pin::new(waiting).poll(cx);
    Poll::Pending
}

#[cfg(test)]
mod tests;
