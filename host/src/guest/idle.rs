//! What a thread that serves tells the handlers' instances of its own state: that it is idle, busy, at its end.

use std::cell::Cell;

use super::shelf;

/// The most sockets that a thread is to hear of at once. Few: what is heard of a socket, and what its connection has in
/// memory, is still in the caches of the core when its turn comes.
pub(crate) const HEARD_AT_ONCE: usize = 16;

/// How often a guest that runs on lets the thread hear of sockets before it goes on.
const MOST_ROUNDS: usize = 64;

thread_local! {
    /// The turns that connections had so far.
    static TURNS: Cell<usize> = const { Cell::new(0) };
    /// A guest was interrupted in its run since the thread last had nothing to do.
    static SPINS: Cell<bool> = const { Cell::new(false) };
}

/// A guest was interrupted in its run, and goes on.
pub(super) fn note_spin() {
    SPINS.set(true);
}

/// Whether guests of this thread run for so long that whoever waits for his turn waits for ticks.
#[must_use]
pub fn spins() -> bool {
    SPINS.get()
}

/// A connection has its turn.
pub fn note_turn() {
    TURNS.set(TURNS.get().wrapping_add(1));
}

/// A guest that runs lets all others have their turns: those that are ready, and those that the thread hears of then, until
/// they are fewer than it can hear of at once.
pub(super) async fn rest() {
    for _ in 0..MOST_ROUNDS {
        let before = TURNS.get();
        // Not a guest's plain yield, nor a wake: tokio would run it many times before it looks at the sockets again.
        tokio::task::yield_now().await;
        if TURNS.get().wrapping_sub(before) < HEARD_AT_ONCE {
            return;
        }
    }
}

/// For a thread that is about to wait: does what would have held up a request.
pub fn when_idle() {
    SPINS.set(false);
    shelf::tidy();
}

/// For a thread that serves no more: ends the instances that waited for it.
pub fn at_end() {
    shelf::clear();
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// How many rounds a guest rests while each of the first `busy` brings as many turns as a thread hears of at once.
    fn rounds(busy: usize) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut rest = pin!(rest());
        let mut rounds = 0;
        while rest.as_mut().poll(&mut cx).is_pending() {
            let turns = if rounds < busy { HEARD_AT_ONCE } else { HEARD_AT_ONCE - 1 };
            (0..turns).for_each(|_| note_turn());
            rounds += 1;
        }
        rounds
    }

    #[test]
    fn a_guest_rests_until_all_who_are_ready_had_their_turns() {
        assert_eq!([0, 1, 5, 20].map(rounds), [1, 2, 6, 21]);
    }

    #[test]
    fn a_guest_goes_on_after_a_while_however_many_are_ready() {
        assert_eq!(rounds(10 * MOST_ROUNDS), MOST_ROUNDS);
    }
}
