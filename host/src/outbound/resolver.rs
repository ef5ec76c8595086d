//! Looks up the addresses of names.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// How many names are looked up at once, by all workers together. Each takes a thread, which the system may hold for long.
const MAX_LOOKUPS: usize = 16;

/// The most addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 64;

/// The look-up of a name.
pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, in the order in which they are tried.
    fn resolve(&self, name: &str) -> ResolveFuture;
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
    fn resolve(&self, name: &str) -> ResolveFuture {
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
                drop(permit);
            })?;
            answer.await.map_err(io::Error::other)?
        })
    }
}
