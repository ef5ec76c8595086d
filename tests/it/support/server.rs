//! A server in the process of the tests, on a free port, stopped when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;

use artifacts::Guest;
use host::admin::{AdminServer, AdminSettings};
use host::certificates::Certificates;
use host::close_reason::CloseReason;
use host::config::{Compiling, Config, ErrorDetail, Limits, Timeouts};
use host::diagnostic::Diagnostic;
use host::metrics::FleetStats;
use host::metrics::PublishedChunks;
use host::net::{self, ListenAddress, ListenSpec};
use host::options::Value;
use host::server::{RunningServer, Server};

use super::tls::{self, TlsClient};
use super::wire::{get_and_close, get_script};
use super::{Admin, Client, RoutesDir, compile_cache, log, script, wait_for_status};

/// A server that serves.
#[derive(Debug)]
pub struct TestServer {
    running: RunningServer,
    diagnostics: Vec<Diagnostic>,
    routes: RoutesDir,
    /// The directory of its Unix sockets.
    _sockets: tempfile::TempDir,
}

/// A server that is being configured.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    routes: RoutesDir,
    reload: Reload,
    listen: Vec<String>,
    sockets: tempfile::TempDir,
}

/// When a server takes in what changes in its directory.
#[derive(Debug)]
enum Reload {
    Never,
    OnChange,
}

impl TestServer {
    /// Serves one guest with the defaults.
    pub fn serving(guest: Guest) -> Self {
        Self::start(RoutesDir::new().with(guest))
    }

    /// Serves a directory with the defaults, by one worker.
    pub fn start(routes: RoutesDir) -> Self {
        Self::builder(routes).start()
    }

    /// To configure what else than the defaults.
    pub fn builder(routes: RoutesDir) -> Builder {
        let config = Config {
            routes: routes.path().to_owned(),
            workers: NonZeroUsize::MIN,
            cache_directory: Some(compile_cache().to_owned()),
            compiling: Compiling { program: Some(env!("CARGO_BIN_EXE_host").into()), ..Compiling::default() },
            interpreters: vec![script::interpreters()],
            ..Config::default()
        };
        let sockets = tempfile::tempdir().expect("a directory can be made");
        Builder { config, routes, reload: Reload::Never, listen: Vec::new(), sockets }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.addresses()[0].socket_addr().expect("it listens on a port")
    }

    /// What it serves.
    pub fn routes(&self) -> &RoutesDir {
        &self.routes
    }

    /// What was wrong with the files.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Another connection to it, over its first listener.
    pub fn connect(&self) -> Client {
        self.connect_to(0)
    }

    /// A connection over the listener of this index.
    pub fn connect_to(&self, listener: usize) -> Client {
        let client = match &self.running.addresses()[listener] {
            ListenAddress::Tcp(address) => Client::connect(*address),
            ListenAddress::Unix(path) => Client::connect_unix(path.as_deref().expect("it has a path")),
        };
        self.over_its_protocol(client, listener)
    }

    /// A connection whose client's system takes little of what it does not read.
    pub fn connect_with_small_window(&self) -> Client {
        self.over_its_protocol(Client::with_small_window(self.address()), 0)
    }

    /// A connection from another address of this machine.
    pub fn connect_from(&self, from: Ipv4Addr) -> Client {
        self.over_its_protocol(Client::connect_from(from, self.address()), 0)
    }

    /// A client over a connection to its first listener that a test made by itself.
    pub fn over(&self, socket: TcpStream) -> Client {
        self.over_its_protocol(Client::over(socket), 0)
    }

    fn over_its_protocol(&self, client: Client, listener: usize) -> Client {
        let is_tls = self.running.urls()[listener].starts_with("https:");
        if is_tls { client.over_tls(TlsClient::new()) } else { client }
    }

    /// The URLs of its listeners.
    pub fn urls(&self) -> &[String] {
        self.running.urls()
    }

