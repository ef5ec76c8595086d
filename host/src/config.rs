//! What a server is configured with: plain values, checked when made, from wherever they came.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::http1::head::HeadLimits;
use crate::options::Value;
use crate::routes::Declare;

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory that is served; or one component, which is served as if it lay in a directory alone.
    pub routes: PathBuf,
    /// The operator's values for built-in options, as the flags give them: for a limit, no component gets above them.
    pub options: Vec<(String, Value)>,
    /// Which paths components may declare, where their route files do not say.
    pub declare: Declare,
    /// Whether it is remembered after this server who holds which path.
    pub remember: HolderStore,
    /// Bounds on what clients can take together.
    pub limits: Limits,
    /// How long clients are waited for.
    pub timeouts: Timeouts,
    /// How many threads serve.
    pub workers: NonZeroUsize,
    /// How long a thread that serves looks for the next request before it sleeps, where requests come that close; zero
    /// sleeps at once.
    pub idle_poll: Duration,
    /// Where compiled code is kept; none compiles at every start.
    pub cache_directory: Option<PathBuf>,
    /// How components are compiled.
    pub compiling: Compiling,
    /// Who sees the answers of the host's own.
    pub audience: ErrorDetail,
    /// Hosts, without ports, that are served to those who develop beside the names of loopback. Under any other name a
    /// page of another site could read what is theirs alone.
    pub dev_hosts: Vec<String>,
}

/// What becomes of the memory of who holds which path, where there is a cache directory to keep it in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HolderStore {
    /// It is read: for who only looks.
    #[default]
    Read,
    /// It is read, and written as routes come and go.
    Write,
}

/// Who sees the answers of the host's own, and so what these may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Anybody: they are told what they can do something about.
    #[default]
    Public,
    /// Those who write the handlers: they are told of near routes, why a handler failed and where, and what answers cost.
    Development,
}

/// Bounds on what clients can take together.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once; past it a new one is answered 503.
    pub max_connections: usize,
    /// Invocations at once; past it a request is answered 503.
    pub max_invocations: u32,
    /// Responses left open at once; past it a handler that leaves another open is answered 503.
    pub max_parked: usize,
    /// Bytes that a client may go on sending after the last response.
    pub linger_bytes: u64,
    /// The bounds of a head.
    pub head: HeadLimits,
}

/// How components are compiled and asked for their routes, which is the work of a stranger's file: in a process of its own,
/// that may fail without harm.
#[derive(Debug, Clone)]
pub struct Compiling {
    /// The program of that process: the host's own, which is `host`. Without it all is done in this process and without
    /// these limits, which is for components that are trusted.
    pub program: Option<PathBuf>,
    /// The bytes of memory that compiling one component may take; past it the component is not loaded.
    pub memory: u64,
    /// The time of processors that it may take together.
    pub cpu: Duration,
    /// The time that it may take.
    pub timeout: Duration,
}

impl Default for Compiling {
    fn default() -> Self {
        let (cpu, timeout) = (Duration::from_secs(120), Duration::from_secs(120));
        Self { program: None, memory: 2 << 30, cpu, timeout }
    }
}

/// How long clients are waited for.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For the whole head, from its first byte.
    pub head: Duration,
    /// For the next bytes of a body that the handler waits for.
    pub body: Duration,
    /// The bytes a second that win back the time in which a body was waited for; without, each wait has all of `body`.
    pub least_body_rate: Option<NonZeroU64>,
    /// For the first byte of the next request.
    pub idle: Duration,
    /// For a route that is being loaded while the server starts, when a request may be its; past it the request is
    /// answered 503.
    pub load: Duration,
    /// For a client to take some of what is sent.
    pub write: Duration,
    /// The bytes a second that win back the time in which a client took nothing; without, each wait has all of `write`.
    pub least_write_rate: Option<NonZeroU64>,
    /// For a handler that writes nothing, once its client has sent its last byte.
    pub half_close: Duration,
    /// For a handler to end after its client has gone.
    pub grace: Duration,
    /// For a client that goes on sending after the last response: what it sends is dropped. One that is silent is waited
    /// for 2 seconds at most.
    pub linger: Duration,
    /// For requests in flight once the server is told to stop.
    pub drain: Duration,
    /// For the rest of a request that has not come whole by then, and for a client that goes on sending.
    pub drain_request: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            routes: PathBuf::from("routes"),
            options: Vec::new(),
            declare: Declare::default(),
            remember: HolderStore::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            idle_poll: Duration::from_micros(50),
            cache_directory: None,
            compiling: Compiling::default(),
            audience: ErrorDetail::Public,
            dev_hosts: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_invocations: 1_000,
            max_parked: 10_000,
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
            least_body_rate: NonZeroU64::new(256),
            // Longer than the 60 s of common load balancers and proxies: of two that may close an idle connection, the
            // one that sends requests must do it first, or a request meets the end of its connection.
            idle: Duration::from_secs(75),
            load: Duration::from_secs(10),
            write: Duration::from_secs(30),
            least_write_rate: NonZeroU64::new(256),
            half_close: Duration::from_secs(10),
            grace: Duration::from_secs(5),
            linger: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            drain_request: Duration::from_secs(3),
        }
    }
}
