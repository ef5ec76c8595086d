//! Runs the release host under callgrind and reads its counts.
//!
//! Owns what is specific to valgrind: arguments, files, and how it counts.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use artifacts::guest;
use tempfile::TempDir;

use crate::client::Client;

/// Requests sent before counting starts, so that one-time work is not counted.
const WARM_UP: u32 = 200;
const COUNTED: u32 = 1000;

/// Makes glibc use loops. Callgrind counts one instruction per byte of `rep stosb`, which a processor executes 32 bytes
/// at a time.
const WITHOUT_REP: &str = "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// Whether valgrind is installed.
pub fn is_installed() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// How instances are allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// By the pooling allocator, as in production.
    Pooled,
    /// On demand: the fallback if the address space of the pool cannot be reserved.
    OnDemand,
}

/// A host under callgrind, killed on drop.
pub struct Host {
    address: SocketAddr,
    process: Child,
    directory: TempDir,
}

impl Host {
    /// Starts the host with the examples that the bench requests, and waits until it listens.
    pub fn start() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (routes, log) = (directory.path().join("routes"), directory.path().join("log"));
        fs::create_dir(&routes)?;
        for (name, guest) in [
            ("hello", guest::HELLO),
            ("text", guest::TEXT),
            ("hello-reuse", guest::HELLO),
            ("text-behind", guest::TEXT),
            ("_access-header", guest::ACCESS_HEADER),
        ] {
            fs::copy(guest.path(), routes.join(format!("{name}.wasm")))?;
        }
        fs::write(routes.join("text-behind.toml"), "path = \"/text-behind\"\nmiddleware = [\"access-header\"]\n")?;
        fs::write(routes.join("hello-reuse.toml"), "path = \"/hello-reuse\"\nreuse = 1_000_000\n")?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--separate-threads=yes"]);
        command.arg(format!("--callgrind-out-file={}", directory.path().join("counts").display()));
        command.arg(format!("--log-file={}", directory.path().join("valgrind").display()));
        command.arg(env!("CARGO_BIN_EXE_host")).args(["run", "--listen", "127.0.0.1:0", "--no-cache"]);
        // A child process that compiles would run valgrind's program.
        command.arg("--compile-in-process");
        // The number of idle polls would depend on time.
        command.args(["--workers", "1", "--idle-poll", "0", "--max-invocations", "4", "--routes"]).arg(&routes);
        command.env("RUST_LOG", "warn").env("GLIBC_TUNABLES", WITHOUT_REP);
        let mut process = command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("listening on http://").map(str::parse) {
            Some(Ok(address)) => Ok(Self { address, process, directory }),
            Some(Err(_)) | None => {
                process.kill()?;
                process.wait()?;
                Err(io::Error::other(format!("the host does not listen:\n{}", fs::read_to_string(log)?)))
            }
        }
    }

    /// How instances are allocated, according to the log.
    pub fn instances(&self) -> io::Result<Instances> {
        let log = fs::read_to_string(self.directory.path().join("log"))?;
        Ok(if log.contains("cannot pool instances") { Instances::OnDemand } else { Instances::Pooled })
    }

    /// Counts the instructions of a request for `target` on an open connection.
    pub fn count(&self, target: &str) -> Result<Count, Box<dyn Error>> {
        let mut client = Client::connect(self.address, target)?;
        client.ask(WARM_UP)?;
        self.control("--zero")?;
        client.ask(COUNTED)?;
        self.control(&format!("--dump={target}"))?;
        // There is a file for each thread. The worker has by far the most; the others tick the epoch or wait.
        let mut most: Option<(u64, PathBuf)> = None;
        for file in fs::read_dir(self.directory.path())? {
            let file = file?.path();
            if !file.is_file() {
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
            if !text.lines().any(|line| line.strip_prefix("desc: Trigger: dump ") == Some(target)) {
                continue;
            }
            let total = text.lines().find_map(|line| line.strip_prefix("summary: ")).map(str::parse);
            most = most.max(total.transpose()?.map(|total| (total, file)));
        }
        let (total, file) = most.ok_or("callgrind counted nothing")?;
        Ok(Count { instructions: per_request(total), file })
    }

    fn control(&self, command: &str) -> io::Result<()> {
        let mut control = Command::new("callgrind_control");
        let output = control.arg(command).arg(self.process.id().to_string()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("callgrind_control: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The count of one kind of request. Its file is removed with the [`Host`].
pub struct Count {
    /// Instructions of one request.
    pub instructions: u64,
    file: PathBuf,
}

impl Count {
    /// The count by function.
    pub fn functions(&self) -> io::Result<Functions> {
        let mut annotate = Command::new("callgrind_annotate");
        let output = annotate.args(["--inclusive=yes", "--threshold=100", "--auto=no"]).arg(&self.file).output()?;
        Ok(Functions(String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// Functions with their inclusive cost, as `callgrind_annotate` prints them.
pub struct Functions(String);

impl Functions {
    /// The instructions of `function` and its callees in one request. `None` if it was not called or was inlined.
    pub fn inclusive(&self, function: &str) -> Option<u64> {
        // `1,234 ( 5.67%)  FILE:FUNCTION [BINARY]`: a row for each file that has a part of the function.
        let rows = self.0.lines().filter(|line| line.contains(&format!(":{function}")));
        let costs = rows.filter_map(|row| row.split_whitespace().next()?.replace(',', "").parse().ok());
        costs.max().map(per_request)
    }
}

fn per_request(counted: u64) -> u64 {
    (counted + u64::from(COUNTED) / 2) / u64::from(COUNTED)
}
