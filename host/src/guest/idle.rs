//! What a thread puts off until it has nothing else to do: it ends an instance, and makes one ahead.
//!
//! Owns when that is. It must not know what waits on a shelf.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::instance::Instance;
use super::shelf::Terms;
use super::state::State;
use super::{Handler, Invocation};

/// How long an instance that is made ahead may take to start.
const MAX_START: Duration = Duration::from_millis(100);

thread_local! {
    /// The handler whose request last took an instance that is not to be used again, or found none.
    static WISH: RefCell<Option<Wish>> = const { RefCell::new(None) };
    /// How many such requests have come since the thread last had nothing to do.
    static WISHES: Cell<u32> = const { Cell::new(0) };
    /// An instance that has served its last invocation: its end can wait until the response is sent.
    static ENDED: Cell<Option<Instance>> = const { Cell::new(None) };
    /// A guest has run for a whole tick since the thread last had nothing to do.
    static SPINS: Cell<bool> = const { Cell::new(false) };
}

struct Wish {
    handler: Weak<Handler>,
    route: Arc<str>,
    terms: Terms,
}

/// Asks for an instance to be made when the thread has nothing else to do.
pub(super) fn wish(handler: &Arc<Handler>, invocation: &Invocation, terms: Terms) {
    WISHES.set(WISHES.get().saturating_add(1));
    // Under load it is made no sooner than by the request that needs it, and only has cooled down.
    if WISHES.get() > 1 || handler.shelves().is_late() {
        return WISH.set(None);
    }
    WISH.set(Some(Wish { handler: Arc::downgrade(handler), route: invocation.route.clone(), terms }));
}

/// Ends an instance once the thread has nothing else to do, or the next one has ended.
pub(super) fn end(instance: Instance) {
    ENDED.set(Some(instance));
}

/// A guest has run for a whole tick, and goes on.
pub(super) fn note_spin() {
    SPINS.set(true);
}

/// Whether guests of this thread run for so long that whoever waits for his turn waits for ticks.
#[must_use]
pub fn spins() -> bool {
    SPINS.get()
}

/// For a thread that is about to wait: does what would hold up a request.
pub fn when_idle() {
    SPINS.set(false);
    WISHES.set(0);
    ENDED.set(None);
    if let Some(Wish { handler, route, terms }) = WISH.take()
        && let Some(handler) = handler.upgrade()
        && handler.shelves().is_empty()
    {
        let state = State::alone(route, terms.memory, MAX_START);
        let made = pin!(Instance::new(&handler, state)).poll(&mut Context::from_waker(Waker::noop()));
        match made {
            // Where there is no room it is dropped.
            Poll::Ready(Ok(instance)) => drop(handler.shelves().put(instance, terms)),
            Poll::Ready(Err(_)) | Poll::Pending => handler.shelves().set_late(),
        }
    }
}
