//! The publisher: the thread that owns the catalog, lists the source, starts the threads that load and publishes tables.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::first_load::FirstLoad;
use super::load_queue::{LoadQueue, NextLoad};
use super::log;
use super::progress::Progress;
use crate::guest::{Effort, LoadAttempt};
use crate::oci::RegistryComponents;
use crate::routes::catalog::{Catalog, CatalogUpdate};
use crate::routes::component::ComponentKey;
use crate::routes::current::Current;
use crate::routes::holder_store::HolderStore;
use crate::routes::load::{Candidate, Load, Loaded, Retry, Unfinished};
use crate::routes::middleware::covers;
use crate::routes::route::Route;
use crate::routes::source::{ChangeWatcher, Listing, Source};
use crate::routes::table::RouteTable;

/// How long a loaded route waits at most for others, to be published together.
const PUBLISH_DELAY: Duration = Duration::from_millis(20);

/// How long a fingerprint must stay the same before the component is loaded.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(200);

/// The shortest time between two listings, however much changes.
const MIN_SCAN_INTERVAL: Duration = Duration::from_millis(50);

/// How often it is checked what the system does not report: that a path leads to another directory, that a transient failure
/// has passed, that the last request of a replaced route has ended.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

mod watching;

pub(super) use watching::watch;

/// An event that the publisher reacts to.
#[derive(Debug)]
pub(super) enum PublisherEvent {
    /// A component was looked up in the compile cache.
    LookedUp(Candidate, Result<Loaded, Unfinished>),
    /// The component of a registry can be read, or cannot be fetched.
    Fetched(Candidate),
    /// All code of a component that is looked up was found, and it starts.
    Found(ComponentKey),
    /// The component of the load with this number is compiled, and starts.
    Compiled(u64),
    /// The load with this number has ended, or was stopped.
    Loaded(u64, Candidate, Result<Loaded, Unfinished>),
    /// Changes are to be noticed from now on. There is no watcher if the system cannot report them.
    Watched(Option<Box<dyn ChangeWatcher>>),
    /// Something in the source has changed.
    Changed,
    /// The operator asks for a reload, and may wait until all that has changed is loaded.
    Reload(Option<oneshot::Sender<()>>),
    /// The directory is no longer used.
    Stop,
}

/// The state of the thread.
pub(super) struct Publisher {
    source: Arc<dyn Source>,
    registries: Arc<RegistryComponents>,
    load: Arc<dyn Load>,
    catalog: Catalog,
    current: Arc<Current>,
    watcher: Option<Box<dyn ChangeWatcher>>,
    /// Whether the source is listed at each check, since the system does not report all changes.
    polls: bool,
    /// Given to the threads that load.
    events: Sender<PublisherEvent>,
    queue: LoadQueue,
    progress: Progress,
    /// When to publish a table, if something has changed.
    publish_at: Option<Instant>,
    /// When to list the source, if that is due.
    scan_at: Option<Instant>,
    scanned_at: Instant,
    /// When a change was last reported, if that was after the last listing.
    changed_at: Option<Instant>,
    /// Since when the source cannot be listed.
    unreadable_since: Option<Instant>,
    /// Whether something failed transiently since the last listing, so that another may find more.
    has_refused: bool,
    check_at: Option<Instant>,
    /// Replaced routes, kept until no request has them: a thread that serves must not unmap a component.
    replaced: Vec<Arc<Route>>,
    first: Arc<FirstLoad>,
    /// Who waits until what has changed is loaded.
    reloading: Vec<oneshot::Sender<()>>,
    /// Where it is stored who holds which path.
    store: Option<HolderStore>,
}

