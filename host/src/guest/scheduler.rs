//! Shares the processor time of a thread among routes: work that has used up its time slice waits here for the next
//! one.
//!
//! Between two polls of the sockets at most one waiting ticket is granted, so that a new request waits for one slice
//! and not for all of them. The ticket belongs to the route that has used the least time. A new request starts at once,
//! unless its route keeps the thread busy: then it waits for a slice of its route, ahead of interrupted work. On a
//! thread that does not run a scheduler, such as one that loads components, nothing waits.
//!
//! Each thread has its own scheduler, so cores share nothing.

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

/// How long work that can yield anywhere runs before it waits for its next slice, such as pipelined requests. A guest
/// is interrupted at the next tick of the epoch.
pub const TIME_SLICE: Duration = Duration::from_micros(100);

/// The route id of work that belongs to no route.
pub const NO_ROUTE: u64 = u64::MAX;

/// The route id of handshakes of TLS.
pub const HANDSHAKES: u64 = u64::MAX - 1;

/// A request of a route with at least this credit starts at once. A start adds 1 and an interruption subtracts
/// [`INTERRUPTION_COST`], so a route stays below it if more than one in 64 of its requests is interrupted.
const START_CREDIT: u32 = 64;
const INTERRUPTION_COST: u32 = 64;
const MAX_CREDIT: u32 = 256;

/// Maximum number of routes that a thread remembers. Past it, routes with nothing waiting are forgotten.
const MAX_ROUTES: usize = 4096;

/// How much less time a route may have used than the route that is next, when it begins to wait: idle time earns no
/// more than this.
const MAX_SAVED: Duration = Duration::from_millis(20);

/// The most time that one interruption counts: if the machine was suspended, the guest is not charged.
const MAX_COUNTED: Duration = Duration::from_millis(100);

