//! The thread that publishes: it owns what is known of the directory, and is told what happens to it.
//!
//! Owns when the directory is looked at, what is logged about it, and the threads that load.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::first_load::FirstLoad;
use super::loads::{Begin, Loads};
use super::log;
use super::progress::Progress;
use crate::guest::{Effort, LoadAttempt};
use crate::routes::catalog::{Catalog, Findings};
use crate::routes::component::ComponentKey;
use crate::routes::current::Current;
use crate::routes::holder_store::Store;
use crate::routes::load::{Candidate, Load, Loaded, Permanence, Unfinished};
use crate::routes::middleware::covers;
use crate::routes::route::Route;
use crate::routes::source::{ChangeWatcher, Listing, Source};
use crate::routes::table::RouteTable;

/// How long a route that is loaded waits at most for others, to be published with them.
const PUBLISH_AFTER: Duration = Duration::from_millis(20);

/// How long a file must look the same before it is loaded.
const REST: Duration = Duration::from_millis(200);

/// How long a look at the directory holds at least, however much changes.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// How long what the system tells nothing of goes unnoticed: that the path leads to another directory, that what it
/// refused can be had again, that the last request of a route that was replaced is over.
const CHECK_AFTER: Duration = Duration::from_secs(1);

mod watching;

pub(super) use watching::watch;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum PublisherEvent {
    /// A component was looked up in the compile cache.
    LookedUp(Candidate, Result<Loaded, Unfinished>),
    /// What has this number is compiled, and starts.
    Compiled(u64),
    /// What has this number was loaded, or cannot be, or was stopped.
    Loaded(u64, Candidate, Result<Loaded, Unfinished>),
    /// Changes are to be noticed from now on; there is no watcher where the system tells of none.
    Watched(Option<Box<dyn ChangeWatcher>>),
    /// Something in the directory has changed.
    Changed,
    /// The operator asks for a look at everything.
    Reload,
    /// The directory is no longer used.
    Stop,
}

/// The thread's state.
pub(super) struct Publisher {
    source: Arc<dyn Source>,
    load: Arc<dyn Load>,
    catalog: Catalog,
    current: Arc<Current>,
    watcher: Option<Box<dyn ChangeWatcher>>,
    /// Whether changes are to be noticed of which the system does not tell.
    polls: bool,
    /// For the threads that load.
    events: Sender<PublisherEvent>,
    loads: Loads,
    progress: Progress,
    /// When what is new is to be published, if anything is.
    publish_at: Option<Instant>,
    /// When the directory is to be looked at, if it has to.
    look_at: Option<Instant>,
    looked_at: Instant,
    /// When it was last changed, if it was since it was looked at.
    changed_at: Option<Instant>,
    /// Since when the directory cannot be read.
    unreadable_since: Option<Instant>,
    /// Whether the system has refused something since the last look, so that another may find more.
    refused: bool,
    check_at: Option<Instant>,
    /// Routes that were replaced, kept until no request has them: to unmap a handler is not for a thread that serves.
    replaced: Vec<Arc<Route>>,
    first: Arc<FirstLoad>,
    /// Where it is written who holds which path.
    store: Option<Store>,
}

impl Publisher {
    /// Begins with the files that were found first: they are loaded as they are.
    pub(super) fn new(
        source: Arc<dyn Source>,
        load: Arc<dyn Load>,
        events: Sender<PublisherEvent>,
        first: Arc<FirstLoad>,
        listing: Listing,
        mut store: Option<Store>,
    ) -> Self {
        let mut publisher = Self {
            source,
            load,
            catalog: Catalog::new(),
            current: Arc::new(Current::new(Arc::new(RouteTable::empty()))),
            watcher: None,
            polls: false,
            events,
            loads: Loads::new(std::thread::available_parallelism().map_or(1, usize::from)),
            progress: Progress::default(),
            publish_at: None,
            look_at: None,
            looked_at: Instant::now(),
            changed_at: None,
            unreadable_since: None,
            refused: false,
            check_at: None,
            replaced: Vec::new(),
            first,
            store: None,
        };
        match store.as_mut().map(Store::read) {
            Some(Ok(records)) => publisher.catalog.recall(records),
            Some(Err(error)) => tracing::warn!(target: "routes", "{error}"),
            None => {}
        }
        publisher.store = store;
        publisher.take_in(listing, Duration::ZERO);
        // From the first request on it is known what is to come.
        publisher.publish();
        publisher
    }

