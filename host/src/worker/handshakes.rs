//! How many handshakes of TLS a worker carries on at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The handshakes of one worker that have begun: each takes memory, and time when its turn comes. A client that has sent
/// nothing has not begun.
#[derive(Debug)]
pub(crate) struct Handshakes {
    permits: Semaphore,
    /// How many wait for a permit.
    waiting: AtomicUsize,
}

/// Counts a handshake that waits.
struct WaitingHandshake<'h>(&'h Handshakes);

impl Drop for WaitingHandshake<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handshakes {
    pub(crate) fn new(most: usize) -> Self {
        Self { permits: Semaphore::new(most.min(Semaphore::MAX_PERMITS)), waiting: AtomicUsize::new(0) }
    }

    /// Waits until a handshake may begin, in the order of arrival. `None` never comes: the permits are not taken back.
    pub(crate) async fn begin(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = WaitingHandshake(self);
        self.permits.acquire().await.ok()
    }

    /// Whether a handshake waits for one of the others to end.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn past_the_bound_a_handshake_waits_until_another_ends() {
        let handshakes = Handshakes::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        let first = pin!(handshakes.begin()).poll(&mut cx);
        assert!(first.is_ready() && !handshakes.has_waiting());
        {
            let mut second = pin!(handshakes.begin());
            assert!(second.as_mut().poll(&mut cx).is_pending() && handshakes.has_waiting());
            drop(first);
            assert!(second.as_mut().poll(&mut cx).is_ready() && !handshakes.has_waiting());
        }
        let _taken = pin!(handshakes.begin()).poll(&mut cx);
        {
            let mut third = pin!(handshakes.begin());
            assert!(third.as_mut().poll(&mut cx).is_pending());
        }
        assert!(!handshakes.has_waiting(), "it has given up");
    }
}
