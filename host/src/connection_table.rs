//! The open connections of all workers, by client: whether another may be opened, and which idle one is closed for it.
//!
//! The table is locked when a connection is opened or closed, and when a bound is reached. A request changes only an atomic of
//! its own connection ([`ClientSocket`]).

mod eviction;
mod forwarded;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::clock;
use crate::close_reason::CloseReason;
use crate::config::{ConnectionsPerClient, Limits};
use crate::net::{ClientKey, Peer, TrustedProxies};

pub(crate) use forwarded::ForwardedPermit;
pub(crate) use socket::{ClientSocket, IdleSince};

use eviction::EvictionQueue;
use forwarded::ForwardedRequests;

/// The most connections that are answered 503 at once. Past them a connection is closed without a response.
const MAX_REFUSALS: usize = 128;

/// The most evicted connections that are still open. Past them accepting pauses.
const MAX_EVICTING: usize = 64;

/// Enough shards that the threads of one machine seldom wait for each other.
const SHARDS: usize = 16;

/// The connections of all workers.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    most: usize,
    per_client: ConnectionsPerClient,
    /// Their connections are those of many clients, so they are not bounded by client.
    proxies: TrustedProxies,
    /// The requests that came through proxies.
    forwarded: ForwardedRequests,
    /// Connections that are served, or on their way to a worker.
    admitted: AtomicUsize,
    /// Connections that are answered 503.
    refused: AtomicUsize,
    /// Evicted connections that are still open.
    evicting: AtomicUsize,
    shards: [Mutex<HashMap<ClientId, ClientConnections>>; SHARDS],
    /// Which connections of all clients to evict next. Locked before a shard, never after.
    oldest: Mutex<EvictionQueue>,
}

/// A client. `None` is all peers without an address; they are not bounded.
type ClientId = Option<ClientKey>;

/// The connections of one client.
#[derive(Debug, Default)]
struct ClientConnections {
    /// All of them, including those on their way to a worker.
    count: usize,
    /// The connections that a worker serves. Each socket has its index here.
    registered: Vec<RegisteredConnection>,
    /// Which to evict next, once the client has reached its bound.
    oldest: Option<Box<EvictionQueue>>,
}

/// A connection that a worker serves. It can be evicted while it is idle.
#[derive(Debug)]
struct RegisteredConnection {
    socket: Arc<ClientSocket>,
    waker: Waker,
}

/// Counts one connection until it is dropped: one within the bounds, or one that is refused.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    table: Arc<ConnectionTable>,
    state: PermitState,
}

#[derive(Debug)]
enum PermitState {
    Reserved(ClientId),
    Registered(Arc<ClientSocket>),
    Refused(CloseReason),
}

