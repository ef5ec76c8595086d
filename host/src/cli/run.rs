//! `host run`: serves a directory until a signal arrives.

use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, FromArgMatches};
use host::access_log::AccessLog;
use host::admin::AdminServer;
use host::config::{CodeQuality, Config, ConnectionsPerClient, ErrorDetail, HolderStoreAccess, Limits, Timeouts};
use host::control;
use host::dev::DevState;
use host::http::loopback;
use host::http1::head::HeadLimits;
use host::line_writer::{Capacity, Destination, LineQueue, LineWriter, Trouble};
use host::net::{self, InheritedSockets, ListenSpec, Listener, LocalListener, Predecessor, Role};
use host::observe::Observers;
use host::server::{RunningServer, Server};
use tokio::signal::unix::{SignalKind, signal};

use super::access_log::{AccessLogFlags, Started};
#[cfg(feature = "acme")]
use super::acme::{AcmeFlags, AcmeOrders};
use super::admin::AdminFlags;
use super::fd_limit;
use super::fleet::FleetFlags;
use super::logging::{self, LogFormat};
use super::options::{Loading, RoutesFlags};
use super::proxies::ProxyFlags;
use super::service_manager::ServiceManager;
use super::tls::TlsFlags;
use super::traces::TraceFlags;
use super::upgrade;

/// How long to wait for routes before listening. Components in the compile cache load faster than this.
const LOAD_WAIT: Duration = Duration::from_millis(250);

/// Over which time parked responses end when another process takes over.
const PARK_DRAIN: Duration = Duration::from_secs(10);

/// The arguments of `host run`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Run {
    #[command(flatten)]
    source: RoutesFlags,

    /// What to listen on: HOST:PORT, unix:PATH or fd:NAME, with http:// or https:// before it; can be given several times. A
    /// name stands for all its addresses, port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", help_heading = "Server")]
    listen: Vec<ListenSpec>,

    /// Format of the log on stderr; RUST_LOG filters it.
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Server")]
    log_format: LogFormat,

    #[command(flatten)]
    access_log: AccessLogFlags,

    /// Development mode: a page at `/` shows routes, requests and mistakes; error pages suggest similar routes, show why and
    /// where a handler failed, and reload themselves; responses carry Server-Timing; components are compiled quickly rather
    /// than well. All listeners must be loopback addresses.
    #[arg(long, help_heading = "Server")]
    dev: bool,

    /// Another host name under which --dev serves, without a port; can be given several times. The others are
    /// localhost, the names below it and loopback addresses, so that no page of another site can read it.
    #[arg(long, value_name = "NAME", requires = "dev", value_parser = host_name, help_heading = "Server")]
    dev_host: Vec<String>,

    /// Number of worker threads [default: one per core].
    #[arg(long, value_name = "N", help_heading = "Server")]
    workers: Option<NonZeroUsize>,

    /// How long a worker thread polls for the next request before it sleeps, if requests arrive that closely; 0 sleeps
    /// at once.
    #[arg(long, value_name = "MICROSECONDS", default_value = Config::default().idle_poll.as_micros().to_string(),
          value_parser = microseconds, help_heading = "Server")]
    idle_poll: Duration,

    /// Reload changed routes only on SIGHUP, not when their files change.
    #[arg(long, help_heading = "Server")]
    no_watch: bool,

    #[command(flatten)]
    tls: TlsFlags,

    #[cfg(feature = "acme")]
    #[command(flatten)]
    acme: AcmeFlags,

    #[command(flatten)]
    proxies: ProxyFlags,

    #[command(flatten)]
    admin: AdminFlags,

    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    traces: TraceFlags,

    #[command(flatten)]
    bounds: ClientBounds,
}

/// Limits on what clients can use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds on clients (times in seconds)")]
struct ClientBounds {
    /// Maximum connections; at the limit, a new one replaces the one that is idle for longest, or gets 503 if none is idle.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections)]
    max_connections: usize,

