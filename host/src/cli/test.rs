//! `host test`: sends the requests of `.http` files to handlers in this process, and compares the responses with what the
//! files expect.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use host::close_reason::CloseReason;
use host::config::Config;
use host::diagnostic::Severity;
use host::http_file::{self, FileRequest, ReceivedResponse};
use host::net::{self, ClientStream};
use host::routes::Site;
use host::server::{RunningServer, Server};
use host::text::printable;

use super::call::{CallResponse, encode, grant_table, send};
use super::logging;
use super::options::Loading;

/// The most bytes of a body that are kept to be compared.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The deepest directories in which files are looked for.
const MAX_DEPTH: usize = 16;

/// The arguments of `host test`.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The routes directory, or one component.
    #[arg(value_name = "DIR|FILE", default_value = "routes")]
    routes: PathBuf,

    /// Files of requests, with what is expected of the responses [default: every .http file in the directory and below, or
    /// NAME.http beside the component].
    #[arg(value_name = "FILE.http")]
    files: Vec<PathBuf>,

    /// Grant every component what the table `[grant]` of this file says, in place of that of its NAME.toml.
    #[arg(long, value_name = "FILE")]
    grant: Option<PathBuf>,

    #[command(flatten)]
    loading: Loading,
}

impl Test {
    /// Prints a line for each request on stdout, and the log of the handlers on stderr. The exit code is 1 if an expectation
    /// does not hold, or if a component could not be loaded.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files =
            self.files()?.into_iter().map(|file| Ok((self.read(&file)?, file))).collect::<anyhow::Result<Vec<_>>>()?;
        let config = Config {
            workers: NonZeroUsize::MIN,
            grant: self.grant.as_deref().map(grant_table).transpose()?,
            ..self.loading.config(self.routes.clone())?
        };
        let (server, diagnostics) = Server::new(config)?;
        for diagnostic in &diagnostics {
            eprintln!("{diagnostic}");
        }
        let logging = logging::start_untimed()?;
        let running = server.start(net::bind(&["127.0.0.1:0".parse()?])?)?;
        let (mut ok, mut failed) = (0, 0);
        for (requests, file) in &files {
            for request in requests {
                let wrong = check(&running, request)?;
                if wrong.is_empty() {
                    ok += 1
                } else {
                    failed += 1
                }
                print(&mut io::stdout().lock(), file, request, &wrong)?;
            }
        }
        running.stop_at_once();
        running.join();
        drop(logging);
        let requests = if ok + failed == 1 { "request" } else { "requests" };
        println!("{} {requests}; {ok} ok, {failed} failed", ok + failed);
        let is_broken = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(if failed > 0 || is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The requests of a file. In the directory of a site they are for its name, unless they say another.
    fn read(&self, file: &Path) -> anyhow::Result<Vec<FileRequest>> {
        let mut requests = read(file)?;
        let directory = file.strip_prefix(&self.routes).ok().and_then(Path::parent).unwrap_or(Path::new(""));
        let (site, _) = Site::of_directory(directory);
        for FileRequest { fields, .. } in &mut requests {
            let has_host = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
            let host = site.exact_name().filter(|_| !has_host);
            fields.extend(host.map(|host| ("Host".to_owned(), host.to_owned())));
        }
        Ok(requests)
    }

    /// The files of requests.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        if !self.files.is_empty() {
            return Ok(self.files.clone());
        }
        let routes = self.routes.display();
        if !self.routes.is_dir() {
            let beside = self.routes.with_extension("http");
            anyhow::ensure!(
                beside.is_file(),
                "there is no {}; write it, or name another file of requests",
                beside.display()
            );
            return Ok(vec![beside]);
        }
        let mut files = Vec::new();
        find(&self.routes, MAX_DEPTH, &mut files).with_context(|| format!("cannot read {routes}"))?;
        files.sort();
        anyhow::ensure!(
            !files.is_empty(),
            "there is no .http file in {routes}; write one beside a handler, as `host call --record FILE` does"
        );
        Ok(files)
    }
}

/// Adds the files of requests in a directory and below. Links are not followed.
fn find(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth > 0 {
            find(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "http") && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<FileRequest>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the requests in {shown}"))?;
    http_file::parse(&text).map_err(|error| anyhow::anyhow!("{shown}: {error}"))
}

/// Sends a request. Returns what is wrong with the response, each with the line that expects something else.
fn check(running: &RunningServer, request: &FileRequest) -> anyhow::Result<Vec<(usize, String)>> {
    let response = exchange(running, request)?;
    let mismatch =
        |(line, expectation): &(usize, http_file::Expectation)| Some((*line, expectation.mismatch(&response)?));
    let mut wrong: Vec<(usize, String)> = request.expectations.iter().filter_map(mismatch).collect();
    wrong.extend(response.unexpected(&request.expectations).map(|reason| (request.line, reason)));
    Ok(wrong)
}

fn exchange(running: &RunningServer, request: &FileRequest) -> anyhow::Result<ReceivedResponse> {
    let address = &running.addresses()[0];
    let before = truncated(running);
    let bytes = encode(request, address);
    let socket = ClientStream::connect(address).context("cannot connect to 127.0.0.1")?;
    let response = std::thread::scope(|scope| {
        // Send on another thread: a handler may answer before it has read the whole request.
        scope.spawn(|| send(&socket, &bytes));
        CallResponse::read(&socket, request.method == "HEAD", MAX_BODY_BYTES, |_, _| Ok(()))
    })?;
    let is_truncated = response.reset || truncated(running) > before;
    Ok(ReceivedResponse { is_truncated, ..response.received_response() })
}

/// How many responses broke off so far.
fn truncated(running: &RunningServer) -> u64 {
    let stats = running.stats();
    stats.closed(CloseReason::Truncated) + stats.closed(CloseReason::TruncatedCloseDelimited)
}

fn print(out: &mut impl Write, file: &Path, request: &FileRequest, wrong: &[(usize, String)]) -> io::Result<()> {
    let FileRequest { line, method, target, name, .. } = request;
    let verdict = if wrong.is_empty() { "ok    " } else { "failed" };
    let file = printable(&file.display().to_string());
    let name = name.as_ref().map_or_else(String::new, |name| format!("  {}", printable(name)));
    writeln!(out, "{verdict}  {file}:{line}  {method} {target}{name}")?;
    for (line, reason) in wrong {
        writeln!(out, "  line {line}: {}", printable(reason))?;
    }
    Ok(())
}
