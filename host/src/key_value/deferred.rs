//! The stores of a host that takes the place of another: they are opened once that one has ended, and calls wait until then.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::Notify;

use super::embedded::{EmbeddedBackend, StateError};
use super::{BackendAnswer, ChangeOutcome, KeyPage, KeyValueBackend, KeyValueError, StoreChange, StoreName};

/// A backend that another process still has. Calls wait until it is released.
#[derive(Debug)]
pub struct DeferredBackend {
    state: Arc<DeferredState>,
}

#[derive(Debug, Default)]
struct DeferredState {
    /// `Some(None)`: it could not be opened.
    opened: OnceLock<Option<EmbeddedBackend>>,
    changed: Notify,
}

impl DeferredBackend {
    /// Opens the file in a directory as soon as no other process has it, on a thread of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let state = Arc::new(DeferredState::default());
        let (path, opening) = (directory.to_owned(), state.clone());
        let thread = std::thread::Builder::new().name("key-value-wait".to_owned()).spawn(move || {
            let opened = EmbeddedBackend::open_when_released(&path);
            match &opened {
                Ok(_) => tracing::info!(target: "server", "the key-value stores were taken over"),
                Err(error) => tracing::error!(target: "server", "the key-value stores cannot be taken over: {error}"),
            }
            let _ = opening.opened.set(opened.ok());
            opening.changed.notify_waiters();
        });
        match thread {
            Ok(_) => Ok(Self { state }),
            Err(error) => Err(StateError::Open { path: directory.to_owned(), error }),
        }
    }

    /// The stores, once they are open.
    async fn opened(&self) -> Result<&EmbeddedBackend, KeyValueError> {
        loop {
            let changed = self.state.changed.notified();
            if let Some(opened) = self.state.opened.get() {
                return opened.as_ref().ok_or(KeyValueError::Storage);
            }
            changed.await;
        }
    }
}

impl KeyValueBackend for DeferredBackend {
    fn get<'a>(&'a self, store: &'a StoreName, keys: &'a [Bytes]) -> BackendAnswer<'a, Vec<Option<Bytes>>> {
        Box::pin(async move { self.opened().await?.get(store, keys).await })
    }

    fn list<'a>(
        &'a self,
        store: &'a StoreName,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BackendAnswer<'a, KeyPage> {
        Box::pin(async move { self.opened().await?.list(store, prefix, after, limit).await })
    }

    fn change<'a>(
        &'a self,
        store: &'a StoreName,
        max_bytes: u64,
        change: StoreChange,
    ) -> BackendAnswer<'a, ChangeOutcome> {
        Box::pin(async move { self.opened().await?.change(store, max_bytes, change).await })
    }
}