    /// Maximum connections of one client, an IPv4 address or an IPv6 /64 network; at the limit, a new one replaces its own.
    /// For a proxy on another machine disable it with 0 or none [default: 1000, and none for loopback addresses].
    #[arg(long, value_name = "N", value_parser = connections_per_client)]
    max_connections_per_client: Option<ConnectionsPerClient>,

    /// Maximum concurrent invocations; more get 503. A request behind middleware counts twice.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_invocations,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_invocations: u32,

    /// Maximum parked responses; more get 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_parked)]
    max_parked: usize,

    /// Maximum streams of one HTTP/2 connection, each with a request; the client has to wait with more.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_streams)]
    max_streams: NonZeroU32,

    /// Maximum bytes of memory of all handlers, bodies, messages and published chunks together; more get 503, and a handler
    /// that runs gets no more [default: half of what the machine or the control group has].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(16 << 20..))]
    max_memory: Option<u64>,

    /// Maximum bytes of a request head; more get 431.
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().max_bytes)]
    max_head: usize,

    /// Maximum fields of a request head; more get 431.
    #[arg(long, value_name = "N", default_value_t = HeadLimits::default().max_fields)]
    max_fields: usize,

    /// Maximum bytes of a request target; more get 414.
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().max_target)]
    max_target: usize,

    /// Time for a request head, from its first byte.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().head), value_parser = duration)]
    head_timeout: Duration,

    /// Time for the next bytes of a body while a handler waits for them.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().body), value_parser = duration)]
    body_timeout: Duration,

    /// Bytes per second; below it, waits for a body add up to --body-timeout. 0 disables it.
    #[arg(long, value_name = "BYTES", default_value_t = Timeouts::default().min_body_rate.map_or(0, NonZeroU64::get))]
    min_body_rate: u64,

    /// Time for the next request on an open connection.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().idle), value_parser = duration)]
    idle_timeout: Duration,

    /// How long a request waits during startup for a route that is still loading; then 503.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().load), value_parser = duration)]
    load_timeout: Duration,

    /// Time for a client to accept some of the bytes sent to it.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().write), value_parser = duration)]
    write_timeout: Duration,

    /// Bytes per second; below it, waits for a client to accept bytes add up to --write-timeout. 0 disables it.
    #[arg(long, value_name = "BYTES", default_value_t = Timeouts::default().min_write_rate.map_or(0, NonZeroU64::get))]
    min_write_rate: u64,

    /// Time for a handler to write something after its client has closed its sending side; then 504.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().half_close), value_parser = duration)]
    half_close_timeout: Duration,

    /// Time for a handler to end after its client has reset the connection or was given up.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().grace), value_parser = duration)]
    grace: Duration,

    /// Time to discard what a client still sends after the last response, so that it can read that response. A silent
    /// client is given 2 seconds at most.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().linger), value_parser = duration)]
    linger_timeout: Duration,

    /// Maximum bytes to discard then; 0 discards none.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().linger_bytes)]
    linger_bytes: u64,

    /// Time for requests in flight after the server was told to stop.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().drain), value_parser = duration)]
    drain_timeout: Duration,

    /// Time over which parked responses and WebSockets end one after the other when another process takes over (SIGUSR2), so that
    /// their clients do not all come back at once. With --state they end at once, because the new process waits for the stores.
    #[arg(long, value_name = "SECONDS", default_value = seconds(PARK_DRAIN), value_parser = duration)]
    park_drain: Duration,

    /// Time for incomplete requests to arrive after the server was told to stop.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().drain_request), value_parser = duration)]
    drain_request_timeout: Duration,
}