impl Publisher {
    /// Begins with the first listing, whose components are loaded at once.
    pub(super) fn new(
        (source, registries): (Arc<dyn Source>, Arc<RegistryComponents>),
        load: Arc<dyn Load>,
        events: Sender<PublisherEvent>,
        first: Arc<FirstLoad>,
        listing: Listing,
        mut store: Option<HolderStore>,
    ) -> Self {
        let changes = events.clone();
        // If this fails, the directory was dropped.
        registries.listen(Box::new(move || drop(changes.send(PublisherEvent::Changed))));
        let mut publisher = Self {
            source,
            registries,
            load,
            catalog: Catalog::new(),
            current: Arc::new(Current::new(Arc::new(RouteTable::empty()))),
            watcher: None,
            polls: false,
            events,
            queue: LoadQueue::new(std::thread::available_parallelism().map_or(1, usize::from)),
            progress: Progress::default(),
            publish_at: None,
            scan_at: None,
            scanned_at: Instant::now(),
            changed_at: None,
            unreadable_since: None,
            has_refused: false,
            check_at: None,
            replaced: Vec::new(),
            first,
            reloading: Vec::new(),
            store: None,
        };
        match store.as_mut().map(HolderStore::read) {
            Some(Ok(records)) => publisher.catalog.restore_holders(records),
            Some(Err(error)) => tracing::warn!(target: "routes", "{error}"),
            None => {}
        }
        publisher.store = store;
        publisher.apply(listing, Duration::ZERO);
        // So that the first request finds the pending routes.
        publisher.publish();
        publisher
    }

