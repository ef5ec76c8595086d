//! A server: loads its routes, accepts connections, runs its workers and stops them.

mod idle_poll;
mod monitor;
#[cfg(test)]
mod tests;
mod timers;
mod workers;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

#[cfg(feature = "acme")]
use crate::acme::{AcmeSettings, AcmeStore, AcmeThread};
use crate::certificates::{CertificateWatch, Certificates};
use crate::close_reason::CloseReason;
use crate::config::{Config, ErrorDetail, HolderStoreAccess};
use crate::dev::DevState;
use crate::diagnostic::Diagnostic;
use crate::fleet::{EngineStores, FleetLink};
use crate::grants::{GrantSources, StoreSource};
use crate::guest::{Engine, EngineError, EngineOptions};
use crate::key_value::{DeferredBackend, EmbeddedBackend, StateError};
use crate::meter::Meter;
use crate::metrics::{FleetStats, PublishedChunks, RouteRegistry, ServerStats};
use crate::net::tls::TlsSettings;
use crate::net::{ListenAddress, Listener, ListenerHandle, LocalListener, Scheme};
use crate::observe::Observers;
use crate::oci::{OciSettings, RegistryComponents};
use crate::outbound::UpstreamClient;
use crate::routes::{Directory, HolderStoreSetup, RouteTable, Setup, WatchError};
use crate::trace::Tracer;
use crate::worker::ServerState;

pub use monitor::{MAX_STALL, ServerMonitor};

use workers::Workers;

/// A server that is not started yet. [`Server::start`] starts it.
#[derive(Debug)]
pub struct Server {
    shared: Arc<ServerState>,
    directory: Directory,
    grant_sources: Arc<GrantSources>,
    control: Option<LocalListener>,
    /// The connection with other hosts, if there are any.
    fleet: Option<FleetLink>,
    certificates: Option<Arc<Certificates>>,
    certificate_watch: Option<CertificateWatch>,
    #[cfg(feature = "acme")]
    acme: Option<AcmeThread>,
}

/// A server that runs. If it is dropped, it stops at once.
#[derive(Debug)]
pub struct RunningServer {
    addresses: Vec<ListenAddress>,
    urls: Vec<String>,
    listeners: Vec<ListenerHandle>,
    workers: Workers,
    monitor: ServerMonitor,
    threads: Vec<JoinHandle<()>>,
    directory: Directory,
    grant_sources: Arc<GrantSources>,
    certificates: Option<Arc<Certificates>>,
    tracer: Option<Arc<Tracer>>,
    /// Ends with the server.
    _certificate_watch: Option<CertificateWatch>,
    #[cfg(feature = "acme")]
    acme: Option<AcmeThread>,
}

