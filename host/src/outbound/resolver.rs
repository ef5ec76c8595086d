//! Looks up the addresses of names.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many names are looked up at once, by all workers together. Each takes a thread, which the system may hold for long.
const MAX_LOOKUPS: usize = 16;

/// How many of them are of one route, so that a route whose names are slow leaves some to others.
const MAX_LOOKUPS_OF_ROUTE: usize = 4;

/// The most addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 64;

/// The look-up of a name.
pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, in the order in which they are tried. `permit` is dropped when the look-up has ended, which
    /// may be after its future was dropped.
    fn resolve(&self, name: &str, permit: LookupPermit) -> ResolveFuture;
}

/// A permit of a route to look up a name.
#[derive(Debug)]
pub struct LookupPermit {
    _permit: OwnedSemaphorePermit,
}

/// The look-ups of one route.
#[derive(Debug)]
pub(super) struct RouteLookups(Arc<Semaphore>);

impl Default for RouteLookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS_OF_ROUTE)))
    }
}

impl RouteLookups {
    /// Waits for a permit.
    pub(super) async fn permit(&self) -> io::Result<LookupPermit> {
        Ok(LookupPermit { _permit: self.0.clone().acquire_owned().await.map_err(io::Error::other)? })
    }
}

/// Asks the system, which blocks a thread for that.
#[derive(Debug)]
pub(super) struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str, of_route: LookupPermit) -> ResolveFuture {
        let (lookups, name) = (self.lookups.clone(), name.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let (found, answer) = oneshot::channel();
            // A thread of its own: the end of a worker waits for its runtime's, and nothing ends a look-up early.
            std::thread::Builder::new().name("resolver".to_owned()).stack_size(256 * 1024).spawn(move || {
                let addresses = (name.as_str(), 0).to_socket_addrs();
                let addresses = addresses.map(|all| all.map(|it| it.ip()).take(MAX_ADDRESSES).collect());
                // The request may have been given up.
                let _ = found.send(addresses);
                drop((permit, of_route));
            })?;
            answer.await.map_err(io::Error::other)?
        })
    }
}
