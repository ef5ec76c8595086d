//! The token buckets of one connection, for routes whose rate is each connection's own.

use std::sync::{Arc, Mutex};

use super::reply::Direction;
use crate::rate::TokenBucket;

/// Buckets by route and direction; as many at most as the table has routes.
#[derive(Debug, Default)]
pub(super) struct Buckets(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    route: Arc<str>,
    direction: Direction,
    bucket: Arc<Mutex<TokenBucket>>,
}

impl Buckets {
    /// The bucket of a route, made by `new` where this is its first request on the connection.
    pub(super) fn get(
        &mut self,
        route: &Arc<str>,
        direction: Direction,
        new: impl FnOnce() -> TokenBucket,
    ) -> Arc<Mutex<TokenBucket>> {
        let found = self.0.iter().find(|entry| entry.direction == direction && entry.route == *route);
        if let Some(entry) = found {
            return entry.bucket.clone();
        }
        let bucket = Arc::new(Mutex::new(new()));
        self.0.push(Entry { route: route.clone(), direction, bucket: bucket.clone() });
        bucket
    }
}