impl Run {
    /// Serves until SIGINT or SIGTERM; a second one stops without waiting for requests in flight. SIGHUP reloads,
    /// unless it was sent because the terminal was closed.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.serve(None, || Ok(()))
    }

    /// The arguments of `host dev`, with the defaults of all others.
    pub(super) fn for_dev(
        routes: PathBuf,
        loading: Loading,
        listen: Vec<ListenSpec>,
        dev_host: Vec<String>,
    ) -> anyhow::Result<Self> {
        let matches = Self::augment_args(clap::Command::new("run")).try_get_matches_from(["run"])?;
        let defaults = Self::from_arg_matches(&matches)?;
        Ok(Self { source: RoutesFlags::of(routes, loading), listen, dev: true, dev_host, ..defaults })
    }

    /// The same. In development mode, `dev` has what pages show. `begin` is called once the addresses are bound, and what it
    /// returns is dropped when the server is told to stop.
    pub(super) fn serve<T>(
        self,
        dev: Option<Arc<DevState>>,
        begin: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<ExitCode> {
        self.source.check()?;
        fd_limit::raise();
        self.proxies.check(&self.listen, self.traces.settings().is_some())?;
        let predecessor = upgrade::predecessor()?;
        let mut inherited = match &predecessor {
            Some(predecessor) => predecessor.receive()?,
            None => InheritedSockets::from_environment(),
        };
        let specs: Vec<ListenSpec> = self.listen.iter().chain(self.admin.listen()).cloned().collect();
        let listeners = net::bind_or_inherit(&specs, &mut inherited).map_err(with_remedy)?;
        let (admin, listeners): (Vec<_>, Vec<_>) =
            listeners.into_iter().partition(|listener| listener.settings().role == Role::Admin);
        self.admin.check(&admin)?;
        if self.dev {
            check_loopback(&listeners)?;
        }
        let _logging = logging::start(self.log_format)?;
        fd_limit::warn_below(self.bounds.max_connections);
        let manager = ServiceManager::from_environment();
        let unused = inherited.names();
        if !unused.is_empty() {
            tracing::warn!(
                target: "server",
                "the service manager has passed sockets that are not used: {unused}; name each with --listen fd:NAME"
            );
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // From here on, signals are handled and do not kill the process.
        let mut signals = runtime.block_on(async { Signals::new() })?;
        if self.dev {
            tracing::warn!(
                target: "server",
                "--dev: error pages show routes, handler errors and backtraces to everybody who can connect"
            );
        }
        let access_log = self.access_log.start(self.dev.then(super::access_log::for_developers))?;
        signals.access_log = access_log.as_ref().map(|started| started.log.clone());
        let takes_over = predecessor.is_some();
        let config = Config { heartbeat: self.admin.heartbeat(manager.heartbeat()), takes_over, ..self.config()? };
        let load_timeout = config.timeouts.load;
        let dev_hosts = self.dev.then_some(&self.dev_host[..]);
        #[cfg(feature = "acme")]
        let orders = self.acme.orders(&self.listen, config.state.as_deref())?;
        #[cfg(feature = "acme")]
        let issued = orders.as_ref().map_or_else(Vec::new, AcmeOrders::files);
        #[cfg(not(feature = "acme"))]
        let issued = Vec::new();
        let cache = config.cache_directory.as_deref();
        let certificates = self.tls.certificates(&self.listen, dev_hosts, cache, issued)?;
        let state = config.state.clone();
        let mut server = Server::open(config, Observers { access_log: signals.access_log.clone(), dev })?;
        if let Some(certificates) = certificates {
            server = server.with_certificates(certificates)?;
        }
        // The state directory exists only now.
        let control = inherited.take_control();
        if let Some(listener) = control.or_else(|| state.as_deref().and_then(listen_to_commands)) {
            server = server.controlled_by(listener);
        }
        if !self.no_watch {
            // If files cannot be watched, the log says so when the directory is read.
            let _ = server.watch();
            server.watch_certificates()?;
        }
        // The process whose place this one takes serves until then.
        server.wait(if takes_over { load_timeout } else { LOAD_WAIT });
        // The authority looks at what the listeners answer.
        #[cfg(feature = "acme")]
        if let Some(AcmeOrders { settings, store }) = orders {
            server.order_certificates(settings, store)?;
        }
        let running = server.start(listeners)?;
        let admin = self.admin.start(admin, &running)?;
        let admin_urls = admin.as_ref().map_or(&[][..], AdminServer::urls);
        let announcement = announce(running.urls(), admin_urls, access_log.as_ref())?;
        if let Some(admin) = admin.as_ref().filter(|_| !takes_over) {
            admin.open();
        }
        let begun = begin()?;
        let park_drain = if state.is_some() { Duration::ZERO } else { self.bounds.park_drain };
        let operation = Operation {
            running: &running,
            admin: admin.as_ref(),
            manager: &manager,
            drain_delay: self.admin.drain_delay(),
            load_timeout,
            park_drain,
            predecessor: Cell::new(predecessor),
        };
        runtime.block_on(async {
            let end = operation.while_serving(signals.next(&operation)).await;
            drop(begun);
            operation.while_serving(signals.stop(&operation, end)).await;
        });
        running.join();
        drop(admin);
        if let Some(announcement) = announcement {
            // If nobody has read it by now, nobody will.
            let _ = announcement.finish(Duration::ZERO);
        }
        access_log.into_iter().for_each(Started::finish);
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self) -> anyhow::Result<Config> {
        let bounds = &self.bounds;
        let mut config = self.source.loading.config(self.source.directory().to_owned())?;
        if self.dev {
            config.compiling.code = CodeQuality::Quick;
        }
        Ok(Config {
            remember: HolderStoreAccess::Write,
            limits: Limits {
                max_connections: bounds.max_connections,
                max_connections_per_client: bounds.max_connections_per_client.unwrap_or_default(),
                handshakes: self.tls.handshakes(),
                max_invocations: bounds.max_invocations,
                max_parked: bounds.max_parked,
                max_streams: bounds.max_streams,
                max_memory: bounds
                    .max_memory
                    .map_or(Limits::default().max_memory, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
                linger_bytes: bounds.linger_bytes,
                head: HeadLimits {
                    max_bytes: bounds.max_head,
                    max_fields: bounds.max_fields,
                    max_target: bounds.max_target,
                },
            },
            timeouts: Timeouts {
                head: bounds.head_timeout,
                body: bounds.body_timeout,
                min_body_rate: NonZeroU64::new(bounds.min_body_rate),
                idle: bounds.idle_timeout,
                load: bounds.load_timeout,
                write: bounds.write_timeout,
                min_write_rate: NonZeroU64::new(bounds.min_write_rate),
                half_close: bounds.half_close_timeout,
                grace: bounds.grace,
                linger: bounds.linger_timeout,
                drain: bounds.drain_timeout,
                drain_request: bounds.drain_request_timeout,
            },
            trusted_proxies: self.proxies.trusted_proxy.clone().into(),
            forwarded: self.proxies.forwarded,
            engine: self.fleet.engine()?,
            forwarded_proto: self.proxies.forwarded_proto,
            workers: self.workers.unwrap_or(Config::default().workers),
            idle_poll: self.idle_poll,
            metrics: self.admin.counts(),
            traces: self.traces.settings(),
            error_detail: if self.dev { ErrorDetail::Development } else { ErrorDetail::Public },
            dev_hosts: self.dev_host.clone(),
            ..config
        })
    }
}

/// Listens for commands of the operator. If that is not possible, the log says so, and the host serves without them.
fn listen_to_commands(state: &Path) -> Option<LocalListener> {
    let listening = LocalListener::bind(&control::socket(state));
    let warn = |error| tracing::warn!(target: "server", "`host publish` does not reach this host: {error}");
    listening.map_err(warn).ok()
}

/// Adds what can be done about an address that cannot be listened on.
fn with_remedy(error: net::BindError) -> anyhow::Error {
    let kind = match &error {
        net::BindError::Refused { error, .. } => error.kind(),
        net::BindError::NoAddress { .. } | net::BindError::Local(_) | net::BindError::NotPassed { .. } => {
            return error.into();
        }
    };
    let remedy = match kind {
        ErrorKind::AddrInUse => {
            "another program listens there; stop it, or choose another port, as in --listen 127.0.0.1:8001"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 are for root; choose another, as in --listen 127.0.0.1:8000, or allow this program to bind them"
        }
        ErrorKind::AddrNotAvailable => "this machine does not have that address; choose another with --listen",
        _ => return error.into(),
    };
    anyhow::anyhow!("{:#}; {remedy}", anyhow::Error::from(error))
}

/// Prints the addresses on stdout. If nobody reads stdout, signals still work.
fn announce(
    urls: &[String],
    admin: &[String],
    access_log: Option<&Started>,
) -> std::io::Result<Option<LineWriter<String>>> {
    let public = urls.iter().map(|url| format!("listening on {url}\n"));
    let lines: String = public.chain(admin.iter().map(|url| format!("admin on {url}\n"))).collect();
    if let Some(Started { log, destination: Destination::Stdout, .. }) = access_log {
        log.line(lines);
        return Ok(None);
    }
    let capacity = Capacity { records: 1, bytes: lines.len() };
    let (queue, writer) = LineQueue::start("stdout", Destination::Stdout, capacity, |trouble| {
        if let Trouble::Failing(error) = trouble {
            tracing::warn!(target: "server", "cannot write the addresses to stdout: {error}");
        }
        None
    })?;
    queue.push(lines);
    writer.close();
    Ok(Some(writer))
}

/// A server that runs, and who is told of it.
struct Operation<'r> {
    running: &'r RunningServer,
    admin: Option<&'r AdminServer>,
    manager: &'r ServiceManager,
    /// How long the server serves on after it was told to stop.
    drain_delay: Option<Duration>,
    load_timeout: Duration,
    /// Over which time parked responses end when another process takes over.
    park_drain: Duration,
    /// The process whose place this one takes, until it is told.
    predecessor: Cell<Option<Predecessor>>,
}

/// Why a server ends.
enum ServingEnd {
    /// A signal says so.
    Stopped,
    /// Another process goes on with its listening sockets.
    Replaced,
}

impl Operation<'_> {
    /// Waits for `end`, and tells the service manager meanwhile that the server is alive.
    async fn while_serving<T>(&self, end: impl Future<Output = T>) -> T {
        let alive = async {
            self.manager.keep_alive(self.running).await;
            std::future::pending().await
        };
        tokio::select! {
            end = end => end,
            never = alive => never,
        }
    }

    /// Starts a process that takes over. If that fails, the log says why, and this one goes on.
    async fn upgrade(&self) -> Option<ServingEnd> {
        tracing::info!(target: "server", "starting a new process that takes over");
        match upgrade::start(self.running, self.admin, self.load_timeout).await {
            Ok(process) => {
                self.manager.replaced_by(process);
                tracing::info!(target: "server", process, "another process serves now");
                Some(ServingEnd::Replaced)
            }
            Err(reason) => {
                tracing::error!(target: "server", "the upgrade has failed, and this host goes on: {reason}");
                None
            }
        }
    }

    /// Tells the service manager that the server is ready, once `loaded` is, or requests wait no longer for that.
    async fn tell_ready(&self, loaded: impl Future<Output = ()>) {
        // What is loaded later serves then.
        let _ = tokio::time::timeout(self.load_timeout, loaded).await;
        if let Some(predecessor) = self.predecessor.take() {
            self.running.take_over();
            self.admin.into_iter().for_each(AdminServer::open);
            // If it has died meanwhile, this process is the only one.
            let _ = predecessor.ready();
        }
        self.manager.ready(self.running);
    }
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    upgrade: tokio::signal::unix::Signal,
    /// Whether the process had a terminal when it started.
    has_terminal: bool,
    /// The access log that SIGHUP reopens.
    access_log: Option<AccessLog>,
    /// Whether nobody waits yet until routes are loaded.
    is_starting: bool,
    /// Whether the server is told to stop, so that no other process takes over.
    is_stopping: bool,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: has_terminal(),
            access_log: None,
            is_starting: true,
            is_stopping: false,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal to stop. Reloads at each SIGHUP meanwhile.
    async fn next(&mut self, operation: &Operation<'_>) -> ServingEnd {
        let mut upgrade: Pin<Box<dyn Future<Output = Option<ServingEnd>> + '_>> = Box::pin(std::future::pending());
        let mut is_upgrading = false;
        let mut readiness: Pin<Box<dyn Future<Output = ()> + '_>> = match std::mem::take(&mut self.is_starting) {
            true => Box::pin(operation.tell_ready(operation.running.loaded())),
            false => Box::pin(std::future::pending()),
        };
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return ServingEnd::Stopped,
                _ = self.terminate.recv() => return ServingEnd::Stopped,
                _ = self.hangup.recv() => match self.has_terminal && !has_terminal() {
                    true => return ServingEnd::Stopped,
                    false => {
                        operation.manager.reloading();
                        readiness = Box::pin(operation.tell_ready(operation.running.reloaded()));
                        self.access_log.iter().for_each(AccessLog::reopen);
                    }
                },
                () = &mut readiness => readiness = Box::pin(std::future::pending()),
                _ = self.upgrade.recv(), if !is_upgrading && !self.is_stopping => {
                    is_upgrading = true;
                    upgrade = Box::pin(operation.upgrade());
                }
                end = &mut upgrade => {
                    if let Some(end) = end {
                        return end;
                    }
                    is_upgrading = false;
                    upgrade = Box::pin(std::future::pending());
                }
            }
        }
    }

    /// Stops the server after the first signal, and without draining at the second.
    async fn stop(&mut self, operation: &Operation<'_>, end: ServingEnd) {
        // When a terminal closes, a shell signals its jobs again: that is not a second request to stop.
        self.has_terminal = false;
        self.is_stopping = true;
        if let (ServingEnd::Stopped, Some(delay)) = (&end, operation.drain_delay) {
            operation.manager.stopping();
            operation.running.begin_draining();
            let seconds = delay.as_secs_f64();
            tracing::info!(target: "server", "stopping in {seconds} s: /readyz says so; another signal stops at once");
            tokio::select! {
                _ = self.next(operation) => return operation.running.stop_at_once(),
                () = tokio::time::sleep(delay) => {}
            }
        }
        tracing::info!(target: "server", "stopping: waiting for requests in flight; another signal stops at once");
        match end {
            ServingEnd::Stopped => {
                operation.manager.stopping();
                operation.running.stop();
            }
            ServingEnd::Replaced => {
                operation.admin.into_iter().for_each(AdminServer::hand_over);
                operation.running.hand_over(operation.park_drain);
            }
        }
        tokio::select! {
            _ = self.next(operation) => operation.running.stop_at_once(),
            () = operation.running.stopped() => {}
        }
    }
}