    /// Where the tables are published.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Publishes until it is told to stop.
    pub(super) fn run(mut self, events: &Receiver<PublisherEvent>) {
        loop {
            self.start_loading();
            let now = Instant::now();
            if self.scan_at.is_some_and(|at| at <= now) {
                self.scan();
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
                log::progress(&self.progress.tell(&self.queue.loading(), self.queue.waiting(), now));
                continue;
            }
            if self.publish_at.is_none() && self.scan_at.is_none() && !self.catalog.is_loading() {
                // Whoever does not wait any more is not told.
                self.reloading.drain(..).for_each(|done| _ = done.send(()));
            }
            let turn_at = self.queue.end_turns(now);
            let next = [self.publish_at, self.scan_at, self.check_at, self.progress.tell_at(), turn_at];
            let event = match next.into_iter().flatten().min() {
                Some(at) => events.recv_timeout(at.saturating_duration_since(now)),
                None => events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(PublisherEvent::LookedUp(candidate, loaded)) => {
                    self.queue.looked_up(&candidate.key);
                    self.finish_load(candidate, loaded, 0);
                }
                Ok(PublisherEvent::Fetched(candidate)) => {
                    if self.catalog.is_current_load(&candidate.key, candidate.fingerprint()) {
                        self.queue.add(candidate);
                    }
                }
                Ok(PublisherEvent::Found(key)) => self.queue.found(&key),
                Ok(PublisherEvent::Compiled(number)) => self.queue.compiled(number),
                Ok(PublisherEvent::Loaded(number, candidate, loaded)) => {
                    let turns = self.queue.end(number);
                    self.finish_load(candidate, loaded, turns);
                }
                Ok(PublisherEvent::Watched(watcher)) => {
                    self.polls = watcher.is_none();
                    self.watcher = watcher;
                    self.registries.poll();
                    self.check_at = Some(now + CHECK_INTERVAL);
                    self.scan_by(now);
                }
                Ok(PublisherEvent::Changed) => {
                    self.changed_at = Some(Instant::now());
                    self.scan_by(self.scanned_at + MIN_SCAN_INTERVAL);
                }
                Ok(PublisherEvent::Reload(done)) => {
                    self.reload();
                    self.reloading.extend(done);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(PublisherEvent::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Lists the source, and starts to load what has changed.
    fn scan(&mut self) {
        self.scanned_at = Instant::now();
        // A new directory is watched only after its creation was reported: another listing finds what was added between.
        self.scan_at = self.changed_at.take().map(|at| at + SETTLE_TIME);
        self.has_refused = false;
        if let Some(watcher) = &self.watcher {
            watcher.acknowledge();
        }
        match self.source.list() {
            Ok(mut listing) => {
                self.unreadable_since = None;
                let unwatched = self.watch(&listing);
                listing.diagnostics.extend(unwatched);
                let settle_time = if listing.is_settled { Duration::ZERO } else { SETTLE_TIME };
                self.apply(listing, settle_time);
            }
            Err(failed) => {
                // The operator cannot confirm what cannot be listed.
                self.catalog.cancel_confirmation();
                self.note_unreadable(&failed);
            }
        }
    }

    fn scan_by(&mut self, at: Instant) {
        self.scan_at = Some(self.scan_at.map_or(at, |set| set.min(at)));
    }

    /// Starts to load the components that have changed and stayed the same for `settle_time`.
    fn apply(&mut self, listing: Listing, settle_time: Duration) {
        let Listing { components, unread, sites, diagnostics, .. } = listing;
        self.has_refused |= !unread.is_empty();
        let is_unread = |key: &ComponentKey| unread.iter().any(|it| it.covers(key.path()));
        self.queue.stop_unless(|key| is_unread(key) || components.iter().any(|(found, _)| found == key));
        let (now, mut names_more) = (Instant::now(), true);
        // Route files that are read now may name middleware that has to be loaded too.
        while std::mem::take(&mut names_more) {
            let result = self.catalog.update(components.clone(), &unread, now, settle_time);
            names_more = self.start_loads(result);
        }
        if self.catalog.set_sites(sites) | self.catalog.set_source_diagnostics(diagnostics) {
            self.publish_soon();
        }
    }

    /// Starts to load what has changed. Returns whether it names middleware, so that more may have to be loaded.
    fn start_loads(&mut self, result: CatalogUpdate) -> bool {
        let CatalogUpdate { to_load, removed, rescan_at } = result;
        if let Some(at) = rescan_at {
            self.scan_by(at);
        }
        if removed {
            self.publish_soon();
        }
        if !to_load.is_empty() {
            // So that a request for one of them is told that it is being loaded.
            self.publish_soon();
        }
        let mut names_more = false;
        for (key, fingerprint) in to_load {
            let candidate = Candidate::read(&*self.source, key, fingerprint);
            if candidate.key.is_middleware() && !self.note_covers(&candidate) {
                self.catalog.skip(&candidate.key, fingerprint);
                continue;
            }
            let names = candidate.route_file.as_ref().ok().map(|route_file| route_file.middleware.as_slice());
            names_more |= self.catalog.start_load(&candidate.key, candidate.pending_route(), names);
            self.queue_load(candidate);
        }
        names_more
    }

    /// Loads a component when it is its turn. One of a registry is fetched before: what is loaded beside it does not wait.
    fn queue_load(&mut self, candidate: Candidate) {
        let Some(component) = candidate.registry_component().cloned() else { return self.queue.add(candidate) };
        self.queue.forget(&candidate.key);
        let events = self.events.clone();
        // If sending fails, the directory was dropped.
        let fetched = move || drop(events.send(PublisherEvent::Fetched(candidate)));
        self.registries.fetch(&component, Box::new(fetched));
    }

    /// Notes which paths a middleware guards. Returns whether it is to be loaded.
    fn note_covers(&mut self, candidate: &Candidate) -> bool {
        let key = &candidate.key;
        match &candidate.route_file {
            Ok(beside) => self.catalog.set_covers(key, covers(key, &beside.paths)),
            Err(_) => {
                self.catalog.set_covers(key, covers(key, &[]));
                self.catalog.mark_covers_unknown(key);
            }
        }
        self.catalog.is_wanted(key)
    }

    fn reload(&mut self) {
        tracing::info!(target: "routes", "reloading routes");
        self.catalog.retry_failed();
        self.registries.refresh();
        // The operator confirms that missing middleware may go.
        self.catalog.confirm_next_scan();
        self.publish_soon();
        self.scan_by(Instant::now());
    }

    fn start_loading(&mut self) {
        while let Some(begin) = self.queue.next() {
            let (load, events) = (self.load.clone(), self.events.clone());
            // Sending fails if the directory was dropped: then nobody waits for the result.
            let (candidate, started) = match begin {
                NextLoad::LookUp(candidate) => {
                    let (work, found, key) = (candidate.clone(), events.clone(), candidate.key.clone());
                    let attempt = LoadAttempt::new(move || drop(found.send(PublisherEvent::Found(key.clone()))));
                    let started = Builder::new().name("load".to_owned()).spawn(move || {
                        let loaded = load_one(&*load, &work, &Effort::Cached(attempt));
                        let _ = events.send(PublisherEvent::LookedUp(work, loaded));
                    });
                    let started = started.inspect_err(|_| self.queue.looked_up(&candidate.key));
                    (candidate, started)
                }
                NextLoad::Compile(number, candidate, turns) => {
                    let (work, compiled) = (candidate.clone(), events.clone());
                    let attempt = LoadAttempt::new(move || drop(compiled.send(PublisherEvent::Compiled(number))));
                    self.queue.begin(number, &candidate, turns, attempt.clone(), Instant::now());
                    let started = Builder::new().name("load".to_owned()).spawn(move || {
                        let loaded = load_one(&*load, &work, &Effort::Full(attempt));
                        let _ = events.send(PublisherEvent::Loaded(number, work, loaded));
                    });
                    (candidate, started.inspect_err(|_| _ = self.queue.end(number)))
                }
            };
            match started {
                Ok(_) => self.progress.begin(Instant::now()),
                Err(error) => {
                    let reason = format!("no thread can be started to load it: {error}");
                    let failed = Loaded::failed(&candidate.key, reason, "let the host start more threads");
                    self.finish_load(candidate, Ok(Loaded { retry: Retry::AtNextScan, ..failed }), 0);
                }
            }
        }
    }

    /// A load has ended. If it has no result, the component waits again; it has had `turns` turns.
    fn finish_load(&mut self, candidate: Candidate, loaded: Result<Loaded, Unfinished>, turns: u32) {
        let (key, fingerprint) = (candidate.key.clone(), candidate.fingerprint());
        let loaded = match loaded {
            Ok(loaded) => loaded,
            // There is another version by now, which has its own load.
            Err(_) if !self.catalog.is_current_load(&key, fingerprint) => return self.note_end(),
            // It has changed: the next listing finds out how.
            Err(Unfinished::Stopped) if self.source.fingerprint(&key).ok() != Some(fingerprint) => {
                Loaded { component: None, diagnostics: Vec::new(), retry: Retry::AtNextScan }
            }
            Err(Unfinished::Uncached | Unfinished::Stopped) => return self.queue.add_uncached(candidate, turns),
        };
        self.note_end();
        self.has_refused |= loaded.retry == Retry::AtNextScan;
        self.catalog.finish_load(&key, fingerprint, loaded);
        self.publish_soon();
    }

    fn note_end(&mut self) {
        self.progress.end(self.queue.left());
    }

    fn publish_soon(&mut self) {
        self.publish_at.get_or_insert_with(|| Instant::now() + PUBLISH_DELAY);
    }

    fn publish(&mut self) {
        self.publish_at = None;
        let (table, diagnostics) = self.catalog.build_table();
        let (before, routes) = (self.current.table(), table.routes().len());
        let changed = !before.has_routes_of(&table);
        self.keep_replaced(&before, &table);
        // Before it is logged, so that the log never runs ahead of what is served.
        self.current.swap(table);
        log::changed(&before, &self.current.table());
        diagnostics.iter().for_each(log::diagnostic);
        if !self.catalog.is_loading() && self.first.end(self.catalog.diagnostics()) {
            let (cached, compiled) = self.load.cache_hits_and_misses();
            tracing::info!(target: "server", routes, cached, compiled, "routes loaded");
        } else if changed && self.first.is_over() {
            tracing::info!(target: "server", routes, "routes reloaded");
        }
        if let Some(at) = self.catalog.claim_expires_at() {
            self.scan_by(at);
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
            self.check_at.get_or_insert_with(|| Instant::now() + CHECK_INTERVAL);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(target: "routes", "the thread that publishes routes has panicked: changes take effect only after a restart");
        }
        // However the thread ends, nobody waits for it in vain.
        self.first.end(self.catalog.diagnostics());
    }
}

/// Loads a component. A panic, which is a defect of the host or the compiler, costs only this component.
fn load_one(load: &dyn Load, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished> {
    catch_unwind(AssertUnwindSafe(|| load.load(candidate, effort))).unwrap_or_else(|_| {
        let remedy = "report it as a defect of the host, with this file";
        Ok(Loaded::failed(&candidate.key, "loading it has made the host panic", remedy))
    })
}
