//! The components of registries that the routes name: a thread fetches them, looks at their tags from time to time, and tells
//! when one of them is another.
//!
//! The thread starts with the first component that is asked for. What serves never waits for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle as Task;

use super::client::RegistryClient;
use super::digest::ContentDigest;
use super::error::OciError;
use super::fetch::{self, Fetched, Fetcher};
use super::reference::{ComponentReference, FetchedComponent, RegistryComponent};
use super::signature::SignatureKey;
use super::store::OciStore;
use crate::outbound::{CertificateDer, Origin, UpstreamClient};

/// How long it may take to fetch a component.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// The most components that are fetched at once.
const MAX_FETCHES: usize = 4;

/// The pause after the first failure. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How often it is logged that a registry is still away.
const WARN_INTERVAL: Duration = Duration::from_secs(600);

/// The most connections to registries.
const MAX_CONNECTIONS: u32 = 64;

/// How components of registries are fetched.
#[derive(Debug, Clone)]
pub struct OciSettings {
    /// Where they are kept. `None`: none can be had.
    pub directory: Option<PathBuf>,
    /// The hosts that may be reached without TLS, beside this machine.
    pub insecure: Vec<Origin>,
    /// Public keys. If there are any, each component has to be signed with one of them.
    pub keys: Vec<SignatureKey>,
    /// The configuration of Docker, which has credentials.
    pub docker_config: Option<PathBuf>,
    /// Authorities whose certificates are trusted, beside those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How long it may take to fetch a component.
    pub timeout: Duration,
}

impl Default for OciSettings {
    fn default() -> Self {
        Self {
            directory: None,
            insecure: Vec::new(),
            keys: Vec::new(),
            docker_config: None,
            authorities: Vec::new(),
            timeout: FETCH_TIMEOUT,
        }
    }
}

/// Calls a function once.
pub(crate) type Ready = Box<dyn FnOnce() + Send>;

/// Is called when a component is another.
pub(crate) type Changed = Box<dyn Fn() + Send>;

/// The components of registries.
#[derive(Debug)]
pub struct RegistryComponents {
    settings: OciSettings,
    shared: Arc<FollowedComponents>,
    thread: Mutex<Option<FetchThread>>,
}

#[derive(Debug)]
struct FetchThread {
    commands: mpsc::UnboundedSender<FetchCommand>,
    handle: JoinHandle<()>,
}

#[derive(Debug)]
enum FetchCommand {
    /// Follow a component from now on, and look whether it is ready.
    Follow(ComponentReference),
    /// What is followed has changed.
    Update,
    Stop,
}

/// What is known of the components, for all threads.
#[derive(Default)]
struct FollowedComponents {
    state: Mutex<FollowedState>,
    store: OnceLock<Arc<Result<OciStore, OciError>>>,
}

#[derive(Default)]
struct FollowedState {
    components: HashMap<ComponentReference, FollowedComponent>,
    changed: Option<Changed>,
    /// Whether tags are looked at, and what has failed is tried again.
    polls: bool,
}

#[derive(Default)]
struct FollowedComponent {
    /// How often its tag is looked at.
    poll: Duration,
    /// What it is now.
    digest: Option<ContentDigest>,
    /// How often it became another, or could be read again, since it was first told what it is.
    version: u64,
    /// Why it is not what the registry has, or not known.
    failure: Option<OciError>,
    /// Whether it was told once what it is.
    is_told: bool,
    /// Whether what it is could be read.
    is_ready: bool,
    /// Who waits until it is ready to be read.
    waiting: Vec<Ready>,
    /// Whether the registry is to be asked at the next turn.
    asks: bool,
    failures: u32,
    /// When it was logged that it fails.
    warned_at: Option<Instant>,
    wake: Arc<Notify>,
}

impl fmt::Debug for FollowedComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(lock(&self.state).components.iter().map(|(reference, it)| (reference, it.digest)))
            .finish()
    }
}