thread_local! {
    static SCHEDULER: RefCell<Scheduler> = RefCell::new(Scheduler::default());
    /// The tick of the clock when the current task was polled.
    static POLLED_AT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The tickets that wait on a thread, by route.
#[derive(Default)]
struct Scheduler {
    /// Whether a task of the thread runs [`run`].
    is_running: bool,
    /// Wakes that task when the first ticket arrives.
    run_waker: Option<Waker>,
    /// Looked up for every request. The keys are the host's own, so the hash need not resist attacks.
    routes: HashMap<u64, RouteTime, FxBuildHasher>,
    /// The routes with waiting tickets, ordered by the time they have used.
    waiting: BTreeSet<(Duration, u64)>,
    /// The time that the last granted route had used.
    floor: Duration,
}

/// The state of a route on a thread.
#[derive(Default)]
struct RouteTime {
    /// The processor time charged to the route.
    used: Duration,
    credit: u32,
    /// Tickets of requests that have not started.
    new: VecDeque<Ticket>,
    /// Tickets of interrupted work.
    interrupted: VecDeque<Ticket>,
}

/// Work that waits for a slice.
struct Ticket {
    waker: Waker,
    /// Whether it may resume.
    granted: Arc<AtomicBool>,
}

impl Ticket {
    /// Whether its [`NextSlice`] was dropped.
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
            self.routes.retain(|_, route_time| route_time.is_waiting());
        }
        let route_time = self.routes.entry(route).or_default();
        let at_once = route_time.interrupted.is_empty() || route_time.credit >= START_CREDIT;
        route_time.credit = (route_time.credit + 1).min(MAX_CREDIT);
        at_once
    }

    /// Charges an interruption to a route's credit.
    fn note_interruption(&mut self, route: u64) {
        let route_time = self.routes.entry(route).or_default();
        route_time.credit = route_time.credit.saturating_sub(INTERRUPTION_COST);
    }

    /// Adds a ticket. The route has `used` this much time since it last waited.
    fn wait(&mut self, route: u64, used: Duration, is_new: bool, ticket: Ticket) {
        let route_time = self.routes.entry(route).or_default();
        if route_time.is_waiting() {
            self.waiting.remove(&(route_time.used, route));
            route_time.used += used;
        } else {
            // A route that was idle keeps only a small part of the time that it did not use.
            let next = self.waiting.first().map_or(self.floor, |(used, _)| self.floor.max(*used));
            route_time.used = (route_time.used + used).max(next.saturating_sub(MAX_SAVED));
        }
        self.waiting.insert((route_time.used, route));
        let queue = if is_new { &mut route_time.new } else { &mut route_time.interrupted };
        queue.push_back(ticket);
        if let Some(waker) = self.run_waker.take() {
            waker.wake();
        }
    }

    /// Grants a ticket of the route that has used the least time: a request that has not started, or else the oldest
    /// interrupted work.
    fn grant(&mut self) {
        while let Some((used, route)) = self.waiting.first().copied() {
            self.floor = used;
            let next = self.routes.get_mut(&route).and_then(|route_time| {
                let next = route_time.new.pop_front().or_else(|| route_time.interrupted.pop_front());
                if !route_time.is_waiting() {
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
    fn is_waiting(&self) -> bool {
        !self.new.is_empty() || !self.interrupted.is_empty()
    }
}

/// Runs the scheduler of this thread. Without it, nothing waits.
pub async fn run() -> Infallible {
    loop {
        std::future::poll_fn(|cx| {
            SCHEDULER.with_borrow_mut(|scheduler| {
                scheduler.is_running = true;
                if !scheduler.waiting.is_empty() {
                    return Poll::Ready(());
                }
                scheduler.run_waker = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
        // The runtime polls this task again only after all ready tasks have run and the sockets were polled. Nothing
        // else may wake this task meanwhile, or it would resume at once.
        tokio::task::yield_now().await;
        SCHEDULER.with_borrow_mut(Scheduler::grant);
    }
}

/// A future to await before a request of the route starts. `None` if it may start at once.
pub(super) fn start(route: u64, exchange: &Arc<Exchange>) -> Option<NextSlice> {
    let at_once = SCHEDULER.with_borrow_mut(|scheduler| scheduler.starts_at_once(route));
    (!at_once).then(|| NextSlice {
        route,
        used: Duration::ZERO,
        is_new: true,
        exchange: Some(exchange.clone()),
        granted: None,
    })
}

/// Call this before polling a task that may run a guest. The guest's running time is counted from here.
pub fn note_poll() {
    POLLED_AT.set(clock::ticked());
}

/// The time that an interrupted guest has run, in whole ticks. `None` if no tick has passed since its task was polled:
/// then the tick came while the guest was waiting.
pub(super) fn ran_for() -> Option<Duration> {
    let now = clock::ticked();
    let ran = now.saturating_sub(POLLED_AT.replace(now));
    (!ran.is_zero()).then_some(ran.min(MAX_COUNTED))
}

/// Waits for the next slice of a guest that was interrupted after running for `ran`.
pub(super) fn interrupted(route: u64, ran: Duration, exchange: Option<Arc<Exchange>>) -> NextSlice {
    SCHEDULER.with_borrow_mut(|scheduler| scheduler.note_interruption(route));
    NextSlice::after(route, ran, exchange)
}

/// Completes when the route gets its next slice, or when the deadline of the exchange has passed.
#[derive(Debug)]
pub struct NextSlice {
    route: u64,
    used: Duration,
    is_new: bool,
    exchange: Option<Arc<Exchange>>,
    /// Set once it waits: whether it may resume.
    granted: Option<Arc<AtomicBool>>,
}

impl NextSlice {
    /// For work of a route that has run for `used`.
    #[must_use]
    pub fn after(route: u64, used: Duration, exchange: Option<Arc<Exchange>>) -> Self {
        Self { route, used, is_new: false, exchange, granted: None }
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
        SCHEDULER.with_borrow_mut(|scheduler| match scheduler.is_running {
            true => scheduler.wait(self.route, self.used, self.is_new, ticket),
            false => ticket.grant(),
        });
        Poll::Pending
    }
}
