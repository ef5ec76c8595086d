//! How much memory guests, bodies, queues and buffers may take together, and one route of that.
//!
//! Owns the budget and what is reserved of it. A worker reserves ahead in larger pieces and releases late: most often a
//! request changes numbers that only its own thread writes. On threads that do not serve nothing is counted. It must not
//! know what the memory is for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

use crate::share::{Resource, RouteUsage, Share};

mod account;
mod machine;
#[cfg(test)]
mod tests;

pub use account::MemoryBudget;
pub use machine::half_of_the_machine;

use account::{WorkerAccount, with_account};

/// How long a new invocation waits for memory at most, and how often it looks for some.
const MAX_WAIT: Duration = Duration::from_secs(1);
const WAIT_INTERVAL: Duration = Duration::from_millis(10);

/// From how many bytes on a body, a message or a buffer is counted: smaller ones are bounded by how many there may be.
pub const MIN_COUNTED: usize = 16 * 1024;

/// Whose memory it is: it counts for a route, which may have its share.
#[derive(Debug, Clone, Copy)]
pub struct MemoryOwner<'a> {
    /// What the route takes.
    pub usage: &'a Arc<RouteUsage>,
    /// How much of all it may take.
    pub share: Share,
}

/// Why there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryShortage {
    /// All of it is taken.
    #[error("as much memory as --max-memory allows is in use")]
    Total,
    /// The route may not have more.
    #[error("its route has as much memory as its `share` of --max-memory allows")]
    Share,
}

/// Memory that is reserved until this is dropped, on whatever thread.
#[derive(Debug)]
pub struct Reservation {
    account: Option<Arc<WorkerAccount>>,
    usage: Arc<RouteUsage>,
    bytes: usize,
}

impl MemoryOwner<'_> {
    /// Whether it may have what it has and `more`: in any case where that is no more than `first`, since a route that has
    /// none gets what is left, whatever others take.
    fn check(self, first: usize, more: usize) -> Result<(), MemoryShortage> {
        let (taken, free) = with_account((0, usize::MAX), |account| account.level());
        let own = || self.usage.sum(Resource::Memory) + more;
        let allowed = self.share.allows(own, taken, free) || own() <= first;
        if allowed { Ok(()) } else { Err(MemoryShortage::Share) }
    }
}

/// Reserves `bytes` until they are released on this thread, for an instance that has `started_with` so far: a route gets
/// its first instance in any case where there is memory for it. Once an instance runs that is 0.
///
/// # Errors
/// Why there is not as much.
pub fn reserve(bytes: usize, started_with: usize, owner: Option<MemoryOwner<'_>>) -> Result<(), MemoryShortage> {
    if !with_account(true, |account| account.reserve(bytes)) {
        return Err(MemoryShortage::Total);
    }
    let Some(owner) = owner else { return Ok(()) };
    owner.usage.add(Resource::Memory, bytes);
    owner.check(started_with + bytes, 0).inspect_err(|_| {
        owner.usage.subtract(Resource::Memory, bytes);
        release(bytes);
    })
}

/// Whether a route could reserve `bytes` now; if so this thread is sure to get them, until it next releases something.
///
/// # Errors
/// Why it could not.
pub fn check(bytes: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
    if !with_account(true, |account| account.can_reserve(bytes)) {
        return Err(MemoryShortage::Total);
    }
    owner.check(bytes, bytes)
}

/// Whether a route may go on with `bytes` that are reserved already and do not count for it yet.
///
/// # Errors
/// Why it may not.
pub fn check_reserved(bytes: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
    // Where more is in use than may be there is nothing at all.
    if !with_account(true, |account| account.can_reserve(1)) {
        return Err(MemoryShortage::Total);
    }
    owner.check(bytes, bytes)
}

/// Releases what was reserved on this thread.
pub fn release(bytes: usize) {
    with_account((), |account| account.release(bytes));
}

/// Whether little memory is left, or somebody waits for some: what nobody uses is not to be kept.
#[must_use]
pub fn is_short() -> bool {
    with_account(false, |account| account.budget().is_short())
}

/// Has the other workers drop what nobody uses.
pub fn ask_others() {
    with_account((), |account| account.budget().tell_shortage());
}

/// Waits for a moment, and at most for `timeout`, until `check` finds memory; all workers drop what nobody uses meanwhile.
///
/// # Errors
/// What `check` says at the end.
pub async fn wait_until(
    check: impl Fn() -> Result<(), MemoryShortage>,
    timeout: Duration,
) -> Result<(), MemoryShortage> {
    let Some(account) = with_account(None, |account| Some(account.clone())) else { return check() };
    let _waiting = account.budget().wait();
    let until = Instant::now() + MAX_WAIT.min(timeout);
    while let Err(shortage) = check() {
        if Instant::now() >= until {
            return Err(shortage);
        }
        tokio::time::sleep(WAIT_INTERVAL).await;
    }
    Ok(())
}

/// The same bytes, counted for a route until the last of who has them has dropped them. Small ones are not counted.
#[must_use]
pub fn counted(bytes: Bytes, owner: MemoryOwner<'_>) -> Bytes {
    if bytes.len() < MIN_COUNTED {
        return bytes;
    }
    let reservation = Reservation::forced(bytes.len(), owner);
    hold(bytes, reservation)
}

/// The same bytes, with a reservation that ends once the last of who has them has dropped them.
#[must_use]
pub fn hold(bytes: Bytes, reservation: Reservation) -> Bytes {
    struct Held(Bytes, #[expect(dead_code, reason = "is dropped with the bytes")] Reservation);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Held(bytes, reservation))
}

impl Reservation {
    /// A reservation for a route.
    ///
    /// # Errors
    /// Why there is not as much.
    pub fn new(bytes: usize, owner: MemoryOwner<'_>) -> Result<Self, MemoryShortage> {
        reserve(bytes, 0, Some(owner))?;
        Ok(Self::of_reserved(bytes, owner))
    }

    /// A reservation of what is taken in any case: past a limit too, so that others wait until it is released.
    #[must_use]
    pub fn forced(bytes: usize, owner: MemoryOwner<'_>) -> Self {
        with_account((), |account| account.force(bytes));
        owner.usage.add(Resource::Memory, bytes);
        Self::of_reserved(bytes, owner)
    }

    /// Adds `more` bytes, on the thread that has made it.
    ///
    /// # Errors
    /// Why there is not as much: then nothing has changed.
    pub fn grow(&mut self, more: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
        reserve(more, 0, Some(owner))?;
        self.bytes += more;
        Ok(())
    }

    /// How many bytes it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn of_reserved(bytes: usize, owner: MemoryOwner<'_>) -> Self {
        let account = with_account(None, |account| Some(account.clone()));
        Self { account, usage: owner.usage.clone(), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.usage.subtract(Resource::Memory, self.bytes);
        if let Some(account) = &self.account {
            account.release_anywhere(self.bytes);
        }
    }
}
