//! `host run`: serve a directory until a signal comes.

use std::io::IsTerminal;
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use host::access_log::{AccessLog, Format};
use host::config::{Config, ErrorDetail, HolderStore, Limits, Timeouts};
use host::http::loopback;
use host::http1::head::HeadLimits;
use host::line_writer::{Capacity, Destination, LineQueue, LineWriter, Trouble};
use host::net::{self, ListenAddress, Listener};
use host::observe::Observers;
use host::server::{RunningServer, Server};
use tokio::signal::unix::{SignalKind, signal};

use super::access_log::{AccessLogFlags, Started};
use super::fd_limit;
use super::logging::{self, LogFormat};
use super::options::RoutesFlags;

/// How long routes are waited for before it listens: those that are in the compile cache need no longer.
const PATIENCE: Duration = Duration::from_millis(250);

/// The arguments of `host run`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Run {
    #[command(flatten)]
    source: RoutesFlags,

    /// The address to listen on, or a name with all of its addresses; can be given several times. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", help_heading = "Server")]
    listen: Vec<String>,

    /// How the log on stderr is written; RUST_LOG says what is in it.
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Server")]
    log_format: LogFormat,

    #[command(flatten)]
    access_log: AccessLogFlags,

    /// For who writes handlers: error pages name near routes and show why a handler failed and where, each answer of a
    /// handler has a Server-Timing. Not for strangers, so all listeners must be loopback addresses.
    #[arg(long, help_heading = "Server")]
    dev: bool,

    /// Another host by whose name --dev serves, without its port; can be given several times. Else it serves localhost,
    /// the names below it, and loopback addresses alone, so that no page of another site can read it.
    #[arg(long, value_name = "NAME", requires = "dev", value_parser = host_name, help_heading = "Server")]
    dev_host: Vec<String>,

    /// Threads that serve [default: one for each core].
    #[arg(long, value_name = "N", help_heading = "Server")]
    workers: Option<NonZeroUsize>,

    /// How long a thread that serves looks for the next request before it sleeps, where requests come that close; 0
    /// sleeps at once.
    #[arg(long, value_name = "MICROSECONDS", default_value = Config::default().idle_poll.as_micros().to_string(),
          value_parser = microseconds, help_heading = "Server")]
    idle_poll: Duration,

    /// Load changed routes on SIGHUP alone, not as soon as their files change.
    #[arg(long, help_heading = "Server")]
    no_watch: bool,

    #[command(flatten)]
    bounds: ClientBounds,
}

/// Bounds on what clients can take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds on clients (times in seconds)")]
struct ClientBounds {
    /// Connections at once; past it: 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections)]
    max_connections: usize,

    /// Invocations at once, of which a request behind middleware takes two; past it: 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_invocations,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_invocations: u32,

    /// Responses left open at once; past it: 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_parked)]
    max_parked: usize,

    /// Bytes of a request's head; past it: 431.
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().max_bytes)]
    max_head: usize,

    /// Fields of a request's head; past it: 431.
    #[arg(long, value_name = "N", default_value_t = HeadLimits::default().max_fields)]
    max_fields: usize,

    /// Bytes of a request's target; past it: 414.
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().max_target)]
    max_target: usize,

    /// For the whole head of a request, from its first byte.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().head), value_parser = duration)]
    head_timeout: Duration,

    /// For the next bytes of a body that a handler waits for.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().body), value_parser = duration)]
    body_timeout: Duration,

    /// Bytes a second below which the waits for a body add up to --body-timeout; 0 has none.
    #[arg(long, value_name = "BYTES", default_value_t = Timeouts::default().least_body_rate.map_or(0, NonZeroU64::get))]
    min_body_rate: u64,

    /// For the next request on an open connection.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().idle), value_parser = duration)]
    idle_timeout: Duration,

    /// For a route that is being loaded while the host starts, when a request may be its; past it: 503.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().load), value_parser = duration)]
    load_timeout: Duration,

    /// For a client to take some of what is sent.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().write), value_parser = duration)]
    write_timeout: Duration,

    /// Bytes a second below which the waits for a client to take what is sent add up to --write-timeout; 0 has none.
    #[arg(long, value_name = "BYTES", default_value_t = Timeouts::default().least_write_rate.map_or(0, NonZeroU64::get))]
    min_write_rate: u64,

    /// For a handler that writes nothing, once its client has sent its last byte; past it: 504.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().half_close), value_parser = duration)]
    half_close_timeout: Duration,

    /// For a handler to end after its client has reset the connection or stopped reading for good.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().grace), value_parser = duration)]
    grace: Duration,

    /// For a client that goes on sending after the last response on its connection: it is read on, so that it gets the
    /// response. A silent one is waited for 2 seconds at most.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().linger), value_parser = duration)]
    linger_timeout: Duration,

    /// Bytes that such a client may go on sending; 0 reads none.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().linger_bytes)]
    linger_bytes: u64,

    /// For requests in flight once the server is told to stop.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().drain), value_parser = duration)]
    drain_timeout: Duration,

    /// For the rest of a request that has not come whole once the server is told to stop.
    #[arg(long, value_name = "SECONDS", default_value = seconds(Timeouts::default().drain_request), value_parser = duration)]
    drain_request_timeout: Duration,
}

