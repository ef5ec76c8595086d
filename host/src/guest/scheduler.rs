//! Shares the processor of a thread among routes: what has used up its time slice waits here for the next one.
//!
//! Owns who goes on next. At most one of those that wait goes on before the thread looks at its sockets again, so that a
//! request waits for one slice and not for all of them. It is one of the route that has used the least time. A request
//! that comes starts at once, unless its route keeps the thread busy: then it waits for a slice of its route, and is the
//! first there. On a thread that runs no scheduler, such as one that loads components, nobody waits.
//!
//! Each thread has its own, so no core waits for another.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use crate::clock;
use crate::exchange::Exchange;

#[cfg(test)]
mod tests;

/// The longest that work which can be cut anywhere goes on before it waits for its next slice, such as requests that a
/// client sent ahead. A guest is interrupted at the next tick of the epoch.
pub const TIME_SLICE: Duration = Duration::from_micros(100);

/// The route number of work that belongs to no route.
pub const NO_ROUTE: u64 = u64::MAX;

/// A request of a route with at least this credit starts at once. A start adds 1, an interruption takes
/// [`INTERRUPTION`]: a route is below it if more than one in 64 of its requests is interrupted.
const CHEAP: u32 = 64;
const INTERRUPTION: u32 = 64;
const MAX_CREDIT: u32 = 256;

/// The routes that a thread remembers. Past it, those that wait for nothing are forgotten.
const MAX_ROUTES: usize = 4096;

/// How far a route that begins to wait is at most before the one that would go on next.
const MAX_SAVED: Duration = Duration::from_millis(20);

/// The most time that one interruption counts for: a machine that stood still is not the guest's doing.
const MAX_COUNTED: Duration = Duration::from_millis(100);

