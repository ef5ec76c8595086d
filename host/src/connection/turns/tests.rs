use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::*;
use crate::guest::scheduler::NO_ROUTE;

/// A policy that takes scripted turns and then waits. It records its calls.
#[derive(Default)]
struct Script {
    turns: VecDeque<Turn<&'static str>>,
    deadlines: Deadlines,
    /// The deadline that ends it.
    ends_at: Option<Deadline>,
    done: Vec<String>,
    timer: Timer,
}

impl Policy for Script {
    type End = &'static str;
    const MAX_TURNS: usize = 4;

    fn begin(&mut self, _: &mut Context<'_>) {
        self.done.push("begin".to_owned());
    }

    fn turn(&mut self, _: &mut Context<'_>) -> Turn<&'static str> {
        self.done.push("turn".to_owned());
        self.turns.pop_front().unwrap_or(Turn::Wait)
    }

    fn deadlines(&mut self, _: &mut Context<'_>) -> Deadlines {
        std::mem::take(&mut self.deadlines)
    }

    fn expire(&mut self, deadline: Deadline, _: &mut Context<'_>, _: Instant) -> Option<&'static str> {
        self.done.push(format!("{deadline:?}"));
        (self.ends_at == Some(deadline)).then_some("expired")
    }

    fn wait(&mut self, _: &mut Context<'_>) {
        self.done.push("wait".to_owned());
    }

    fn next_slice(&self) -> NextSlice {
        NextSlice::after(NO_ROUTE, Duration::ZERO, None)
    }

    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a script once. Returns the result, the recorded calls, and how often its task was woken.
fn poll_once(script: &mut Script, slice: &mut Option<Box<NextSlice>>) -> (Poll<&'static str>, String, usize) {
    let wakes = Arc::new(Wakes::default());
    let end = poll(script, slice, &mut Context::from_waker(&Waker::from(wakes.clone())));
    (end, std::mem::take(&mut script.done).join(" "), wakes.0.load(Ordering::Relaxed))
}

fn script(turns: impl IntoIterator<Item = Turn<&'static str>>) -> Script {
    Script { turns: turns.into_iter().collect(), ..Script::default() }
}

#[test]
fn turns_are_taken_until_all_waits_or_has_ended() {
    let mut script = script([Turn::Again, Turn::Wait, Turn::Again, Turn::End("done"), Turn::Again]);
    let mut slice = None;
    assert_eq!(poll_once(&mut script, &mut slice), (Poll::Pending, "begin turn turn wait".to_owned(), 0));
    assert_eq!(poll_once(&mut script, &mut slice), (Poll::Ready("done"), "begin turn turn".to_owned(), 0));
    assert!(slice.is_none());
}

#[test]
fn a_turn_that_yields_lets_others_run_and_goes_on() {
    let mut script = script([Turn::Yield, Turn::End("done")]);
    assert_eq!(poll_once(&mut script, &mut None), (Poll::Pending, "begin turn".to_owned(), 1));
    assert_eq!(poll_once(&mut script, &mut None), (Poll::Ready("done"), "begin turn".to_owned(), 0));
}

#[test]
fn what_moves_on_and_on_waits_for_its_next_time_slice() {
    let mut script = script((0..7).map(|_| Turn::Again));
    let mut slice = None;
    // No scheduler runs on this thread, so the next slice is ready at once.
    assert_eq!(poll_once(&mut script, &mut slice), (Poll::Pending, "begin turn turn turn turn".to_owned(), 1));
    assert!(slice.is_some());
    assert_eq!(poll_once(&mut script, &mut slice), (Poll::Pending, "begin turn turn turn turn wait".to_owned(), 0));
    assert!(slice.is_none());
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_dealt_with_and_then_it_is_the_next_turn() {
    let now = Instant::now().checked_sub(Duration::from_secs(1));
    let mut script = script([Turn::Wait, Turn::Again]);
    script.deadlines = Deadlines { idle: now, write_stall: now, ..Deadlines::default() };
    assert_eq!(
        poll_once(&mut script, &mut None),
        (Poll::Pending, "begin turn WriteStall turn turn wait".to_owned(), 0)
    );
    script.deadlines = Deadlines { idle: now, ..Deadlines::default() };
    script.ends_at = Some(Deadline::Idle);
    assert_eq!(poll_once(&mut script, &mut None), (Poll::Ready("expired"), "begin turn Idle".to_owned(), 0));
}

#[tokio::test]
async fn a_deadline_wakes_what_waits() {
    let mut script = Script { ends_at: Some(Deadline::Handler), ..Script::default() };
    script.deadlines.handler = Some(Instant::now() + Duration::from_millis(3));
    // When the timer has fired, the deadlines are computed again.
    let end = poll_fn(|cx| {
        script.deadlines.handler.get_or_insert_with(Instant::now);
        poll(&mut script, &mut None, cx)
    });
    assert_eq!(end.await, "expired");
}