/// Why a server cannot be created or started.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The engine cannot be created.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The routes directory cannot be read.
    #[error("cannot read the routes in {}: {error}", .directory.display())]
    Routes {
        /// The directory.
        directory: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A listener speaks TLS, and there is no certificate.
    #[error("there is no certificate for https://; give one with --tls-cert FILE and --tls-key FILE")]
    NoCertificate,
    /// The settings of TLS cannot be made.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The state directory cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// A socket or a thread cannot be set up.
    #[error("cannot start to serve")]
    Start(#[from] io::Error),
}

impl Server {
    /// Creates a server and loads its routes. The diagnostics list what is wrong with single files. The other files are
    /// served.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn new(config: Config) -> Result<(Self, Vec<Diagnostic>), ServerError> {
        let server = Self::open(config, Observers::default())?;
        let diagnostics = server.directory.wait(Duration::MAX).unwrap_or_default();
        Ok((server, diagnostics))
    }

    /// Creates a server and begins to load its routes. [`Server::wait`] waits for them. What is wrong with single files
    /// is logged.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn open(config: Config, observers: Observers) -> Result<Self, ServerError> {
        let engine = Engine::new(&EngineOptions {
            max_invocations: config.limits.max_invocations,
            workers: u32::try_from(config.workers.get()).unwrap_or(u32::MAX),
            cache_directory: config.cache_directory.clone(),
            compiling: config.compiling.clone(),
            wasi_http_03: config.wasi_http_03,
        })?;
        let memory = config.cache_directory.as_ref();
        let memory = memory.map(|cache| HolderStoreSetup {
            directory: cache.join("holders"),
            writes: config.remember == HolderStoreAccess::Write,
        });
        let grant_sources = Arc::new(grant_sources(&config)?);
        let metrics = config.metrics.then(|| Arc::new(RouteRegistry::new(config.workers)));
        let setup = Setup {
            flags: config.options.clone(),
            declare: config.declare,
            memory,
            max_memory: Some(config.limits.max_memory),
            interpreters: config.interpreters.clone(),
            grant_sources: grant_sources.clone(),
            grant: config.grant.clone(),
            origins: observers.dev.as_ref().map(|dev| dev.origins().clone()).unwrap_or_default(),
            metrics: metrics.clone(),
            registries: Arc::new(registry_components(&config)),
        };
        let directory = Directory::open(&config.routes, setup, &engine);
        let directory = directory.map_err(|error| ServerError::Routes { directory: config.routes.clone(), error })?;
        let tracer =
            config.traces.clone().map(|traces| Tracer::start(traces, config.authorities.clone())).transpose()?;
        let server = Self { grant_sources, ..Self::of(config, observers, engine, directory, metrics) };
        if let Some(tracer) = tracer {
            // It is set once.
            let _ = server.shared.tracer.set(tracer);
        }
        Ok(server)
    }

    fn of(
        config: Config,
        mut observers: Observers,
        engine: Engine,
        directory: Directory,
        metrics: Option<Arc<RouteRegistry>>,
    ) -> Self {
        match config.error_detail {
            ErrorDetail::Public | ErrorDetail::Logged => observers.dev = None,
            ErrorDetail::Development => _ = observers.dev.get_or_insert_with(|| Arc::new(DevState::new(false))),
        }
        let routes = directory.current().clone();
        let (fleet, relay) = config.engine.clone().map(FleetLink::new).unzip();
        let shared = Arc::new(ServerState::new(config, observers, engine, routes, relay, metrics));
        let (control, certificates, certificate_watch) = (None, None, None);
        Self {
            shared,
            directory,
            grant_sources: Arc::default(),
            control,
            fleet,
            certificates,
            certificate_watch,
            #[cfg(feature = "acme")]
            acme: None,
        }
    }

    /// Waits until all routes are loaded, at most for `timeout`. The rest continue to load, and requests for them
    /// wait.
    pub fn wait(&self, timeout: Duration) {
        if self.directory.wait(timeout).is_none() {
            tracing::info!(target: "server", routes = self.routes().routes().len(), "some routes are still being loaded");
        }
    }

    /// Watches the routes directory, and reloads routes when their files change.
    ///
    /// # Errors
    /// If the system does not report changes. Then the directory is checked each second.
    pub fn watch(&self) -> Result<(), WatchError> {
        self.directory.watch()
    }

    /// Measures the cost of invocations from now on. It is meant for a single request: the costs of several are added
    /// up.
    #[must_use]
    pub fn measure(&self) -> Meter {
        self.shared.meter.get_or_init(Meter::default).clone()
    }

    /// The loaded routes.
    #[must_use]
    pub fn routes(&self) -> Arc<RouteTable> {
        self.shared.routes.table()
    }

    /// Answers the operator's commands on this socket too, while it runs.
    #[must_use]
    pub fn controlled_by(self, listener: LocalListener) -> Self {
        Self { control: Some(listener), ..self }
    }

    /// Serves listeners of `https://` with these certificates.
    ///
    /// # Errors
    /// The settings of TLS cannot be made.
    pub fn with_certificates(self, certificates: Arc<Certificates>) -> Result<Self, ServerError> {
        let mut settings =
            TlsSettings::new(certificates.clone()).map_err(|error| ServerError::Tls(error.to_string()))?;
        if let Some(keys) = certificates.ticket_keys() {
            settings = settings.with_tickets(keys.clone());
        }
        if certificates.are_issued() {
            certificates.answer_challenges(self.shared.challenges.clone());
            settings = settings.with_challenges();
        }
        // It is set once: a server has one set of certificates, which reads its files again.
        let _ = self.shared.tls.set(Arc::new(settings));
        Ok(Self { certificates: Some(certificates), ..self })
    }

    /// Reads the files of certificates again when they change.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn watch_certificates(&mut self) -> io::Result<()> {
        if let Some(certificates) = &self.certificates {
            self.certificate_watch = Some(CertificateWatch::start(certificates.clone())?);
        }
        Ok(())
    }

    /// Orders from an authority those certificates that are due, as long as the server runs. It does nothing if the server has
    /// no certificates.
    ///
    /// # Errors
    /// The system gives no thread.
    #[cfg(feature = "acme")]
    pub fn order_certificates(&mut self, settings: AcmeSettings, store: AcmeStore) -> io::Result<()> {
        if let Some(certificates) = &self.certificates {
            let challenges = self.shared.challenges.clone();
            self.acme = Some(AcmeThread::start(settings, store, certificates.clone(), challenges)?);
        }
        Ok(())
    }

    /// Starts the workers, which serve the connections of `listeners` until the server is stopped.
    ///
    /// # Errors
    /// The error of the system for a socket or a thread.
    pub fn start(self, listeners: Vec<Listener>) -> Result<RunningServer, ServerError> {
        let is_https = |listener: &Listener| listener.settings().scheme == Scheme::Https;
        if self.certificates.is_none() && listeners.iter().any(is_https) {
            return Err(ServerError::NoCertificate);
        }
        let addresses = listeners.iter().map(Listener::address).collect::<io::Result<Vec<_>>>()?;
        let urls = addresses.iter().zip(&listeners).map(|(address, listener)| address.url(listener.settings().scheme));
        let urls = urls.collect();
        let handles = listeners.iter().map(Listener::handle).collect::<io::Result<Vec<_>>>()?;
        let control = self.control.as_ref().map(LocalListener::handle).transpose()?;
        let handles = handles.into_iter().flatten().chain(control).collect();
        let (workers, worker_threads) = Workers::new(&self.shared, listeners, self.control)?;
        #[cfg(feature = "acme")]
        let acme = self.acme;
        let Self { shared, directory, grant_sources, fleet, certificates, certificate_watch, .. } = self;
        let mut running = RunningServer {
            addresses,
            urls,
            listeners: handles,
            tracer: shared.tracer.get().cloned(),
            monitor: ServerMonitor::new(workers.clone(), shared, certificates.clone()),
            workers,
            threads: Vec::new(),
            directory,
            grant_sources,
            certificates,
            _certificate_watch: certificate_watch,
            #[cfg(feature = "acme")]
            acme,
        };
        for (index, worker) in worker_threads.into_iter().enumerate() {
            let name = format!("worker-{index}");
            running.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        if let Some(fleet) = fleet {
            running.threads.extend(running.workers.run_fleet(fleet)?);
        }
        Ok(running)
    }
}

