//! The thread that publishes: it owns what is known of the directory, and is told what happens to it.
//!
//! Owns when the directory is looked at, what is logged about it, and the threads that load.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::first_load::FirstLoad;
use crate::diagnostic::{Diagnostic, Severity};
use crate::routes::catalog::{Catalog, Findings};
use crate::routes::current::Current;
use crate::routes::disk::{Files, Look};
use crate::routes::load::{Candidate, Load, Loaded, error};
use crate::routes::table::RouteTable;
use crate::routes::watch::{WatchError, Watcher};

/// How long a route that is loaded waits at most for others, to be published with them.
const PUBLISH_AFTER: Duration = Duration::from_millis(20);

/// How long a file must look the same before it is loaded.
const REST: Duration = Duration::from_millis(200);

/// How long a look at the directory holds at least, however much changes.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Event {
    /// A component that looked so was loaded, or cannot be.
    Loaded(PathBuf, Look, Loaded),
    /// Changes are noticed from now on.
    Watched(Watcher),
    /// Something in the directory has changed.
    Changed,
    /// The operator asks for a look at everything.
    Reload,
    /// The directory is no longer used.
    Stop,
}

/// The thread's state.
pub(super) struct Publisher {
    root: PathBuf,
    load: Arc<dyn Load>,
    catalog: Catalog,
    current: Arc<Current>,
    watcher: Option<Watcher>,
    /// For the threads that load.
    events: Sender<Event>,
    queue: VecDeque<Candidate>,
    /// How many threads more may load.
    free: usize,
    /// When what is new is to be published, if anything is.
    publish_at: Option<Instant>,
    /// When the directory is to be looked at, if it has to.
    look_at: Option<Instant>,
    looked_at: Instant,
    /// When it was last changed, if it was since it was looked at.
    changed_at: Option<Instant>,
    first: Arc<FirstLoad>,
}

impl Publisher {
    /// Begins with the files that were found first: they are loaded as they are.
    pub(super) fn new(
        root: &Path,
        load: Arc<dyn Load>,
        events: Sender<Event>,
        first: Arc<FirstLoad>,
        files: Files,
    ) -> Self {
        let mut publisher = Self {
            root: root.to_owned(),
            load,
            catalog: Catalog::new(),
            current: Arc::new(Current::new(Arc::new(RouteTable::empty()))),
            watcher: None,
            events,
            queue: VecDeque::new(),
            free: std::thread::available_parallelism().map_or(1, usize::from),
            publish_at: None,
            look_at: None,
            looked_at: Instant::now(),
            changed_at: None,
            first,
        };
        publisher.take_in(files, Duration::ZERO);
        // From the first request on it is known what is to come.
        publisher.publish();
        publisher
    }

    /// Where it publishes.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Publishes until it is told to stop.
    pub(super) fn run(mut self, events: &Receiver<Event>) {
        loop {
            self.start_loading();
            let now = Instant::now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look();
                continue;
            }
            if self.publish_at.is_some_and(|at| at <= now || !self.catalog.is_loading()) {
                self.publish();
                continue;
            }
            let event = match self.publish_at.into_iter().chain(self.look_at).min() {
                Some(at) => events.recv_timeout(at.saturating_duration_since(now)),
                None => events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Loaded(file, look, loaded)) => {
                    self.free += 1;
                    self.end(&file, look, loaded);
                }
                Ok(Event::Watched(watcher)) => {
                    self.watcher = Some(watcher);
                    self.look_by(now);
                }
                Ok(Event::Changed) => {
                    self.changed_at = Some(Instant::now());
                    self.look_by(self.looked_at + LOOK_AFTER);
                }
                Ok(Event::Reload) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks for what has changed, and for what is wrong with the directory itself.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        // A directory that is new is watched only after its creation was told: what came into it between is found then.
        self.look_at = self.changed_at.take().map(|at| at + REST);
        if let Some(watcher) = &self.watcher {
            watcher.seen();
        }
        match Files::find(&self.root) {
            Ok(files) => self.take_in(files, REST),
            Err(failed) => {
                let remedy = "make it readable; what was loaded serves on";
                self.catalog.found(vec![error(&self.root, format!("it cannot be read: {failed}"), remedy)]);
                self.publish_soon();
            }
        }
    }

    fn look_by(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |set| set.min(at)));
    }

    /// Begins to load those that have changed and rested for `rest`.
    fn take_in(&mut self, files: Files, rest: Duration) {
        let Files { components, diagnostics, .. } = files;
        let looks = components.into_iter().map(|file| (file.clone(), Look::at(&file))).collect();
        let Findings { changed, removed, again } = self.catalog.find(looks, Instant::now(), rest);
        if let Some(again) = again {
            self.look_by(again);
        }
        if self.catalog.found(diagnostics) || removed {
            self.publish_soon();
        }
        for (file, look) in changed {
            self.queue.retain(|candidate| candidate.file != file);
            let candidate = Candidate::read(file, look);
            self.catalog.begin(&candidate.file, candidate.claim(&self.root));
            self.queue.push_back(candidate);
        }
    }

    fn reload(&mut self) {
        tracing::info!("looking for changes of routes");
        self.catalog.retry();
        self.look_by(Instant::now());
        // It may be another directory by now that the path leads to.
        if self.watcher.is_some() {
            match watch(&self.root, &self.events) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    fn start_loading(&mut self) {
        while self.free > 0
            && let Some(candidate) = self.queue.pop_front()
        {
            let (load, events) = (self.load.clone(), self.events.clone());
            let (file, look) = (candidate.file.clone(), candidate.look());
            let work = move || {
                let loaded = load_one(&*load, &candidate);
                // Nobody waits for it where the directory is dropped.
                let _ = events.send(Event::Loaded(candidate.file, look, loaded));
            };
            match Builder::new().name("load".to_owned()).spawn(work) {
                Ok(_) => self.free -= 1,
                Err(error) => {
                    let reason = format!("no thread can be started to load it: {error}");
                    self.end(&file, look, Loaded::failed(&file, reason, "let the host start more threads"));
                }
            }
        }
    }

    fn end(&mut self, file: &Path, look: Look, loaded: Loaded) {
        self.catalog.end(file, look, loaded);
        self.publish_soon();
    }

    fn publish_soon(&mut self) {
        self.publish_at.get_or_insert_with(|| Instant::now() + PUBLISH_AFTER);
    }

    fn publish(&mut self) {
        self.publish_at = None;
        let (table, diagnostics) = self.catalog.table();
        diagnostics.iter().for_each(log);
        let routes = table.routes().len();
        let changed = !self.current.table().has_routes_of(&table);
        self.current.swap(table);
        if self.catalog.is_loading() {
            return;
        }
        if self.first.end(self.catalog.diagnostics()) {
            let (cached, compiled) = self.load.cache_hits_and_misses();
            tracing::info!(routes, cached, compiled, "routes loaded");
        } else if changed {
            tracing::info!(routes, "routes reloaded");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // However the thread ends: nobody waits for it in vain.
        self.first.end(self.catalog.diagnostics());
    }
}

/// Tells of changes through `events`.
pub(super) fn watch(root: &Path, events: &Sender<Event>) -> Result<Watcher, WatchError> {
    let events = events.clone();
    Watcher::start(root, move || {
        // Nobody looks where the directory is dropped.
        let _ = events.send(Event::Changed);
    })
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
