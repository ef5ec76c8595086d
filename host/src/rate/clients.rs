//! The token buckets of one route's clients: a rate is a client's, however many connections it opens.
//!
//! Owns who counts as one client and how long a bucket is kept. It must not know how a bucket counts.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::TokenBucket;

/// The token buckets of one route, in one direction, by client.
///
/// A bucket outlives its connections until it is full again, so that connecting anew gains nothing. Full ones that
/// nobody holds are swept as others come: no more are kept than twice the clients of the last `burst / rate` seconds,
/// and a few.
#[derive(Debug)]
pub struct Clients {
    rate: NonZeroU64,
    burst: u64,
    shards: [Mutex<ClientShard>; SHARDS],
}

/// Enough that the threads of one machine seldom meet.
const SHARDS: usize = 16;

/// No shard is swept for fewer buckets than this.
const MIN_SWEEP: usize = 32;

#[derive(Debug, Default)]
struct ClientShard {
    buckets: HashMap<Client, Arc<Mutex<TokenBucket>>>,
    /// The number of buckets at which the next sweep is due.
    sweep_at: usize,
}

/// What counts as one client. An IPv6 customer is given at least a /64, and can take any address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4(Ipv4Addr),
    V6Prefix(u64),
}

impl Clients {
    /// Buckets for `rate` bytes a second and `burst` bytes at once, for each client.
    #[must_use]
    pub fn new(rate: NonZeroU64, burst: u64) -> Self {
        Self { rate, burst, shards: Default::default() }
    }

    /// The bucket that all connections of the client at `address` share.
    pub fn bucket(&self, address: IpAddr, now: Instant) -> Arc<Mutex<TokenBucket>> {
        let client = Client::from(address);
        let mut shard = locked(&self.shards[client.shard()]);
        if let Some(bucket) = shard.buckets.get(&client) {
            return Arc::clone(bucket);
        }
        shard.sweep(now);
        let bucket = Arc::new(Mutex::new(TokenBucket::new(self.rate, self.burst, now)));
        shard.buckets.insert(client, Arc::clone(&bucket));
        bucket
    }

    /// Whether its buckets are filled as fast and hold as much as those of another.
    #[must_use]
    pub fn paces_like(&self, other: &Self) -> bool {
        (self.rate, self.burst) == (other.rate, other.burst)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).buckets.len()).sum()
    }
}

impl ClientShard {
    /// Drops what is as good as new, once the shard has doubled since the last time: a constant cost per insertion.
    fn sweep(&mut self, now: Instant) {
        if self.buckets.len() < self.sweep_at.max(MIN_SWEEP) {
            return;
        }
        // Clones are made under this shard's lock only: a count of one cannot grow meanwhile.
        self.buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !locked(bucket).is_full(now));
        self.buckets.shrink_to(MIN_SWEEP.max(2 * self.buckets.len()));
        self.sweep_at = 2 * self.buckets.len();
    }
}

impl Client {
    fn shard(self) -> usize {
        let bits = match self {
            Self::V4(address) => u64::from(address.to_bits()),
            Self::V6Prefix(prefix) => prefix,
        };
        // Fibonacci hashing: the top bits depend on all of the address.
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize % SHARDS
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6Prefix((address.to_bits() >> 64) as u64),
        }
    }
}

/// A panic elsewhere cannot leave a bucket or a shard half changed: there is nothing in them to repair.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