impl ConnectionTable {
    /// A table without connections, with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.max_connections,
            per_client: limits.max_connections_per_client,
            proxies: TrustedProxies::default(),
            forwarded: ForwardedRequests::default(),
            admitted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            evicting: AtomicUsize::new(0),
            shards: Default::default(),
            oldest: Mutex::default(),
        }
    }

    /// The same table, for a server behind these proxies.
    pub(crate) fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// A permit for an accepted connection. None if so many are being refused that it can only be closed.
    pub(crate) fn open(self: &Arc<Self>, peer: &Peer) -> Option<ConnectionPermit> {
        self.open_at(peer, clock::ticked())
    }

    fn open_at(self: &Arc<Self>, peer: &Peer, now: Duration) -> Option<ConnectionPermit> {
        let state = match self.reserve(peer, now) {
            Ok(()) => PermitState::Reserved(peer.client_key()),
            Err(reason) => {
                let one_more = |refused: usize| (refused < MAX_REFUSALS).then_some(refused + 1);
                self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
                PermitState::Refused(reason)
            }
        };
        Some(ConnectionPermit { table: self.clone(), state })
    }

    /// Admits an evicted connection again, because a request arrived on it. Another one may be evicted for it.
    ///
    /// # Errors
    /// Why it cannot be admitted.
    pub(crate) fn readmit(&self, peer: &Peer, socket: &Arc<ClientSocket>, waker: &Waker) -> Result<(), CloseReason> {
        self.reserve(peer, clock::ticked())?;
        self.evicting.fetch_sub(1, Ordering::Relaxed);
        self.register(socket, waker);
        Ok(())
    }

    /// Whether so many evicted connections are still open that accepting should pause.
    pub(crate) fn is_crowded(&self) -> bool {
        self.evicting.load(Ordering::Relaxed) >= MAX_EVICTING
    }

    /// Counts another connection of `peer`. At a bound, evicts the longest idle connection: of this client, or of all.
    fn reserve(&self, peer: &Peer, now: Duration) -> Result<(), CloseReason> {
        let client = peer.client_key();
        if !self.reserve_of_client(client, self.most_of(peer), now) {
            return Err(CloseReason::ClientOverloaded);
        }
        loop {
            let one_more = |admitted: usize| (admitted < self.most).then_some(admitted + 1);
            if self.admitted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
                return Ok(());
            }
            if !self.evict_oldest(now) {
                self.uncount(client);
                return Err(CloseReason::Overloaded);
            }
        }
    }

    fn reserve_of_client(&self, client: ClientId, most: usize, now: Duration) -> bool {
        let mut shard = self.shard(client);
        let own = shard.entry(client).or_default();
        if own.count >= most && !self.evict_oldest_of(own, now) {
            return false;
        }
        own.count += 1;
        true
    }

    /// Evicts the longest idle connection of a client. False if none is idle.
    fn evict_oldest_of(&self, own: &mut ClientConnections, now: Duration) -> bool {
        let mut oldest = own.oldest.take().unwrap_or_default();
        let evicted = self.evict_next_of(own, &mut oldest)
            || oldest.search(now, |search| own.offer_to(search)) && self.evict_next_of(own, &mut oldest);
        own.oldest = Some(oldest);
        evicted
    }

    fn evict_next_of(&self, own: &mut ClientConnections, oldest: &mut EvictionQueue) -> bool {
        std::iter::from_fn(|| oldest.pop())
            .any(|(since, socket)| !socket.has_unread() && self.evict(own, &socket, since))
    }

    /// Evicts the longest idle connection of all. False if none is idle.
    fn evict_oldest(&self, now: Duration) -> bool {
        let mut oldest = locked(&self.oldest);
        self.evict_next(&mut oldest)
            || oldest.search(now, |search| {
                self.shards.iter().for_each(|shard| locked(shard).values().for_each(|own| own.offer_to(search)));
            }) && self.evict_next(&mut oldest)
    }

    fn evict_next(&self, oldest: &mut EvictionQueue) -> bool {
        std::iter::from_fn(|| oldest.pop()).any(|(since, socket)| {
            if socket.has_unread() {
                return false;
            }
            let mut shard = self.shard(socket.client());
            let Some(own) = shard.get_mut(&socket.client()) else { return false };
            let evicted = self.evict(own, &socket, since);
            if own.count == 0 {
                shard.remove(&socket.client());
            }
            evicted
        })
    }

    /// Evicts a connection if it has been idle since `since`. It no longer counts at once.
    fn evict(&self, own: &mut ClientConnections, socket: &Arc<ClientSocket>, since: IdleSince) -> bool {
        let Some(index) = socket.index() else { return false };
        if !socket.evict(since) {
            return false;
        }
        let RegisteredConnection { socket: _, waker } = own.remove(index);
        self.admitted.fetch_sub(1, Ordering::Relaxed);
        self.evicting.fetch_add(1, Ordering::Relaxed);
        waker.wake();
        true
    }

    /// Registers a counted connection, which a worker serves in a task with this waker. From now on it can be evicted.
    fn register(&self, socket: &Arc<ClientSocket>, waker: &Waker) {
        let mut shard = self.shard(socket.client());
        let own = shard.entry(socket.client()).or_default();
        socket.set_index(Some(own.registered.len()));
        own.registered.push(RegisteredConnection { socket: socket.clone(), waker: waker.clone() });
    }

    /// Removes a registered connection that has ended, or one that was evicted before.
    fn unregister(&self, socket: &ClientSocket) {
        let mut shard = self.shard(socket.client());
        let Some((own, index)) = shard.get_mut(&socket.client()).zip(socket.index()) else {
            self.evicting.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        let removed = own.remove(index);
        if own.count == 0 {
            shard.remove(&socket.client());
        }
        self.admitted.fetch_sub(1, Ordering::Relaxed);
        // The lock is released first, because dropping the waker may free the task.
        drop(shard);
        drop(removed);
    }

    /// Takes back the count of a connection for its client.
    fn uncount(&self, client: ClientId) {
        let mut shard = self.shard(client);
        if let Some(own) = shard.get_mut(&client) {
            own.count -= 1;
            if own.count == 0 {
                shard.remove(&client);
            }
        }
    }

    /// The bound for the client of `peer`.
    fn most_of(&self, peer: &Peer) -> usize {
        let bound = match self.per_client {
            ConnectionsPerClient::AtMost(most) => Some(most),
            ConnectionsPerClient::AtMostExceptLoopback(most) => Some(most).filter(|_| !peer.is_loopback()),
            ConnectionsPerClient::Unbounded => None,
        };
        let is_bounded = peer.client_key().is_some() && !self.proxies.contains(peer);
        bound.filter(|_| is_bounded).map_or(usize::MAX, NonZeroUsize::get)
    }

    fn shard(&self, client: ClientId) -> MutexGuard<'_, HashMap<ClientId, ClientConnections>> {
        locked(&self.shards[client.map_or(0, |key| key.shard(SHARDS))])
    }
}