/// The components of registries that the routes of a server can have.
fn registry_components(config: &Config) -> RegistryComponents {
    RegistryComponents::new(OciSettings {
        directory: config.cache_directory.as_ref().map(|cache| cache.join("oci")),
        authorities: config.authorities.clone(),
        ..config.oci.clone()
    })
}

/// Where the grants of a server come from. Its own directories cannot be granted.
fn grant_sources(config: &Config) -> Result<GrantSources, StateError> {
    if !config.allow_grants {
        return Ok(GrantSources::none());
    }
    let client = UpstreamClient::new(config.max_outbound, config.authorities.clone());
    let mut sources = GrantSources::default().with_secrets(config.secrets.clone()).with_upstream_client(client);
    if let Some(state) = &config.state {
        sources.forbid("the state directory", state.clone());
        sources = sources.with_stores(match config.open_state {
            true if config.takes_over => StoreSource::Open(Arc::new(DeferredBackend::open(state)?)),
            true => StoreSource::Open(Arc::new(EmbeddedBackend::open(state)?)),
            false => StoreSource::NotOpen,
        });
    }
    if let Some(engine) = &config.engine {
        sources = sources.with_engine_stores(StoreSource::Open(Arc::new(EngineStores::new(engine.clone()))));
    } else if !config.open_state {
        sources = sources.with_engine_stores(StoreSource::NotOpen);
    }
    // A component that is served alone may lie beside the data that it serves.
    if config.routes.is_dir() {
        sources.forbid("the routes directory", config.routes.clone());
    }
    if let Some(cache) = &config.cache_directory {
        sources.forbid("the compile cache", cache.clone());
    }
    Ok(sources)
}