impl Default for RegistryComponents {
    fn default() -> Self {
        Self::new(OciSettings::default())
    }
}

impl RegistryComponents {
    /// With nothing fetched yet.
    #[must_use]
    pub fn new(settings: OciSettings) -> Self {
        Self { settings, shared: Arc::default(), thread: Mutex::default() }
    }

    /// Calls `changed` each time when a component is another than before.
    pub(crate) fn listen(&self, changed: Changed) {
        lock(&self.shared.state).changed = Some(changed);
    }

    /// From now on, looks at tags from time to time, and tries again what has failed.
    pub(crate) fn poll(&self) {
        lock(&self.shared.state).polls = true;
        self.update();
    }

    /// Follows no others than these.
    pub(crate) fn keep(&self, wanted: &BTreeMap<ComponentReference, Duration>) {
        let mut state = lock(&self.shared.state);
        if state.components.is_empty() {
            return;
        }
        let unwanted = state.components.extract_if(|reference, _| !wanted.contains_key(reference));
        let waiting: Vec<Ready> = unwanted.flat_map(|(_, component)| component.waiting).collect();
        for (reference, component) in &mut state.components {
            component.poll = wanted.get(reference).copied().unwrap_or(component.poll);
        }
        drop(state);
        waiting.into_iter().for_each(|ready| ready());
        self.update();
    }

    /// A number that changes when a component becomes another.
    pub(crate) fn version(&self, reference: &ComponentReference) -> u64 {
        lock(&self.shared.state).components.get(reference).map_or(0, |component| component.version)
    }

    /// Makes a component ready to be read, and calls `ready` when it is, or cannot be.
    pub(crate) fn fetch(&self, component: &RegistryComponent, ready: Ready) {
        let reference = &component.reference;
        {
            let mut state = lock(&self.shared.state);
            let followed = state.components.entry(reference.clone()).or_default();
            followed.poll = component.poll;
            followed.waiting.push(ready);
        }
        let sent = self.thread().and_then(|commands| {
            commands.send(FetchCommand::Follow(reference.clone())).map_err(|_| "its thread has ended".to_owned())
        });
        if let Err(reason) = sent {
            let failure = OciError::Io(Arc::new(std::io::Error::other(reason)));
            self.shared.note(reference, Err(failure));
        }
    }

    /// Asks the registries now: the operator has told the host to reload.
    pub(crate) fn refresh(&self) {
        for (reference, component) in &mut lock(&self.shared.state).components {
            if reference.is_tag() || component.failure.is_some() {
                component.asks = true;
                component.wake.notify_one();
            }
        }
    }

    /// The bytes of a component that is ready. Each time all of it is checked.
    ///
    /// # Errors
    /// It could not be fetched, or what was fetched cannot be used.
    pub(crate) fn read(&self, reference: &ComponentReference) -> Result<Vec<u8>, OciError> {
        let (digest, failure) = {
            let state = lock(&self.shared.state);
            let component = state.components.get(reference).ok_or(OciError::NotFetched)?;
            (component.digest, component.failure.clone())
        };
        let digest = digest.ok_or_else(|| failure.unwrap_or(OciError::NotFetched))?;
        let store = self.store();
        fetch::read(store.as_ref().as_ref().map_err(Clone::clone)?, &self.settings.keys, &digest)
    }

    /// What a component is now. `None` if that is not known.
    pub(crate) fn fetched(&self, reference: &ComponentReference) -> Option<FetchedComponent> {
        let digest = lock(&self.shared.state).components.get(reference)?.digest?;
        Some(FetchedComponent { reference: reference.clone(), digest })
    }

    fn store(&self) -> Arc<Result<OciStore, OciError>> {
        let open = || match &self.settings.directory {
            Some(directory) => OciStore::open(directory),
            None => Err(OciError::NoCache),
        };
        if let Some(store) = self.shared.store.get() {
            return store.clone();
        }
        let opened = Arc::new(open());
        // The operator may mend why it cannot be opened.
        if opened.is_ok() { self.shared.store.get_or_init(|| opened).clone() } else { opened }
    }