    /// Where it publishes.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Publishes until it is told to stop.
    pub(super) fn run(mut self, events: &Receiver<PublisherEvent>) {
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
            if self.check_at.is_some_and(|at| at <= now) {
                self.check();
                continue;
            }
            if self.progress.tell_at().is_some_and(|at| at <= now) {
                log::progress(&self.progress.tell(&self.loads.loading(), self.loads.waiting(), now));
                continue;
            }
            let turn_at = self.loads.end_turns(now);
            let next = [self.publish_at, self.look_at, self.check_at, self.progress.tell_at(), turn_at];
            let event = match next.into_iter().flatten().min() {
                Some(at) => events.recv_timeout(at.saturating_duration_since(now)),
                None => events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(PublisherEvent::LookedUp(candidate, loaded)) => {
                    self.loads.looked_up(&candidate.key);
                    self.end(candidate, loaded, 0);
                }
                Ok(PublisherEvent::Compiled(number)) => self.loads.compiled(number),
                Ok(PublisherEvent::Loaded(number, candidate, loaded)) => {
                    let turns = self.loads.end(number);
                    self.end(candidate, loaded, turns);
                }
                Ok(PublisherEvent::Watched(watcher)) => {
                    self.polls = watcher.is_none();
                    self.watcher = watcher;
                    self.check_at = Some(now + CHECK_AFTER);
                    self.look_by(now);
                }
                Ok(PublisherEvent::Changed) => {
                    self.changed_at = Some(Instant::now());
                    self.look_by(self.looked_at + LOOK_AFTER);
                }
                Ok(PublisherEvent::Reload) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(PublisherEvent::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks for what has changed, and for what is wrong with the directory itself.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        // A directory that is new is watched only after its creation was told: what came into it between is found then.
        self.look_at = self.changed_at.take().map(|at| at + REST);
        self.refused = false;
        if let Some(watcher) = &self.watcher {
            watcher.acknowledge();
        }
        match self.source.list() {
            Ok(mut listing) => {
                self.unreadable_since = None;
                let unwatched = self.watch(&listing);
                listing.diagnostics.extend(unwatched);
                self.take_in(listing, REST);
            }
            Err(failed) => {
                // Nobody can mean what cannot be seen.
                self.catalog.unconfirm();
                self.note_unreadable(&failed);
            }
        }
    }

    fn look_by(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |set| set.min(at)));
    }

    /// Begins to load those that have changed and rested for `rest`.
    fn take_in(&mut self, listing: Listing, rest: Duration) {
        let Listing { components, unread, diagnostics, .. } = listing;
        self.refused |= !unread.is_empty();
        let is_unread = |key: &ComponentKey| unread.iter().any(|it| it.covers(key.path()));
        self.loads.stop_unless(|key| is_unread(key) || components.iter().any(|(found, _)| found == key));
        let (now, mut asks) = (Instant::now(), true);
        // What route files ask for is known once they are read, and may be among the files.
        while std::mem::take(&mut asks) {
            let findings = self.catalog.find(components.clone(), &unread, now, rest);
            asks = self.begin(findings);
        }
        if self.catalog.found(diagnostics) {
            self.publish_soon();
        }
    }

    /// Begins to load what has changed. True where that asks for more.
    fn begin(&mut self, findings: Findings) -> bool {
        let Findings { changed, removed, again } = findings;
        if let Some(again) = again {
            self.look_by(again);
        }
        if removed {
            self.publish_soon();
        }
        let mut asks = false;
        for (key, look) in changed {
            let candidate = Candidate::read(&*self.source, key, look);
            if candidate.key.is_middleware() && !self.guards(&candidate) {
                self.catalog.pass_over(&candidate.key, look);
                continue;
            }
            let names = candidate.route_file.as_ref().ok().map(|route_file| route_file.middleware.as_slice());
            asks |= self.catalog.begin(&candidate.key, candidate.claim(), names);
            self.loads.add(candidate);
        }
        asks
    }

    /// Takes in what a middleware guards by its path; whether it is to be loaded.
    fn guards(&mut self, candidate: &Candidate) -> bool {
        let key = &candidate.key;
        match &candidate.route_file {
            Ok(beside) => self.catalog.cover(key, covers(key, &beside.paths)),
            Err(_) => {
                self.catalog.cover(key, covers(key, &[]));
                self.catalog.suspect(key);
            }
        }
        self.catalog.is_wanted(key)
    }

    fn reload(&mut self) {
        tracing::info!(target: "routes", "looking for changes of routes");
        self.catalog.retry();
        // A middleware that is gone now is meant to be.
        self.catalog.confirm();
        self.publish_soon();
        self.look_by(Instant::now());
    }

