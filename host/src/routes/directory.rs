//! A directory of routes, loaded in the background: one thread finds and publishes, others load.
//!
//! Owns these threads, and logs what is wrong with files. It must not know who reads the tables.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::catalog::Catalog;
use super::current::Current;
use super::disk::Files;
use super::load::{Candidate, Load, Loaded, Loader};
use crate::diagnostic::{Diagnostic, Severity};
use crate::guest::Engine;
use crate::options::Value;

/// How long a route that is loaded waits at most for others, to be published with them.
const PUBLISH_AFTER: Duration = Duration::from_millis(20);

/// A directory whose routes are loaded, or being loaded, by threads of their own. Dropped, it loads no more.
#[derive(Debug)]
pub struct Directory {
    current: Arc<Current>,
    events: Sender<Event>,
    complete: Receiver<Vec<Diagnostic>>,
    thread: Option<JoinHandle<()>>,
}

/// What the publishing thread is told.
enum Event {
    Loaded(PathBuf, Loaded),
    Stop,
}

impl Directory {
    /// Finds the components below `root` and begins to load them, on all cores.
    ///
    /// # Errors
    /// Where the directory itself cannot be read, or a thread cannot be started. All else is a diagnostic.
    pub fn open(root: &Path, flags: &[(String, Value)], engine: &Engine) -> io::Result<Self> {
        let loader = Loader { directory: root.to_owned(), flags: flags.to_owned(), engine: engine.clone() };
        Self::load_with(root, Arc::new(loader))
    }

    /// The same, with another way to load a component.
    pub(crate) fn load_with(root: &Path, load: Arc<dyn Load>) -> io::Result<Self> {
        let (events, received) = channel();
        let (completed, complete) = channel();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut catalog = Catalog::new(Vec::new());
        let queue = find(root, &mut catalog)?;
        let current = Arc::new(Current::new(catalog.table().0));
        let publisher = Publisher {
            load,
            catalog,
            current: current.clone(),
            events: events.clone(),
            queue,
            free: threads,
            publish_at: Some(Instant::now()),
            completed: Some(completed),
        };
        let thread = Builder::new().name("routes".to_owned()).spawn(move || publisher.run(&received))?;
        Ok(Self { current, events, complete, thread: Some(thread) })
    }

    /// Where the tables are published.
    #[must_use]
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Waits until all components that were found at first are loaded, and says what is wrong with files: that is
    /// logged too. None where `patience` has passed before.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Vec<Diagnostic>> {
        self.complete.recv_timeout(patience).ok()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Where this fails the thread has ended.
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that publishes routes has panicked");
        }
    }
}

/// The thread that publishes, which owns what is known of the directory.
struct Publisher {
    load: Arc<dyn Load>,
    catalog: Catalog,
    current: Arc<Current>,
    /// For the threads that load.
    events: Sender<Event>,
    queue: VecDeque<Candidate>,
    /// How many threads more may load.
    free: usize,
    /// When what is new is to be published, if anything is.
    publish_at: Option<Instant>,
    /// To be told once.
    completed: Option<Sender<Vec<Diagnostic>>>,
}

impl Publisher {
    fn run(mut self, events: &Receiver<Event>) {
        loop {
            self.start_loading();
            let idle = self.catalog.loading() == 0;
            if self.publish_at.is_some_and(|at| idle || at <= Instant::now()) {
                self.publish();
            }
            let event = match self.publish_at {
                Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Loaded(file, loaded)) => {
                    self.free += 1;
                    self.end(&file, loaded);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn start_loading(&mut self) {
        while self.free > 0
            && let Some(candidate) = self.queue.pop_front()
        {
            let (load, events, file) = (self.load.clone(), self.events.clone(), candidate.file.clone());
            let work = move || {
                let loaded = load_one(&*load, &candidate);
                // Nobody waits for it where the directory is dropped.
                let _ = events.send(Event::Loaded(candidate.file, loaded));
            };
            match Builder::new().name("load".to_owned()).spawn(work) {
                Ok(_) => self.free -= 1,
                Err(error) => {
                    let reason = format!("no thread can be started to load it: {error}");
                    self.end(&file, Loaded::failed(&file, reason, "let the host start more threads"));
                }
            }
        }
    }

    fn end(&mut self, file: &Path, loaded: Loaded) {
        self.catalog.end(file, loaded);
        self.publish_at.get_or_insert_with(|| Instant::now() + PUBLISH_AFTER);
    }

    fn publish(&mut self) {
        self.publish_at = None;
        let (table, diagnostics) = self.catalog.table();
        diagnostics.iter().for_each(log);
        let (routes, complete) = (table.routes().len(), table.is_complete());
        self.current.swap(table);
        if complete && let Some(completed) = self.completed.take() {
            let (cached, compiled) = self.load.cache_hits_and_misses();
            tracing::info!(routes, cached, compiled, "routes loaded");
            // Nobody waits where patience was short.
            let _ = completed.send(self.catalog.diagnostics().to_owned());
        }
    }
}

/// Finds what is below `root`, and what of it is to be loaded.
fn find(root: &Path, catalog: &mut Catalog) -> io::Result<VecDeque<Candidate>> {
    let Files { components, diagnostics, .. } = Files::find(root)?;
    *catalog = Catalog::new(diagnostics);
    let mut queue = VecDeque::new();
    for file in components {
        match Candidate::read(&file) {
            Ok(candidate) => {
                catalog.begin(&file, candidate.claim(root));
                queue.push_back(candidate);
            }
            Err(diagnostics) => catalog.end(&file, Loaded { route: None, diagnostics }),
        }
    }
    Ok(queue)
}

/// Loads a component. A panic, though a defect of the host's or of the compiler's, costs only the one.
fn load_one(load: &dyn Load, candidate: &Candidate) -> Loaded {
    catch_unwind(AssertUnwindSafe(|| load.load(candidate))).unwrap_or_else(|_| {
        let remedy = "report it as a defect of the host, with this file";
        Loaded::failed(&candidate.file, "loading it has made the host panic", remedy)
    })
}

fn log(diagnostic: &Diagnostic) {
    match diagnostic.severity {
        Severity::Error => tracing::error!("{}", diagnostic.unlabelled()),
        Severity::Warning => tracing::warn!("{}", diagnostic.unlabelled()),
    }
}