    fn update(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            // If it has ended, it follows nothing.
            let _ = thread.commands.send(FetchCommand::Update);
        }
    }

    /// The thread, which is started at the first call.
    fn thread(&self) -> Result<mpsc::UnboundedSender<FetchCommand>, String> {
        let mut thread = lock(&self.thread);
        if let Some(thread) = &*thread {
            return Ok(thread.commands.clone());
        }
        let OciSettings { insecure, docker_config, authorities, keys, timeout, .. } = self.settings.clone();
        let client = UpstreamClient::new(MAX_CONNECTIONS, authorities);
        let client = RegistryClient::new(client, insecure, docker_config);
        let fetcher = Fetcher { client, store: self.store(), keys: keys.into(), timeout };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let (commands, received) = mpsc::unbounded_channel();
        let shared = self.shared.clone();
        let run = move || runtime.block_on(run(shared, fetcher, received));
        let spawned = std::thread::Builder::new().name("registry".to_owned()).spawn(run);
        let handle = spawned.map_err(|error| format!("no thread can be started: {error}"))?;
        *thread = Some(FetchThread { commands: commands.clone(), handle });
        Ok(commands)
    }
}

impl Drop for RegistryComponents {
    fn drop(&mut self) {
        if let Some(FetchThread { commands, handle }) = lock(&self.thread).take() {
            let _ = commands.send(FetchCommand::Stop);
            // If it has panicked, the log says so.
            let _ = handle.join();
        }
    }
}

/// Follows components until it is told to stop, each in a task.
async fn run(shared: Arc<FollowedComponents>, fetcher: Fetcher, mut commands: mpsc::UnboundedReceiver<FetchCommand>) {
    let (fetcher, turns) = (Arc::new(fetcher), Arc::new(Semaphore::new(MAX_FETCHES)));
    let mut tasks: HashMap<ComponentReference, Task<()>> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            FetchCommand::Follow(reference) => {
                let is_followed = tasks.get(&reference).is_some_and(|task| !task.is_finished());
                shared.wake(&reference);
                if !is_followed {
                    let following = follow(shared.clone(), fetcher.clone(), turns.clone(), reference.clone());
                    tasks.insert(reference, tokio::spawn(following));
                }
            }
            FetchCommand::Update => {
                tasks.retain(|reference, task| {
                    let is_wanted = lock(&shared.state).components.contains_key(reference);
                    if is_wanted {
                        shared.wake(reference)
                    } else {
                        task.abort()
                    }
                    is_wanted
                });
            }
            FetchCommand::Stop => break,
        }
    }
    tasks.into_values().for_each(|task| task.abort());
}

/// Fetches a component, and then looks at it whenever that is due.
async fn follow(
    shared: Arc<FollowedComponents>,
    fetcher: Arc<Fetcher>,
    turns: Arc<Semaphore>,
    reference: ComponentReference,
) {
    let mut asked_at: Option<Instant> = None;
    while let Some(Turn { known, waits, asks, pause, wake }) = shared.turn(&reference) {
        let is_due = asked_at.is_none_or(|at| pause.is_some_and(|pause| at.elapsed() >= pause));
        if asks || is_due || known.is_none() && waits {
            let _turn = turns.acquire().await;
            asked_at = Some(Instant::now());
            shared.note(&reference, fetcher.fetch(&reference, known).await);
            continue;
        }
        if let (true, Some(digest)) = (waits, known) {
            let _turn = turns.acquire().await;
            let ready = fetcher.ensure(&reference.repository, &digest).await;
            shared.note_ready(&reference, ready.err());
            continue;
        }
        let rest = asked_at.zip(pause).map(|(at, pause)| (at + pause).saturating_duration_since(Instant::now()));
        match rest {
            Some(rest) => _ = tokio::time::timeout(rest, wake.notified()).await,
            None => wake.notified().await,
        }
    }
}