    fn start_loading(&mut self) {
        while let Some(begin) = self.loads.next() {
            let (load, events) = (self.load.clone(), self.events.clone());
            // Nobody waits for what is sent where the directory is dropped.
            let (candidate, started) = match begin {
                Begin::LookUp(candidate) => {
                    let work = candidate.clone();
                    let started = Builder::new().name("load".to_owned()).spawn(move || {
                        let loaded = load_one(&*load, &work, &Effort::Cached);
                        let _ = events.send(PublisherEvent::LookedUp(work, loaded));
                    });
                    let started = started.inspect_err(|_| self.loads.looked_up(&candidate.key));
                    (candidate, started)
                }
                Begin::Compile(number, candidate, turns) => {
                    let (work, compiled) = (candidate.clone(), events.clone());
                    let attempt = LoadAttempt::new(move || drop(compiled.send(PublisherEvent::Compiled(number))));
                    self.loads.begin(number, &candidate, turns, attempt.clone(), Instant::now());
                    let started = Builder::new().name("load".to_owned()).spawn(move || {
                        let loaded = load_one(&*load, &work, &Effort::Full(attempt));
                        let _ = events.send(PublisherEvent::Loaded(number, work, loaded));
                    });
                    (candidate, started.inspect_err(|_| _ = self.loads.end(number)))
                }
            };
            match started {
                Ok(_) => self.progress.begin(Instant::now()),
                Err(error) => {
                    let reason = format!("no thread can be started to load it: {error}");
                    let failed = Loaded::failed(&candidate.key, reason, "let the host start more threads");
                    self.end(candidate, Ok(Loaded { standing: Permanence::Transient, ..failed }), 0);
                }
            }
        }
    }

    /// A component was loaded, or goes on waiting for it: it has had its turn so often.
    fn end(&mut self, candidate: Candidate, loaded: Result<Loaded, Unfinished>, turns: u32) {
        let (key, look) = (candidate.key.clone(), candidate.fingerprint());
        let loaded = match loaded {
            Ok(loaded) => loaded,
            // Another version of it has come meanwhile, which has its own turn.
            Err(_) if !self.catalog.is_begun(&key, look) => return self.note_end(),
            // Before it is known that it is gone for good.
            Err(Unfinished::Stopped) if self.source.fingerprint(&key).ok() != Some(look) => {
                Loaded { part: None, diagnostics: Vec::new(), standing: Permanence::Transient }
            }
            Err(Unfinished::Uncached | Unfinished::Stopped) => return self.loads.add_uncached(candidate, turns),
        };
        self.note_end();
        self.refused |= loaded.standing == Permanence::Transient;
        self.catalog.end(&key, look, loaded);
        self.publish_soon();
    }

    fn note_end(&mut self) {
        self.progress.end(self.loads.left());
    }

    fn publish_soon(&mut self) {
        self.publish_at.get_or_insert_with(|| Instant::now() + PUBLISH_AFTER);
    }

    fn publish(&mut self) {
        self.publish_at = None;
        let (table, diagnostics) = self.catalog.table();
        let (before, routes) = (self.current.table(), table.routes().len());
        let changed = !before.has_routes_of(&table);
        self.keep_replaced(&before, &table);
        // Before it is told, so that who reads that something has changed finds it so.
        self.current.swap(table);
        log::changed(&before, &self.current.table());
        diagnostics.iter().for_each(log::diagnostic);
        if !self.catalog.is_loading() && self.first.end(self.catalog.diagnostics()) {
            let (cached, compiled) = self.load.cache_hits_and_misses();
            tracing::info!(target: "server", routes, cached, compiled, "routes loaded");
        } else if changed && self.first.is_over() {
            tracing::info!(target: "server", routes, "routes reloaded");
        }
        if let Some(at) = self.catalog.lapses_at() {
            self.look_by(at);
        }
        if let Some((store, records)) = self.store.as_mut().zip(self.catalog.records())
            && let Err(error) = store.write(records)
        {
            tracing::warn!(target: "routes", "{error}");
        }
    }

    fn keep_replaced(&mut self, before: &RouteTable, after: &RouteTable) {
        let stays = |route: &Arc<Route>| after.routes().iter().any(|it| Arc::ptr_eq(&it.route, route));
        let replaced = before.routes().iter().map(|it| &it.route).filter(|route| !stays(route));
        self.replaced.extend(replaced.cloned());
        if !self.replaced.is_empty() {
            self.check_at.get_or_insert_with(|| Instant::now() + CHECK_AFTER);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(target: "routes", "the thread that publishes routes has panicked: changes take effect only after a restart");
        }
        // However the thread ends: nobody waits for it in vain.
        self.first.end(self.catalog.diagnostics());
    }
}

/// Loads a component. A panic, though a defect of the host's or of the compiler's, costs only the one.
fn load_one(load: &dyn Load, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished> {
    catch_unwind(AssertUnwindSafe(|| load.load(candidate, effort))).unwrap_or_else(|_| {
        let remedy = "report it as a defect of the host, with this file";
        Ok(Loaded::failed(&candidate.key, "loading it has made the host panic", remedy))
    })
}
