//! The configuration of a server: plain values, validated when they are made.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::fleet::EngineSettings;
use crate::grants::GrantTable;
use crate::http1::head::HeadLimits;
use crate::memory_budget::half_of_the_machine;
use crate::net::{ForwardedField, TrustedProxies};
use crate::oci::OciSettings;
use crate::options::Value;
use crate::outbound::{CertificateDer, UpstreamClient};
use crate::routes::Declare;
use crate::trace::TraceSettings;

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The routes directory, or one component, which is served as if it were alone in a directory.
    pub routes: PathBuf,
    /// The operator's values for built-in options, from flags. For a limit, a component cannot exceed them.
    pub options: Vec<(String, Value)>,
    /// Which paths components may declare, unless their route file says otherwise.
    pub declare: Declare,
    /// Whether to store which route holds which path.
    pub remember: HolderStoreAccess,
    /// Limits on what clients may use.
    pub limits: Limits,
    /// Timeouts for clients.
    pub timeouts: Timeouts,
    /// Number of worker threads.
    pub workers: NonZeroUsize,
    /// How long a worker thread polls for the next request before it sleeps, if requests arrive that closely. Zero
    /// sleeps at once.
    pub idle_poll: Duration,
    /// Whether requests are counted by route, for metrics.
    pub metrics: bool,
    /// Which requests are traced, and where their spans are sent. `None`: there are no traces.
    pub traces: Option<TraceSettings>,
    /// How often each worker notes that it takes turns, for [`RunningServer::is_alive`](crate::server::RunningServer::is_alive).
    /// `None`: never.
    pub heartbeat: Option<Duration>,
    /// Whether another process has the state directory and ends soon. Calls to stores wait until then.
    pub takes_over: bool,
    /// The proxies that are trusted to name their clients: in the PROXY protocol if a listener requires it, and in `forwarded`.
    pub trusted_proxies: TrustedProxies,
    /// The field in which they name the client of each request. `None`: a connection's requests are those of its peer.
    pub forwarded: Option<ForwardedField>,
    /// Whether they say the scheme of each request in `X-Forwarded-Proto`, so that what a client sends there never arrives.
    pub forwarded_proto: bool,
    /// The engine that connects this host with others. `None` if it is alone.
    pub engine: Option<EngineSettings>,
    /// How components of registries are fetched. Its directory and authorities are those of this configuration.
    pub oci: OciSettings,
    /// Directory of the compile cache. `None` compiles every component at every start.
    pub cache_directory: Option<PathBuf>,
    /// How components are compiled.
    pub compiling: Compiling,
    /// Whether components of `wasi:http` 0.3 are served.
    pub wasi_http_03: bool,
    /// Where the interpreters of scripts are looked for, in this order.
    pub interpreters: Vec<PathBuf>,
    /// Whether route files may grant anything.
    pub allow_grants: bool,
    /// The directory of secrets, with a file for each.
    pub secrets: Option<PathBuf>,
    /// Authorities whose certificates are trusted, beside those of the system, for requests to other servers.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Maximum connections to other servers.
    pub max_outbound: u32,
    /// The directory of key-value stores. `None`: there are none.
    pub state: Option<PathBuf>,
    /// Whether the state directory is opened. Otherwise stores are only named, for commands that inspect.
    pub open_state: bool,
    /// What every component is granted in place of what its route file says.
    pub grant: Option<GrantTable>,
    /// How much error pages reveal.
    pub error_detail: ErrorDetail,
    /// Host names, without ports, that are served in development mode in addition to loopback names. Under any other
    /// name, a page of another site could read error pages (DNS rebinding).
    pub dev_hosts: Vec<String>,
}

/// Whether the holders of paths are stored in the cache directory, if there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HolderStoreAccess {
    /// Read them, but do not write: for commands that only inspect.
    #[default]
    Read,
    /// Read them, and write them as routes change.
    Write,
}

/// How much error pages and responses reveal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Only what any client may know.
    #[default]
    Public,
    /// The same; but the log explains a failure as those who write handlers want to read it.
    Logged,
    /// Also similar routes, why and where a handler failed, and what responses cost: for those who write handlers.
    Development,
}

/// Limits on what clients may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Maximum connections; at the limit, a new one replaces the one that is idle for longest, or gets 503 if none is idle.
    pub max_connections: usize,
    /// Maximum connections of one client; at the limit, a new one replaces one of its own, or gets 503.
    pub max_connections_per_client: ConnectionsPerClient,
    /// Maximum handshakes of TLS that one worker carries on at once; more wait, and then those that take longer than a second
    /// are given up.
    pub handshakes: NonZeroUsize,
    /// Maximum concurrent invocations; more get 503.
    pub max_invocations: u32,
    /// Maximum parked responses; more get 503.
    pub max_parked: usize,
    /// Maximum streams of one HTTP/2 connection, each with a request. A stream counts until its handler has ended, also if the
    /// client has reset it. RFC 9113 section 6.5.2 recommends at least 100.
    pub max_streams: NonZeroU32,
    /// Maximum bytes of memory that guests, bodies, messages, buffers and published chunks take together. Past it a new
    /// request waits for a second at most and is answered 503, and a guest that runs gets no more.
    pub max_memory: usize,
    /// Maximum bytes to discard from a client after the last response.
    pub linger_bytes: u64,
    /// Limits of a request head.
    pub head: HeadLimits,
}