/// What is to be done for a component.
struct Turn {
    known: Option<ContentDigest>,
    waits: bool,
    asks: bool,
    /// How long after the last question the next one is due. `None`: never.
    pause: Option<Duration>,
    wake: Arc<Notify>,
}

impl FollowedComponents {
    fn turn(&self, reference: &ComponentReference) -> Option<Turn> {
        let mut state = lock(&self.state);
        let polls = state.polls;
        let component = state.components.get_mut(reference)?;
        let pause = match component.failures {
            0 => reference.is_tag().then_some(component.poll),
            failures => {
                let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(MAX_PAUSE);
                // A registry that is away is not asked more often than one that is there.
                Some(if component.digest.is_some() { pause.max(component.poll) } else { pause })
            }
        };
        Some(Turn {
            known: component.digest,
            waits: !component.waiting.is_empty(),
            asks: std::mem::take(&mut component.asks),
            pause: pause.filter(|_| polls),
            wake: component.wake.clone(),
        })
    }

    fn wake(&self, reference: &ComponentReference) {
        if let Some(component) = lock(&self.state).components.get(reference) {
            component.wake.notify_one();
        }
    }

    /// Notes what a question had as its result.
    fn note(&self, reference: &ComponentReference, result: Result<Fetched, OciError>) {
        let mut state = lock(&self.state);
        let Some(component) = state.components.get_mut(reference) else { return };
        let was_told = std::mem::replace(&mut component.is_told, true);
        let (digest, failure) = match result {
            Ok(Fetched { digest, failure }) => (Some(digest), failure),
            Err(error) => (None, Some(error)),
        };
        let is_another = digest.is_some() && (digest != component.digest || !component.is_ready);
        component.digest = digest.or(component.digest);
        component.is_ready |= digest.is_some();
        component.version += u64::from(is_another && was_told);
        component.tell(reference, failure);
        let waiting = std::mem::take(&mut component.waiting);
        if is_another && was_told {
            state.changed.iter().for_each(|changed| changed());
        }
        drop(state);
        waiting.into_iter().for_each(|ready| ready());
    }

    /// What is known already was made ready, or could not be.
    fn note_ready(&self, reference: &ComponentReference, failure: Option<OciError>) {
        let mut state = lock(&self.state);
        let Some(component) = state.components.get_mut(reference) else { return };
        if failure.is_some() {
            component.is_ready = false;
            component.tell(reference, failure);
        }
        let waiting = std::mem::take(&mut component.waiting);
        drop(state);
        waiting.into_iter().for_each(|ready| ready());
    }
}

impl FollowedComponent {
    /// Notes a failure or its end. If what was fetched before serves, the log says so, and not again at each attempt.
    fn tell(&mut self, reference: &ComponentReference, failure: Option<OciError>) {
        let now = Instant::now();
        match (&failure, self.digest) {
            (None, _) => {
                if self.warned_at.take().is_some() {
                    tracing::info!(target: "routes", "the registry of {reference} answers again");
                }
                self.failures = 0;
            }
            // What waits for it reports that.
            (Some(_), None) => self.failures = self.failures.saturating_add(1),
            (Some(error), Some(_)) => {
                self.failures = self.failures.saturating_add(1);
                let is_new = self.failure.as_ref().map(ToString::to_string) != Some(error.to_string());
                if is_new || self.warned_at.is_none_or(|at| now - at >= WARN_INTERVAL) {
                    self.warned_at = Some(now);
                    let remedy = error.remedy();
                    match error.is_absence() {
                        true => tracing::warn!(
                            target: "routes",
                            "it is not known whether {reference} has changed: {error}; the version that was fetched serves on"
                        ),
                        false => tracing::warn!(
                            target: "routes",
                            "the new version of {reference} is not served: {error}; the version before it still serves\n  remedy: {remedy}"
                        ),
                    }
                }
            }
        }
        self.failure = failure;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
