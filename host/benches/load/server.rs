//! The release host as a process that serves the examples.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running host, which ends with the value.
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    _routes: TempDir,
}

impl Host {
    /// Starts the host with the examples that the bench asks for, and waits until it listens.
    pub fn start() -> io::Result<Self> {
        let routes = tempfile::tempdir()?;
        for name in ["hello", "stream", "download"] {
            fs::copy(artifacts::component(name), routes.path().join(format!("{name}.wasm")))?;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.args(["run", "--listen", "127.0.0.1:0", "--workers", "1", "--routes"]).arg(routes.path());
        let mut process = command.env("RUST_LOG", "warn").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("listening on http://").map(str::parse) {
            Some(Ok(address)) => Ok(Self { address, process, _routes: routes }),
            Some(Err(_)) | None => {
                process.kill()?;
                Err(io::Error::other("the host does not listen; its log says why"))
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