/// Whether stdin or stderr is a terminal that is still open.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

/// Development mode reveals internals, so refuse addresses that other machines can reach.
fn check_loopback(listeners: &[Listener]) -> anyhow::Result<()> {
    for listener in listeners {
        let address = listener.address()?;
        anyhow::ensure!(
            address.is_loopback(),
            "--dev shows backtraces and routes to everybody who can connect, and {address} is not a loopback address; listen on \
             127.0.0.1 or [::1], or leave out --dev"
        );
    }
    Ok(())
}

pub(super) fn host_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && loopback::host(text) == text && !text.contains(['/', '@']);
    if is_name { Ok(text.to_owned()) } else { Err("expected a host without a port, such as dev.example".to_owned()) }
}

fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a number of seconds above 0, such as 30 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| expected.to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| expected.to_owned())?;
    let max = Duration::from_secs(365 * 86_400);
    if duration.is_zero() || duration > max { Err(expected.to_owned()) } else { Ok(duration) }
}

fn connections_per_client(text: &str) -> Result<ConnectionsPerClient, String> {
    if text == "none" {
        return Ok(ConnectionsPerClient::Unbounded);
    }
    let number: usize = text.parse().map_err(|_| "expected a number of connections, or none".to_owned())?;
    Ok(NonZeroUsize::new(number).map_or(ConnectionsPerClient::Unbounded, ConnectionsPerClient::AtMost))
}

fn microseconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| *number <= 10_000);
    number.map(Duration::from_micros).ok_or_else(|| "expected a number of microseconds up to 10000".to_owned())
}
