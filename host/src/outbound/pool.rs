//! Idle connections of a grant, each for the worker that opened it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::grant::HttpGrant;
use super::origin::Origin;
use super::transport::ReadCount;
use super::upstream_body::TrackedBody;

/// How long a connection may be idle.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// A connection to another server. It is closed when it is dropped.
#[derive(Debug)]
pub(super) struct UpstreamConnection {
    pub(super) sender: SendRequest<TrackedBody>,
    pub(super) count: Arc<ReadCount>,
    pub(super) task: JoinHandle<()>,
    pub(super) _of_route: OwnedSemaphorePermit,
    pub(super) _of_host: OwnedSemaphorePermit,
}

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct PooledConnection {
    connection: UpstreamConnection,
    origin: Origin,
    worker: ThreadId,
    since: Instant,
}

/// The idle connections of a grant. They are bounded by its permits, and closed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<PoolState>);

#[derive(Debug, Default)]
struct PoolState {
    /// The longest idle first.
    idle: Vec<PooledConnection>,
    /// Whether a task closes what is idle for too long.
    is_watched: bool,
}

impl Pool {
    /// The connection to an origin that was last used by this worker.
    pub(super) fn take(&self, origin: &Origin) -> Option<UpstreamConnection> {
        let worker = std::thread::current().id();
        loop {
            let idle = {
                let mut state = self.lock();
                let at = state.idle.iter().rposition(|idle| idle.worker == worker && idle.origin == *origin)?;
                state.idle.remove(at)
            };
            if !idle.connection.sender.is_closed() && idle.since.elapsed() < MAX_IDLE {
                return Some(idle.connection);
            }
        }
    }

    /// Closes the connection that is idle for longest.
    pub(super) fn close_oldest(&self) {
        let oldest = {
            let mut state = self.lock();
            if state.idle.is_empty() { None } else { Some(state.idle.remove(0)) }
        };
        drop(oldest);
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection for the next request to its origin.
pub(super) fn keep(grant: &Arc<HttpGrant>, connection: UpstreamConnection, origin: Origin) {
    if connection.sender.is_closed() {
        return;
    }
    let idle = PooledConnection { connection, origin, worker: std::thread::current().id(), since: Instant::now() };
    let mut state = grant.pool().lock();
    state.idle.push(idle);
    if !std::mem::replace(&mut state.is_watched, true) {
        tokio::spawn(close_idle(Arc::downgrade(grant)));
    }
}

/// Closes connections that are idle for too long, until there are none.
async fn close_idle(grant: Weak<HttpGrant>) {
    /// If its worker ends, another worker's next connection starts another.
    struct Watch(Weak<HttpGrant>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if let Some(grant) = self.0.upgrade() {
                grant.pool().lock().is_watched = false;
            }
        }
    }
    let mut watch = Watch(grant);
    loop {
        tokio::time::sleep(MAX_IDLE / 6).await;
        let Some(grant) = watch.0.upgrade() else { return };
        let (closed, is_empty): (Vec<_>, bool) = {
            let mut state = grant.pool().lock();
            let is_over =
                |idle: &mut PooledConnection| idle.since.elapsed() >= MAX_IDLE || idle.connection.sender.is_closed();
            let closed = state.idle.extract_if(.., is_over).collect();
            // Under the same lock: a connection that is kept from now on has to start another task.
            state.is_watched = !state.idle.is_empty();
            (closed, state.idle.is_empty())
        };
        drop(closed);
        if is_empty {
            watch.0 = Weak::new();
            return;
        }
    }
}