thread_local! {
    static SCHEDULER: RefCell<Scheduler> = RefCell::new(Scheduler::default());
    /// The tick of the clock when the task that runs was polled.
    static POLLED_AT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// What waits for a thread, by route.
#[derive(Default)]
struct Scheduler {
    /// Whether a task of the thread lets others go on.
    is_run: bool,
    /// Wakes that task, while it waits for the first that waits.
    idle: Option<Waker>,
    /// Every request looks its route up. The numbers are the host's own, so the hash need not withstand an attacker.
    routes: HashMap<u64, RouteTime, FxBuildHasher>,
    /// The routes of which something waits, by what they have used.
    waiting: BTreeSet<(Duration, u64)>,
    /// What the route had used that went on last.
    floor: Duration,
}

/// What one route has of the thread.
#[derive(Default)]
struct RouteTime {
    /// The processor time that counts against it.
    used: Duration,
    credit: u32,
    /// Requests that have not started.
    fresh: VecDeque<Ticket>,
    /// What was interrupted.
    interrupted: VecDeque<Ticket>,
}

/// One that waits.
struct Ticket {
    waker: Waker,
    /// Whether it may go on.
    granted: Arc<AtomicBool>,
}

impl Ticket {
    /// Whether nobody waits with it any more.
    fn is_dropped(&self) -> bool {
        Arc::strong_count(&self.granted) == 1
    }

    fn grant(self) {
        self.granted.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}

impl Scheduler {
    /// Whether a request of a route starts at once.
    fn starts_at_once(&mut self, route: u64) -> bool {
        if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(&route) {
            self.routes.retain(|_, share| share.waits());
        }
        let share = self.routes.entry(route).or_default();
        let at_once = share.interrupted.is_empty() || share.credit >= CHEAP;
        share.credit = (share.credit + 1).min(MAX_CREDIT);
        at_once
    }

    /// A guest of a route was interrupted.
    fn note_interruption(&mut self, route: u64) {
        let share = self.routes.entry(route).or_default();
        share.credit = share.credit.saturating_sub(INTERRUPTION);
    }

    /// Takes in one that waits, whose route has `used` so much since it waited last.
    fn wait(&mut self, route: u64, used: Duration, is_fresh: bool, ticket: Ticket) {
        let share = self.routes.entry(route).or_default();
        if share.waits() {
            self.waiting.remove(&(share.used, route));
            share.used += used;
        } else {
            // A route that did not wait has saved little up.
            let next = self.waiting.first().map_or(self.floor, |(used, _)| self.floor.max(*used));
            share.used = (share.used + used).max(next.saturating_sub(MAX_SAVED));
        }
        self.waiting.insert((share.used, route));
        let queue = if is_fresh { &mut share.fresh } else { &mut share.interrupted };
        queue.push_back(ticket);
        if let Some(idle) = self.idle.take() {
            idle.wake();
        }
    }

    /// Lets one go on: of the route that has used the least, a request that has not started, or else what has waited the
    /// longest.
    fn grant(&mut self) {
        while let Some((used, route)) = self.waiting.first().copied() {
            self.floor = used;
            let next = self.routes.get_mut(&route).and_then(|share| {
                let next = share.fresh.pop_front().or_else(|| share.interrupted.pop_front());
                if !share.waits() {
                    self.waiting.remove(&(used, route));
                }
                next
            });
            match next {
                Some(ticket) if ticket.is_dropped() => {}
                Some(ticket) => return ticket.grant(),
                None => {
                    self.waiting.remove(&(used, route));
                }
            }
        }
    }
}

impl RouteTime {
    fn waits(&self) -> bool {
        !self.fresh.is_empty() || !self.interrupted.is_empty()
    }
}

/// Runs the scheduler of this thread. Without it nobody waits.
pub async fn run() -> Infallible {
    loop {
        std::future::poll_fn(|cx| {
            SCHEDULER.with_borrow_mut(|scheduler| {
                scheduler.is_run = true;
                if !scheduler.waiting.is_empty() {
                    return Poll::Ready(());
                }
                scheduler.idle = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
        // The runtime comes back only after all that is ready has run and the sockets were looked at. Nothing else wakes
        // this task meanwhile: it would go on at once.
        tokio::task::yield_now().await;
        SCHEDULER.with_borrow_mut(Scheduler::grant);
    }
}

/// Waits until a request of a route may start, if it has to wait.
pub(super) fn start(route: u64, exchange: &Arc<Exchange>) -> Option<NextSlice> {
    let at_once = SCHEDULER.with_borrow_mut(|scheduler| scheduler.starts_at_once(route));
    (!at_once).then(|| NextSlice {
        route,
        used: Duration::ZERO,
        is_fresh: true,
        exchange: Some(exchange.clone()),
        granted: None,
    })
}

/// Says that a task is polled now that lets a guest run. What a guest has run for is counted from then on.
pub fn note_poll() {
    POLLED_AT.set(clock::ticked());
}

/// For a guest that is asked to rest: the time it has run, in whole ticks. None if no tick has come since its task was
/// polled: it is asked then only because a tick came while it waited.
pub(super) fn ran_for() -> Option<Duration> {
    let now = clock::ticked();
    let ran = now.saturating_sub(POLLED_AT.replace(now));
    (!ran.is_zero()).then_some(ran.min(MAX_COUNTED))
}

/// Waits for the next slice after a guest was interrupted that had run for so long.
pub(super) fn interrupted(route: u64, ran: Duration, exchange: Option<Arc<Exchange>>) -> NextSlice {
    SCHEDULER.with_borrow_mut(|scheduler| scheduler.note_interruption(route));
    NextSlice::after(route, ran, exchange)
}

/// Ready when its route has its next slice, or when the time of its exchange is up.
#[derive(Debug)]
pub struct NextSlice {
    route: u64,
    used: Duration,
    is_fresh: bool,
    exchange: Option<Arc<Exchange>>,
    /// Whether it may go on, once it waits.
    granted: Option<Arc<AtomicBool>>,
}

impl NextSlice {
    /// For work of a route that has gone on for `used`.
    #[must_use]
    pub fn after(route: u64, used: Duration, exchange: Option<Arc<Exchange>>) -> Self {
        Self { route, used, is_fresh: false, exchange, granted: None }
    }

    fn is_expired(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.is_expired(Instant::now()))
    }
}

impl Future for NextSlice {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(granted) = &self.granted {
            let goes_on = granted.load(Ordering::Relaxed) || self.is_expired();
            return if goes_on { Poll::Ready(()) } else { Poll::Pending };
        }
        let granted = Arc::<AtomicBool>::default();
        let ticket = Ticket { waker: cx.waker().clone(), granted: granted.clone() };
        self.granted = Some(granted);
        SCHEDULER.with_borrow_mut(|scheduler| match scheduler.is_run {
            true => scheduler.wait(self.route, self.used, self.is_fresh, ticket),
            false => ticket.grant(),
        });
        Poll::Pending
    }
}
