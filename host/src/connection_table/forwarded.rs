//! The requests in flight of clients behind trusted proxies. Connections of a proxy are shared by its clients, so each client's
//! requests are bounded in place of its connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{ConnectionTable, SHARDS, locked};
use crate::net::{ClientKey, Peer};

/// How many requests each client has in flight.
#[derive(Debug, Default)]
pub(super) struct ForwardedRequests([Mutex<HashMap<ClientKey, usize>>; SHARDS]);

/// Counts one request of a client until it is dropped.
#[derive(Debug)]
pub(crate) struct ForwardedPermit {
    table: Arc<ConnectionTable>,
    client: Option<ClientKey>,
}

impl ConnectionTable {
    /// A permit for a request that a trusted proxy forwards for `client`. `None` if the client has as many in flight as it may
    /// have connections.
    pub(crate) fn forward(self: &Arc<Self>, client: &Peer) -> Option<ForwardedPermit> {
        let key = client.client_key();
        if let Some(key) = key {
            let mut shard = locked(&self.forwarded.0[key.shard(SHARDS)]);
            let requests = shard.entry(key).or_default();
            if *requests >= self.most_of(client) {
                return None;
            }
            *requests += 1;
        }
        Some(ForwardedPermit { table: self.clone(), client: key })
    }
}

impl Drop for ForwardedPermit {
    fn drop(&mut self) {
        let Some(key) = self.client else { return };
        let mut shard = locked(&self.table.forwarded.0[key.shard(SHARDS)]);
        if let Some(requests) = shard.get_mut(&key) {
            *requests -= 1;
            if *requests == 0 {
                shard.remove(&key);
            }
        }
    }
}
