//! `host call`: one request through one handler, over a socket of this process, without a server to start.

mod reply;
mod request;

use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use host::close_reason::CloseReason;
use host::config::Config;
use host::meter::Cost;
use host::net::{self, ClientStream};
use host::routes::{Mount, RouteTable};
use host::server::Server;

use super::logging;
use super::options::Loading;
use reply::{BodyFormat, CallResponse};
use request::CallRequest;

/// The arguments of `host call`.
#[derive(Debug, Args)]
pub(super) struct CallCommand {
    /// The component, which is called as if it lay in a routes directory alone, with its `NAME.toml`, without middleware.
    file: PathBuf,

    #[command(flatten)]
    request: CallRequest,

    /// Print the response byte for byte, with the framing of its body.
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    loading: Loading,
}

/// What became of a call, seen from both ends of the connection.
struct Called {
    reply: CallResponse,
    reason: Option<CloseReason>,
    cost: Option<Cost>,
    sent: usize,
}

impl CallCommand {
    /// Prints the response on stdout, what the handler logs and what it cost on stderr. The exit code is 0 where the
    /// response is whole and below 400, or the handler closed the connection.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config {
            routes: self.file.clone(),
            options: self.loading.options.0.clone(),
            declare: self.loading.declare,
            cache_directory: self.loading.cache_directory()?,
            compiling: self.loading.compiling(),
            workers: NonZeroUsize::MIN,
            ..Config::default()
        };
        let (server, diagnostics) = Server::new(config)?;
        for diagnostic in &diagnostics {
            eprintln!("{diagnostic}");
        }
        let table = server.routes();
        let Some(mount) = mount(&table) else {
            let told = !diagnostics.is_empty();
            anyhow::ensure!(told, "{} is middleware; call a handler, or serve one behind it", self.file.display());
            return Ok(ExitCode::FAILURE);
        };
        let logging = logging::start_untimed()?;
        let called = self.call(server, mount)?;
        // What the handler has printed stands before what it cost.
        drop(logging);
        called.report(&mut io::stderr().lock())?;
        Ok(if called.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn call(&self, server: Server, mount: &Mount) -> anyhow::Result<Called> {
        let method = self.request.method();
        let meter = server.measure();
        let running = server.start(net::bind(&["127.0.0.1:0".to_owned()])?)?;
        let address = &running.addresses()[0];
        let request = self.request.encode(mount, address)?;
        let socket = ClientStream::connect(address).context("cannot connect to 127.0.0.1")?;
        let form = if self.raw { BodyFormat::Raw } else { BodyFormat::Decoded };
        let reply = std::thread::scope(|scope| {
            // Beside the reading: a handler may answer before it has read all, or nothing at all.
            scope.spawn(|| send(&socket, &request));
            CallResponse::read(&socket, method == "HEAD", form, &mut io::stdout().lock())
        })?;
        let reason = CloseReason::ALL.into_iter().find(|reason| running.closed(*reason) > 0);
        running.stop_at_once();
        running.join();
        Ok(Called { reply, reason, cost: meter.read(Instant::now()), sent: request.len() })
    }
}

/// Where the route is mounted, if it could be loaded.
fn mount(table: &RouteTable) -> Option<&Mount> {
    Some(&table.routes().first()?.route.mount)
}

/// Sends a request and the end of all requests, so that a connection that a handler leaves open ends too.
fn send(mut socket: &ClientStream, request: &[u8]) {
    // A handler that ends the connection early is seen by whoever reads.
    let _ = socket.write_all(request).and_then(|()| socket.shutdown_write());
}

impl Called {
    fn is_good(&self) -> bool {
        match self.reply.status {
            Some(status) => status < 400 && !self.is_cut(),
            None => self.reason == Some(CloseReason::Handler),
        }
    }

    /// Whether the response broke off.
    fn is_cut(&self) -> bool {
        matches!(self.reason, Some(CloseReason::Truncated | CloseReason::TruncatedUnseen)) || self.reply.reset
    }

    fn report(&self, to: &mut impl Write) -> io::Result<()> {
        let mut line = |name: &str, value: &dyn Display| writeln!(to, "{name:11}  {value}");
        match self.cost {
            Some(Cost { instantiate, run, memory, .. }) => {
                line("instantiate", &microseconds(instantiate))?;
                line("run", &microseconds(run))?;
                line("memory", &format_args!("{memory} bytes"))?;
            }
            None => line("handler", &"it was not called: the host answered")?,
        }
        line("request", &format_args!("{} bytes", self.sent))?;
        line("response", &format_args!("{} bytes", self.reply.received))?;
        let end = match self.reason {
            // It is this process that has closed it, once nothing more came.
            Some(CloseReason::ClientClosed) => "it was left open",
            Some(reason) => reason.explain(),
            None => "it broke off",
        };
        line("connection", &end)
    }
}

fn microseconds(duration: Duration) -> String {
    format!("{:.1} us", duration.as_secs_f64() * 1e6)
}
