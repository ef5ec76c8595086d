//! `host call`: sends one request to one handler, over a socket inside this process.

mod reply;
mod request;

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use host::close_reason::CloseReason;
use host::config::{Config, ErrorDetail};
use host::grants::GrantTable;
use host::http_file::{self, FileRequest, ReceivedResponse};
use host::meter::Cost;
use host::net::{self, ClientStream};
use host::routes::{Mount, RouteFile, RouteTable};
use host::server::Server;

use super::logging;
use super::options::Loading;
use reply::BodyFormat;
use request::CallRequest;

pub(super) use reply::CallResponse;
pub(super) use request::encode;

/// The most bytes of a body that are kept for `--record`. Of a longer one only the length is written, and that of these.
const MAX_RECORDED_BYTES: usize = 1024 * 1024;

/// The arguments of `host call`.
#[derive(Debug, Args)]
pub(super) struct CallCommand {
    /// The component. It is called as if it were alone in a routes directory, with its `NAME.toml` and without
    /// middleware.
    file: PathBuf,

    #[command(flatten)]
    request: CallRequest,

    /// Print the response byte for byte, including the framing of its body.
    #[arg(long)]
    raw: bool,

    /// Grant the component what the table `[grant]` of this file says, in place of that of its NAME.toml.
    #[arg(long, value_name = "FILE")]
    grant: Option<PathBuf>,

    /// Write the request and its response to this file of requests, for `host test`; behind what the file has.
    #[arg(long, value_name = "FILE.http")]
    record: Option<PathBuf>,

    #[command(flatten)]
    loading: Loading,
}

/// The result of a call, seen from both ends of the connection.
struct Called {
    request: FileRequest,
    response: CallResponse,
    reason: Option<CloseReason>,
    cost: Option<Cost>,
    sent: usize,
}

impl CallCommand {
    /// Prints the response on stdout, and the handler's log and its cost on stderr. The exit code is 0 if the response
    /// is complete with a status below 400, or if the handler closed the connection.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config {
            workers: NonZeroUsize::MIN,
            error_detail: ErrorDetail::Logged,
            grant: self.grant.as_deref().map(grant_table).transpose()?,
            ..self.loading.config(self.file.clone())?
        };
        let (server, diagnostics) = Server::new(config)?;
        for diagnostic in &diagnostics {
            eprintln!("{diagnostic}");
        }
        let table = server.routes();
        let Some(mount) = mount(&table) else {
            let was_reported = !diagnostics.is_empty();
            anyhow::ensure!(
                was_reported,
                "{} is middleware; call a handler, or serve one behind it",
                self.file.display()
            );
            return Ok(ExitCode::FAILURE);
        };
        let logging = logging::start_untimed()?;
        let called = self.call(server, mount)?;
        // Flush the handler's log before the cost is printed.
        drop(logging);
        called.report(&mut io::stderr().lock())?;
        let code = if called.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        if let Some(file) = &self.record {
            called.record(file)?;
        }
        Ok(code)
    }

    fn call(&self, server: Server, mount: &Mount) -> anyhow::Result<Called> {
        let request = self.request.for_route(mount)?;
        let meter = server.measure();
        let running = server.start(net::bind(&["127.0.0.1:0".parse()?])?)?;
        let address = &running.addresses()[0];
        let bytes = encode(&request, address);
        let socket = ClientStream::connect(address).context("cannot connect to 127.0.0.1")?;
        let format = if self.raw { BodyFormat::Raw } else { BodyFormat::Decoded };
        let response = std::thread::scope(|scope| {
            // Send on another thread: a handler may answer before it has read the whole request.
            scope.spawn(|| send(&socket, &bytes));
            let mut stdout = io::stdout().lock();
            CallResponse::read(&socket, request.method == "HEAD", MAX_RECORDED_BYTES, |shown, piece| {
                if shown == format {
                    stdout.write_all(piece)?;
                    stdout.flush()?;
                }
                Ok(())
            })
        })?;
        let stats = running.stats();
        let reason = CloseReason::ALL.into_iter().find(|reason| stats.closed(*reason) > 0);
        running.stop_at_once();
        running.join();
        Ok(Called { response, reason, cost: meter.read(Instant::now()), sent: bytes.len(), request })
    }
}

/// The table `[grant]` of a file that is written like a route file.
pub(super) fn grant_table(file: &Path) -> anyhow::Result<GrantTable> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}; name a file with --grant"))?;
    let route_file = RouteFile::parse(&text).map_err(|errors| {
        let errors = errors.iter().map(|error| format!("{shown}: {error}\n  remedy: {}", error.remedy()));
        anyhow::anyhow!(errors.collect::<Vec<_>>().join("\n"))
    })?;
    anyhow::ensure!(
        !route_file.grant.is_empty(),
        "{shown} has no table `[grant]`, or an empty one; write what to grant"
    );
    Ok(route_file.grant)
}

/// Where the route is mounted. `None` if it could not be loaded.
fn mount(table: &RouteTable) -> Option<&Mount> {
    Some(&table.routes().first()?.route.mount)
}

/// Sends the request and shuts down the sending side, so that a parked response ends too.
pub(super) fn send(mut socket: &ClientStream, request: &[u8]) {
    // If the handler closes the connection early, the reader notices it.
    let _ = socket.write_all(request).and_then(|()| socket.shutdown_write());
}

impl Called {
    fn is_good(&self) -> bool {
        match self.response.status {
            Some(status) => status < 400 && !self.is_truncated(),
            None => self.reason == Some(CloseReason::Handler),
        }
    }

    /// Adds the request and the response to a file of requests.
    fn record(self, file: &Path) -> anyhow::Result<()> {
        let is_truncated = self.is_truncated();
        let response = ReceivedResponse { is_truncated, ..self.response.received_response() };
        let recorded = http_file::record(&self.request, &response);
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let written = opened.and_then(|mut file| {
            let separator = if file.metadata()?.len() > 0 { "\n" } else { "" };
            file.write_all(format!("{separator}{recorded}").as_bytes())
        });
        written.with_context(|| format!("cannot write to {}", file.display()))
    }

    /// Whether the response was truncated.
    fn is_truncated(&self) -> bool {
        matches!(self.reason, Some(CloseReason::Truncated | CloseReason::TruncatedCloseDelimited))
            || self.response.reset
    }

    fn report(&self, to: &mut impl Write) -> io::Result<()> {
        let mut line = |name: &str, value: &dyn Display| writeln!(to, "{name:11}  {value}");
        match self.cost {
            Some(Cost { instantiate, run, memory, .. }) => {
                line("instantiate", &microseconds(instantiate))?;
                line("run", &microseconds(run))?;
                line("memory", &format_args!("{memory} bytes"))?;
            }
            None => line("handler", &"not called; the host answered")?,
        }
        line("request", &format_args!("{} bytes", self.sent))?;
        line("response", &format_args!("{} bytes", self.response.received))?;
        let end = match self.reason {
            // This process has closed the connection, because nothing more came.
            Some(CloseReason::ClientClosed) => "its response is parked",
            Some(reason) => reason.explain(),
            None => "it was truncated",
        };
        line("connection", &end)
    }
}

fn microseconds(duration: Duration) -> String {
    format!("{:.1} us", duration.as_secs_f64() * 1e6)
}