impl ClientConnections {
    fn offer_to(&self, search: &mut eviction::Search) {
        self.registered.iter().for_each(|connection| search.offer(&connection.socket));
    }

    fn remove(&mut self, index: usize) -> RegisteredConnection {
        let removed = self.registered.swap_remove(index);
        removed.socket.set_index(None);
        if let Some(moved) = self.registered.get(index) {
            moved.socket.set_index(Some(index));
        }
        self.count -= 1;
        removed
    }
}

impl ConnectionPermit {
    /// Why the connection is refused, if it is.
    pub(crate) fn refused(&self) -> Option<CloseReason> {
        match self.state {
            PermitState::Refused(reason) => Some(reason),
            PermitState::Reserved(_) | PermitState::Registered(_) => None,
        }
    }

    /// The connection, which is not registered yet, turns out to be that of another client than the one it was opened for.
    pub(crate) fn belongs_to(&mut self, client: &Peer) {
        let PermitState::Reserved(before) = self.state else { return };
        let (table, id) = (&self.table, client.client_key());
        self.state = match table.reserve_of_client(id, table.most_of(client), clock::ticked()) {
            true => PermitState::Reserved(id),
            false => {
                table.admitted.fetch_sub(1, Ordering::Relaxed);
                table.refused.fetch_add(1, Ordering::Relaxed);
                PermitState::Refused(CloseReason::ClientOverloaded)
            }
        };
        table.uncount(before);
    }

    /// Registers the connection's socket, and the waker of the task that serves it.
    pub(crate) fn register(&mut self, socket: &Arc<ClientSocket>, waker: &Waker) {
        if let PermitState::Reserved(_) = self.state {
            self.table.register(socket, waker);
            self.state = PermitState::Registered(socket.clone());
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        match &self.state {
            PermitState::Reserved(client) => {
                self.table.uncount(*client);
                self.table.admitted.fetch_sub(1, Ordering::Relaxed);
            }
            PermitState::Registered(socket) => self.table.unregister(socket),
            PermitState::Refused(_) => {
                self.table.refused.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Each change under a lock is complete before anything can panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