/// How many connections one client may have open at once: one IPv4 address, or one IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionsPerClient {
    /// So many, whichever address it has.
    AtMost(NonZeroUsize),
    /// So many, except for loopback addresses: all clients of a proxy on this machine have that one.
    AtMostExceptLoopback(NonZeroUsize),
    /// As many as it opens.
    Unbounded,
}

impl ConnectionsPerClient {
    /// The bound where nobody says otherwise.
    pub const DEFAULT: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
}

impl Default for ConnectionsPerClient {
    fn default() -> Self {
        Self::AtMostExceptLoopback(Self::DEFAULT)
    }
}

/// How components are compiled and described. Components are untrusted, so this happens in a child process that may
/// fail without harm.
#[derive(Debug, Clone)]
pub struct Compiling {
    /// The program of the child process: the host's own. `None` compiles in this process without the limits below, for
    /// trusted components.
    pub program: Option<PathBuf>,
    /// Bytes of memory for compiling one component; one that needs more is refused.
    pub memory: u64,
    /// Processor time, over all cores, for compiling one component.
    pub cpu: Duration,
    /// Elapsed time for compiling one component.
    pub timeout: Duration,
    /// How much the compiler does for the speed of the code.
    pub code: CodeQuality,
}

/// How much the compiler does for the speed of the code. The compile cache keeps both apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CodeQuality {
    /// The code is optimised.
    #[default]
    Optimized,
    /// The code is compiled in less time, and is slower: for those who change it often.
    Quick,
}

impl Default for Compiling {
    fn default() -> Self {
        let (cpu, timeout) = (Duration::from_secs(120), Duration::from_secs(120));
        Self { program: None, memory: 2 << 30, cpu, timeout, code: CodeQuality::default() }
    }
}

/// Timeouts for clients.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a request head, from its first byte.
    pub head: Duration,
    /// For the next bytes of a body while a handler waits for them.
    pub body: Duration,
    /// Bytes per second that earn back the time spent waiting for a body. `None` gives each wait all of `body`.
    pub min_body_rate: Option<NonZeroU64>,
    /// For the first byte of the next request.
    pub idle: Duration,
    /// For a route that is loading during startup; then the request gets 503.
    pub load: Duration,
    /// For a client to accept some of the bytes sent to it.
    pub write: Duration,
    /// Bytes per second that earn back the time in which a client accepted nothing. `None` gives each wait all of
    /// `write`.
    pub min_write_rate: Option<NonZeroU64>,
    /// For a handler to write something after its client has closed its sending side.
    pub half_close: Duration,
    /// For a handler to end after its client has gone.
    pub grace: Duration,
    /// For discarding what a client sends after the last response. A silent client is given 2 seconds at most.
    pub linger: Duration,
    /// For requests in flight after the server was told to stop.
    pub drain: Duration,
    /// For incomplete requests to arrive after that, and for discarding what clients still send.
    pub drain_request: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            routes: PathBuf::from("routes"),
            options: Vec::new(),
            declare: Declare::default(),
            remember: HolderStoreAccess::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            idle_poll: Duration::from_micros(50),
            traces: None,
            metrics: false,
            heartbeat: None,
            takes_over: false,
            trusted_proxies: TrustedProxies::default(),
            forwarded: None,
            engine: None,
            forwarded_proto: false,
            oci: OciSettings::default(),
            cache_directory: None,
            compiling: Compiling::default(),
            wasi_http_03: true,
            interpreters: Vec::new(),
            allow_grants: true,
            secrets: None,
            authorities: Vec::new(),
            max_outbound: UpstreamClient::MAX_CONNECTIONS,
            state: None,
            open_state: true,
            grant: None,
            error_detail: ErrorDetail::Public,
            dev_hosts: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_client: ConnectionsPerClient::default(),
            handshakes: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
            max_invocations: 1_000,
            max_parked: 10_000,
            max_streams: const { NonZeroU32::new(128).unwrap() },
            max_memory: half_of_the_machine(),
            linger_bytes: 64 * 1024 * 1024,
            head: HeadLimits::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            min_body_rate: NonZeroU64::new(256),
            // Longer than the 60 s of common load balancers and proxies: the side that sends requests must close an
            // idle connection first, or a request may meet a closed connection.
            idle: Duration::from_secs(75),
            load: Duration::from_secs(10),
            write: Duration::from_secs(30),
            min_write_rate: NonZeroU64::new(256),
            half_close: Duration::from_secs(10),
            grace: Duration::from_secs(5),
            linger: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            drain_request: Duration::from_secs(3),
        }
    }
}