impl RunningServer {
    /// The addresses of the listeners, in their order.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The URLs of the listeners, without a path, in their order.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Reads the secrets and the certificates again, loads the files that have changed in the routes directory, and retries
    /// those that could not be loaded.
    pub fn reload(&self) {
        self.reload_sources();
        self.directory.reload();
    }

    /// Reads again what is no route.
    fn reload_sources(&self) {
        self.grant_sources.reload();
        self.certificates.iter().for_each(|certificates| certificates.reload());
        #[cfg(feature = "acme")]
        self.acme.iter().for_each(AcmeThread::retry_now);
    }

    /// The same as [`Self::reload`]. The future is ready when what has changed is loaded.
    pub fn reloaded(&self) -> impl Future<Output = ()> + 'static {
        self.reload_sources();
        self.directory.reloaded()
    }

    /// Ready when all routes that were found at first are loaded.
    pub fn loaded(&self) -> impl Future<Output = ()> + 'static {
        let current = self.directory.current().clone();
        async move {
            loop {
                let table = current.table();
                if table.is_complete() {
                    return;
                }
                current.after(&table).await;
            }
        }
    }

    /// How many routes there are.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.directory.current().table().routes().len()
    }

    /// Whether every worker has taken a turn within the last `time`. [`Config::heartbeat`] has to be less.
    #[must_use]
    pub fn is_alive(&self, time: Duration) -> bool {
        self.workers.are_alive(time)
    }

    /// What it has exchanged with other hosts. `None` if it has no engine.
    #[must_use]
    pub fn fleet(&self) -> Option<FleetStats> {
        self.monitor.fleet()
    }

    /// What is known of it, for whoever watches it.
    #[must_use]
    pub fn monitor(&self) -> ServerMonitor {
        self.monitor.clone()
    }

    /// Says that it stops soon, so that it counts as not ready. It serves until it is stopped.
    pub fn begin_draining(&self) {
        self.monitor.begin_draining();
    }

    /// Stops the server: stops accepting, serves accepted connections, lets requests in flight end within the drain
    /// timeout, and then closes the remaining connections.
    pub fn stop(&self) {
        #[cfg(feature = "acme")]
        self.acme.iter().for_each(AcmeThread::stop);
        self.begin_draining();
        self.workers.stop();
    }

    /// The listening sockets that another process can go on with.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerHandle> {
        self.listeners.iter()
    }

    /// Stops the server as [`Self::stop`], when another process goes on with its listening sockets: what waits in their queues
    /// is left to that one. Parked responses and WebSockets end one after the other over the time `window`.
    pub fn hand_over(&self, window: Duration) {
        self.listeners.iter().for_each(|listener| listener.set_handed_over(true));
        self.workers.set_window(window);
        self.stop();
    }

    /// Goes on with the listening sockets of another process, which ends.
    pub fn take_over(&self) {
        self.listeners.iter().for_each(|listener| listener.set_handed_over(false));
    }

    /// Closes all connections at once.
    pub fn stop_at_once(&self) {
        self.workers.stop_at_once();
    }

    /// What the server has counted since it was started.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.workers.stats()
    }

    /// Waits until the server has stopped. It works in any runtime.
    pub async fn stopped(&self) {
        self.workers.stopped().await;
    }

    /// Waits until the server has stopped, and logs why its connections were closed.
    pub fn join(mut self) {
        self.join_threads();
        let stats = self.stats();
        for reason in CloseReason::ALL {
            let connections = stats.closed(reason);
            if connections > 0 {
                tracing::info!(target: "server", connections, reason = reason.explain(), "connections closed");
            }
        }
        let PublishedChunks { reached, dropped } = stats.published;
        if reached + dropped > 0 {
            tracing::info!(target: "server", reached, dropped, "chunks published");
        }
    }

    fn join_threads(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(target: "server", "a worker has panicked");
            }
        }
        if let Some(tracer) = self.tracer.take() {
            tracer.close();
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.workers.stop_at_once();
            self.join_threads();
        }
    }
}
