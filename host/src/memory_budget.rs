//! The memory that guests, bodies, queues and buffers may use together, and each route's share of it.
//!
//! A worker reserves ahead in larger pieces and releases late, so that most requests change only numbers of their own thread.
//! Threads that do not serve count nothing.

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

/// The longest wait of a new invocation for memory, and how often it checks meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(1);
const WAIT_INTERVAL: Duration = Duration::from_millis(10);

/// A body, message or buffer of fewer bytes is not counted: the number of these is bounded.
pub const MIN_COUNTED: usize = 16 * 1024;

/// The route that memory counts for.
#[derive(Debug, Clone, Copy)]
pub struct MemoryOwner<'a> {
    /// What the route uses.
    pub usage: &'a Arc<RouteUsage>,
    /// Its share of the whole budget.
    pub share: Share,
}

/// Why there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryShortage {
    /// The whole budget is in use.
    #[error("as much memory as --max-memory allows is in use")]
    Total,
    /// The route uses its whole share.
    #[error("its route has as much memory as its `share` of --max-memory allows")]
    Share,
}

/// Memory that is reserved until this is dropped, on any thread.
#[derive(Debug)]
pub struct Reservation {
    account: Option<Arc<WorkerAccount>>,
    usage: Arc<RouteUsage>,
    bytes: usize,
}

impl MemoryOwner<'_> {
    /// Whether the route may have `more` bytes in addition to what it has. It may have up to `first` bytes in any case,
    /// so that a route that uses nothing gets what is left.
    fn check(self, first: usize, more: usize) -> Result<(), MemoryShortage> {
        let (taken, free) = with_account((0, usize::MAX), |account| account.level());
        let own = || self.usage.sum(Resource::Memory) + more;
        let allowed = self.share.allows(own, taken, free) || own() <= first;
        if allowed { Ok(()) } else { Err(MemoryShortage::Share) }
    }
}

/// Reserves `bytes` until they are released on this thread. `started_with` is what a starting instance has reserved so far, and
/// 0 for everything else: the share does not keep a route from its first instance.
///
/// # Errors
/// Why they cannot be reserved.
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

/// Checks that a route can reserve `bytes` now. If so, this thread keeps them available until it reserves them or
/// releases something.
///
/// # Errors
/// Why it cannot.
pub fn check(bytes: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
    if !with_account(true, |account| account.can_reserve(bytes)) {
        return Err(MemoryShortage::Total);
    }
    owner.check(bytes, bytes)
}

/// Checks that a route may take over `bytes` that are reserved already and do not count for it yet.
///
/// # Errors
/// Why it may not.
pub fn check_reserved(bytes: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
    // The bytes in use may exceed the budget. Then nothing is left.
    if !with_account(true, |account| account.can_reserve(1)) {
        return Err(MemoryShortage::Total);
    }
    owner.check(bytes, bytes)
}

/// Releases `bytes` that were reserved on this thread.
pub fn release(bytes: usize) {
    with_account((), |account| account.release(bytes));
}

/// Whether little memory is left or an invocation waits for some, so that unused memory should be dropped.
#[must_use]
pub fn is_short() -> bool {
    with_account(false, |account| account.budget().is_short())
}

/// Makes the other workers drop unused memory.
pub fn ask_others() {
    with_account((), |account| account.budget().tell_shortage());
}

/// Waits until `check` succeeds, at most for a second or `timeout`. Meanwhile all workers drop unused memory.
///
/// # Errors
/// The last error of `check`.
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

/// The same bytes, counted for a route until the last clone is dropped. Small ones are not counted.
#[must_use]
pub fn counted(bytes: Bytes, owner: MemoryOwner<'_>) -> Bytes {
    if bytes.len() < MIN_COUNTED {
        return bytes;
    }
    let reservation = Reservation::forced(bytes.len(), owner);
    hold(bytes, reservation)
}

/// The same bytes, with a reservation that ends when the last clone is dropped.
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
    /// Reserves `bytes` for a route.
    ///
    /// # Errors
    /// Why they cannot be reserved.
    pub fn new(bytes: usize, owner: MemoryOwner<'_>) -> Result<Self, MemoryShortage> {
        reserve(bytes, 0, Some(owner))?;
        Ok(Self::of_reserved(bytes, owner))
    }

    /// Reserves bytes that are in use already, even past the limit, so that others wait until they are released.
    #[must_use]
    pub fn forced(bytes: usize, owner: MemoryOwner<'_>) -> Self {
        with_account((), |account| account.force(bytes));
        owner.usage.add(Resource::Memory, bytes);
        Self::of_reserved(bytes, owner)
    }

    /// Adds `more` bytes. Call it on the thread that made the reservation.
    ///
    /// # Errors
    /// Why they cannot be reserved. The reservation is then unchanged.
    pub fn grow(&mut self, more: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
        reserve(more, 0, Some(owner))?;
        self.bytes += more;
        Ok(())
    }

    /// The number of bytes.
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