    /// Sends `request` on a connection of its own, and reads until the server closes it: see [`Client::exchange`].
    #[track_caller]
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        self.connect().exchange(request)
    }

    /// What a GET of `target` on a connection of its own gets; see [`Client::exchange`].
    #[track_caller]
    pub fn get(&self, target: &str) -> String {
        self.exchange(get_and_close(target))
    }

    /// Asks for `path` until the answer has this status.
    #[track_caller]
    pub fn wait_for(&self, path: &str, status: &str) {
        wait_for_status(path, status, || self.get(path));
    }

    /// How many connections have ended for this reason.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.running.stats().closed(reason)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.running.stats().connections
    }

    /// How many requests there were, and messages.
    pub fn requests(&self) -> u64 {
        self.running.stats().requests
    }

    /// How many connections are left open by their handlers.
    pub fn parked(&self) -> usize {
        self.running.stats().parked
    }

    /// How many bytes of `max_memory` are in use.
    pub fn memory_in_use(&self) -> usize {
        self.running.stats().memory
    }

    /// How many invocations are in flight.
    pub fn in_flight(&self) -> usize {
        self.running.stats().invocations
    }

    /// What it has exchanged with other hosts.
    pub fn fleet(&self) -> Option<FleetStats> {
        self.running.fleet()
    }

    /// What has become of what handlers published.
    pub fn pushed(&self) -> PublishedChunks {
        self.running.stats().published
    }

    /// An admin listener of it, on a free port.
    pub fn admin(&self, settings: AdminSettings) -> Admin {
        let spec: ListenSpec = "127.0.0.1:0".parse().expect("it is an address");
        let spec = spec.for_admin().expect("it can be one");
        let listeners = net::bind(&[spec]).expect("a port is free");
        let address = listeners[0].address().expect("it is bound").socket_addr().expect("it is a port");
        let server = AdminServer::start(listeners, self.running.monitor(), settings).expect("it can be started");
        server.open();
        Admin::new(address, Some(server))
    }

    /// Tells it to look at its directory, whose files are as they are meant to be.
    pub fn reload(&self) {
        self.running.reload();
    }

    /// A connection on which the guest `script` has run `commands`, which sent `response`, and parked it.
    #[track_caller]
    pub fn park(&self, commands: &str, response: &str) -> Client {
        let mut client = self.connect();
        client.send(get_script(&format!("{commands}&manual")));
        client.expect(response);
        client
    }

    /// Tells it to stop; requests in flight may end.
    pub fn stop(&self) {
        self.running.stop();
    }

    /// Waits until it has stopped.
    pub fn join(self) {
        self.running.join();
    }
}

impl Builder {
    /// A built-in option, as its flag gives it.
    pub fn option(mut self, name: &str, value: Value) -> Self {
        self.config.options.push((name.to_owned(), value));
        self
    }

    /// Other time-outs.
    pub fn timeouts(mut self, change: impl FnOnce(&mut Timeouts)) -> Self {
        change(&mut self.config.timeouts);
        self
    }

    /// Other limits.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.config.limits);
        self
    }

    /// Compiles in another way, and keeps nothing of it.
    pub fn compiling(mut self, change: impl FnOnce(&mut Compiling)) -> Self {
        self.config.cache_directory = None;
        change(&mut self.config.compiling);
        self
    }

    /// How much its error pages reveal.
    pub fn error_detail(mut self, error_detail: ErrorDetail) -> Self {
        self.config.error_detail = error_detail;
        // What the tests call every host.
        self.config.dev_hosts = vec!["it".to_owned()];
        self
    }

    /// Anything else of its configuration.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// As many workers.
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.config.workers = workers;
        self
    }

    /// Listens on this, as `--listen` names it, and not on a free port. `$DIR` is a directory of its own.
    pub fn listen(mut self, spec: &str) -> Self {
        self.listen.push(spec.replace("$DIR", self.sockets.path().to_str().expect("the path is text")));
        self
    }

    /// Speaks TLS on a free port, with [`tls::CERTIFICATE`].
    pub fn tls(self) -> Self {
        self.listen(tls::FREE_PORT)
    }

    /// Takes in what changes in its directory.
    pub fn watched(self) -> Self {
        Self { reload: Reload::OnChange, ..self }
    }

    /// Serves on a free port of 127.0.0.1, or where it was told to. No route gets into quarantine unless its file says so:
    /// many tests are about handlers that fail.
    #[track_caller]
    pub fn start(mut self) -> TestServer {
        log();
        if !self.config.options.iter().any(|(name, _)| name == "quarantine") {
            self = self.option("quarantine", Value::Integer(0));
        }
        let (server, diagnostics) = Server::new(self.config).expect("a server can be made");
        match self.reload {
            Reload::Never => {}
            Reload::OnChange => server.watch().expect("the system tells of changes"),
        }
        let certificates = Arc::new(Certificates::self_signed(&tls::CERTIFICATE));
        let server = server.with_certificates(certificates).expect("it can be used");
        let listeners = match self.listen.is_empty() && !tls::is_default() {
            true => vec![TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free").into()],
            false => {
                let listen = if self.listen.is_empty() { vec![tls::FREE_PORT.to_owned()] } else { self.listen };
                let specs: Vec<_> = listen.iter().map(|spec| spec.parse().expect("it can be parsed")).collect();
                net::bind(&specs).expect("it can be listened on")
            }
        };
        let running = server.start(listeners).expect("a server can be started");
        TestServer { running, diagnostics, routes: self.routes, _sockets: self.sockets }
    }
}