impl Run {
    /// Serves until SIGINT or SIGTERM; a second one does not wait for requests in flight. SIGHUP reloads, but where it
    /// comes because the terminal is closed.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.source.check()?;
        fd_limit::raise();
        let listeners = net::bind(&self.listen)?;
        if self.dev {
            refuse_strangers(&listeners)?;
        }
        let _logging = logging::start(self.log_format)?;
        fd_limit::warn_below(self.bounds.max_connections);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // From here on no signal kills.
        let mut signals = runtime.block_on(async { Signals::new() })?;
        if self.dev {
            tracing::warn!(
                target: "server",
                "--dev: whoever connects sees the routes and why and where handlers fail; not for strangers"
            );
        }
        let access_log = self.access_log.start(self.dev.then_some(Format::Text))?;
        signals.access_log = access_log.as_ref().map(|started| started.log.clone());
        let server = Server::open(self.config()?, Observers { access_log: signals.access_log.clone() })?;
        if !self.no_watch {
            // Where the system does not tell of changes the log says so, as soon as the directory is looked at.
            let _ = server.watch();
        }
        server.wait(PATIENCE);
        let running = server.start(listeners)?;
        let announcement = announce(running.addresses(), access_log.as_ref())?;
        runtime.block_on(signals.stop(&running));
        running.join();
        if let Some(announcement) = announcement {
            // Nobody has read it since the host was started: nobody will.
            let _ = announcement.finish(Duration::ZERO);
        }
        access_log.into_iter().for_each(Started::finish);
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self) -> anyhow::Result<Config> {
        let bounds = &self.bounds;
        Ok(Config {
            routes: self.source.routes.clone(),
            options: self.source.loading.options.0.clone(),
            declare: self.source.loading.declare,
            remember: HolderStore::Write,
            limits: Limits {
                max_connections: bounds.max_connections,
                max_invocations: bounds.max_invocations,
                max_parked: bounds.max_parked,
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
                least_body_rate: NonZeroU64::new(bounds.min_body_rate),
                idle: bounds.idle_timeout,
                load: bounds.load_timeout,
                write: bounds.write_timeout,
                least_write_rate: NonZeroU64::new(bounds.min_write_rate),
                half_close: bounds.half_close_timeout,
                grace: bounds.grace,
                linger: bounds.linger_timeout,
                drain: bounds.drain_timeout,
                drain_request: bounds.drain_request_timeout,
            },
            workers: self.workers.unwrap_or(Config::default().workers),
            idle_poll: self.idle_poll,
            cache_directory: self.source.loading.cache_directory()?,
            compiling: self.source.loading.compiling(),
            audience: if self.dev { ErrorDetail::Development } else { ErrorDetail::Public },
            dev_hosts: self.dev_host.clone(),
        })
    }
}

/// Says on stdout where it is listened on. A reader that takes no line, or an access log there that nobody reads, holds
/// up no signal.
fn announce(addresses: &[ListenAddress], access_log: Option<&Started>) -> std::io::Result<Option<LineWriter<String>>> {
    let lines: String = addresses.iter().map(|address| format!("listening on {}\n", address.url())).collect();
    if let Some(Started { log, destination: Destination::Stdout, .. }) = access_log {
        log.line(lines);
        return Ok(None);
    }
    let capacity = Capacity { records: 1, bytes: lines.len() };
    let (queue, writer) = LineQueue::start("stdout", Destination::Stdout, capacity, |trouble| {
        if let Trouble::Failing(error) = trouble {
            tracing::warn!(target: "server", "the addresses cannot be written to stdout: {error}");
        }
        None
    })?;
    queue.push(lines);
    writer.close();
    Ok(Some(writer))
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// Whether there was a terminal at first.
    has_terminal: bool,
    /// What a hangup opens anew.
    access_log: Option<AccessLog>,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: has_terminal(),
            access_log: None,
        })
    }

    /// Waits for the next signal to stop, reloading meanwhile at each hangup.
    async fn next(&mut self, running: &RunningServer) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => match self.has_terminal && !has_terminal() {
                    true => return,
                    false => {
                        running.reload();
                        self.access_log.iter().for_each(AccessLog::reopen);
                    }
                },
            }
        }
    }

    /// Stops the server at the first signal, and at once at the second.
    async fn stop(&mut self, running: &RunningServer) {
        self.next(running).await;
        // A shell tells its jobs once more that the terminal was closed: that is no second wish to stop.
        self.has_terminal = false;
        tracing::info!(target: "server", "stopping: requests in flight may end; another signal stops at once");
        running.stop();
        tokio::select! {
            () = self.next(running) => running.stop_at_once(),
            () = running.stopped() => {}
        }
    }
}

/// Whether somebody sees it in a terminal: one that was closed is none.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

/// What is shown to those who develop is not for who comes over a network.
fn refuse_strangers(listeners: &[Listener]) -> anyhow::Result<()> {
    for listener in listeners {
        let address = listener.address()?;
        anyhow::ensure!(
            address.is_local(),
            "--dev shows backtraces and routes to whoever connects, and {address} is no loopback address; listen on \
             127.0.0.1 or [::1], or leave out --dev"
        );
    }
    Ok(())
}

fn host_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && loopback::host(text) == text && !text.contains(['/', '@']);
    if is_name { Ok(text.to_owned()) } else { Err("expected a host without a port, such as dev.example".to_owned()) }
}

fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a number of seconds above 0, such as 30 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| expected.to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| expected.to_owned())?;
    let longest = Duration::from_secs(365 * 86_400);
    if duration.is_zero() || duration > longest { Err(expected.to_owned()) } else { Ok(duration) }
}

fn microseconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| *number <= 10_000);
    number.map(Duration::from_micros).ok_or_else(|| "expected a number of microseconds up to 10000".to_owned())
}
