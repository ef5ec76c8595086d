//! The token buckets of one connection, for routes whose rate is each connection's own.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::rate::TokenBucket;

/// A way of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Download,
    Upload,
}

/// Buckets by route and direction; as many at most as the tables of its time have routes.
#[derive(Debug, Default)]
pub(super) struct ConnectionBuckets(Vec<ConnectionBucket>);

#[derive(Debug)]
struct ConnectionBucket {
    route: Arc<str>,
    direction: Direction,
    /// Bytes a second, and the bytes at once.
    pace: (NonZeroU64, u64),
    bucket: Arc<Mutex<TokenBucket>>,
}

impl ConnectionBuckets {
    /// The bucket of a route for `rate` bytes a second and `burst` at once. It is a new one where this is the route's
    /// first request on the connection, and the first since it was loaded with another pace.
    pub(super) fn get(
        &mut self,
        route: &Arc<str>,
        direction: Direction,
        pace: (NonZeroU64, u64),
        now: Instant,
    ) -> Arc<Mutex<TokenBucket>> {
        let found = self.0.iter().position(|entry| entry.direction == direction && entry.route == *route);
        if let Some(entry) = found.map(|index| &self.0[index])
            && entry.pace == pace
        {
            return entry.bucket.clone();
        }
        let bucket = Arc::new(Mutex::new(TokenBucket::new(pace.0, pace.1, now)));
        let entry = ConnectionBucket { route: route.clone(), direction, pace, bucket: bucket.clone() };
        match found {
            Some(index) => self.0[index] = entry,
            None => self.0.push(entry),
        }
        bucket
    }
}
