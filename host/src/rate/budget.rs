//! A token bucket that several users draw on.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::TokenBucket;

/// The bytes that several users may pass together. A clone is the same budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Mutex<TokenBucket>>);

impl Budget {
    /// A full budget of `rate` bytes a second, of which `burst` bytes may pass at once.
    #[must_use]
    pub fn new(rate: NonZeroU64, burst: u64, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(TokenBucket::new(rate, burst, now))))
    }

    /// As [`TokenBucket::reserve`].
    #[must_use]
    pub fn reserve(&self, bytes: u64, now: Instant) -> Instant {
        self.lock().reserve(bytes, now)
    }

    /// As [`TokenBucket::refund`].
    pub fn refund(&self, bytes: u64) {
        self.lock().refund(bytes);
    }

    /// Takes `bytes` if all of them may pass at once, and nothing otherwise.
    #[must_use]
    pub fn try_take(&self, bytes: u64, now: Instant) -> bool {
        let mut bucket = self.lock();
        if bucket.reserve(bytes, now) <= now {
            return true;
        }
        bucket.refund(bytes);
        false
    }

    /// Whether `other` is a clone of this one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether this is the only clone and the bucket is as full as a new one.
    pub(super) fn is_unused(&self, now: Instant) -> bool {
        Arc::strong_count(&self.0) == 1 && self.lock().is_full(now)
    }

    fn lock(&self) -> MutexGuard<'_, TokenBucket> {
        // Each change of a bucket is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
