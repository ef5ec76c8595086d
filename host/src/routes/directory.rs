//! A directory of routes that is loaded in the background and kept up to date: one thread lists the source and publishes
//! tables, others load components.

mod first_load;
mod load_queue;
mod log;
mod progress;
mod publisher;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::current::Current;
use super::declared_paths::Declare;
use super::disk::Disk;
use super::holder_store::{HolderStore, HolderStoreSetup};
use super::interpreters::Interpreters;
use super::load::{Load, Loader};
use super::source::Source;
use super::watch::WatchError;
use crate::dev::FileOrigins;
use crate::diagnostic::Diagnostic;
use crate::grants::{GrantSources, GrantTable};
use crate::guest::Engine;
use crate::metrics::RouteRegistry;
use crate::oci::RegistryComponents;
use crate::options::Value;

use first_load::FirstLoad;
use publisher::{Publisher, PublisherEvent};

/// A directory whose routes are loaded by threads of its own. They end when it is dropped.
#[derive(Debug)]
pub struct Directory {
    source: Arc<dyn Source>,
    current: Arc<Current>,
    events: Sender<PublisherEvent>,
    first: Arc<FirstLoad>,
    thread: Option<JoinHandle<()>>,
}

/// How the routes of a directory are loaded.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The operator's values for built-in options.
    pub flags: Vec<(String, Value)>,
    /// Which paths components may declare, unless their route files say.
    pub declare: Declare,
    /// Where it is stored who holds which path. `None`: that is forgotten at the end.
    pub memory: Option<HolderStoreSetup>,
    /// The bytes that all may take together, if that is bounded.
    pub max_memory: Option<usize>,
    /// Where the interpreters of scripts are looked for, in this order.
    pub interpreters: Vec<PathBuf>,
    /// Where what is granted comes from.
    pub grant_sources: Arc<GrantSources>,
    /// What every component is granted in place of what its route file says.
    pub grant: Option<GrantTable>,
    /// Where the files were copied from, for reports.
    pub origins: Arc<FileOrigins>,
    /// Where what is counted of routes goes on, if it is counted.
    pub metrics: Option<Arc<RouteRegistry>>,
    /// The components of registries that route files name.
    pub registries: Arc<RegistryComponents>,
}

impl Directory {
    /// Lists the components below `root`, or takes it for the only one, and starts to load them on all cores.
    ///
    /// # Errors
    /// If `root` itself cannot be read, or a thread cannot be started. Everything else becomes a diagnostic.
    pub fn open(root: &Path, setup: Setup, engine: &Engine) -> io::Result<Self> {
        let Setup {
            flags,
            declare,
            memory,
            max_memory,
            interpreters,
            grant_sources,
            grant,
            origins,
            metrics,
            registries,
        } = setup;
        let interpreters = Interpreters::new(interpreters);
        let source: Arc<dyn Source> = Arc::new(Disk::copied_from(root, origins, registries.clone()));
        let loader = Loader {
            source: source.clone(),
            registries: registries.clone(),
            flags,
            declare,
            max_memory,
            engine: engine.clone(),
            interpreters,
            grant_sources,
            grant,
            metrics,
        };
        // A component that is served alone shares no path with another.
        let store = memory.filter(|_| root.is_dir()).map(|memory| HolderStore::new(&memory, root));
        Self::load_with(source, registries, store, Arc::new(loader))
    }

    /// The same for any source, with any way to load a component. `store` remembers who holds which path.
    pub(crate) fn load_with(
        source: Arc<dyn Source>,
        registries: Arc<RegistryComponents>,
        store: Option<HolderStore>,
        load: Arc<dyn Load>,
    ) -> io::Result<Self> {
        let (events, received) = channel();
        let first = Arc::new(FirstLoad::default());
        let listing = source.list()?;
        let publisher =
            Publisher::new((source.clone(), registries), load, events.clone(), first.clone(), listing, store);
        let current = publisher.current();
        let thread = Builder::new().name("routes".to_owned()).spawn(move || publisher.run(&received));
        let has_refused =
            |error: io::Error| io::Error::new(error.kind(), format!("no thread can be started to load them: {error}"));
        let thread = thread.map_err(has_refused)?;
        Ok(Self { source, current, events, first, thread: Some(thread) })
    }

    /// Where the tables are published.
    #[must_use]
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Waits until all components that were found at first are loaded. Returns the diagnostics, which are logged too, or
    /// `None` after `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Vec<Diagnostic>> {
        self.first.wait(timeout)
    }

    /// From now on, loads components when they change.
    ///
    /// # Errors
    /// If the system cannot report changes. The directory is then listed each second.
    pub fn watch(&self) -> Result<(), WatchError> {
        let (watcher, watched) = match publisher::watch(&*self.source, &self.events) {
            Ok(watcher) => (Some(watcher), Ok(())),
            Err(failed) => (None, Err(failed)),
        };
        self.send(PublisherEvent::Watched(watcher));
        watched
    }

    /// Loads what has changed, and tries again what could not be loaded.
    pub fn reload(&self) {
        self.send(PublisherEvent::Reload(None));
    }

    /// The same. The future is ready when all that has changed is loaded.
    pub fn reloaded(&self) -> impl Future<Output = ()> + 'static {
        let (done, reloaded) = oneshot::channel();
        self.send(PublisherEvent::Reload(Some(done)));
        async move {
            // If the thread has ended, nothing is loaded any more.
            let _ = reloaded.await;
        }
    }

    fn send(&self, event: PublisherEvent) {
        // If this fails the thread has panicked, which is logged.
        let _ = self.events.send(event);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.send(PublisherEvent::Stop);
        if let Some(thread) = self.thread.take() {
            // If it has panicked, that is logged.
            let _ = thread.join();
        }
    }
}
