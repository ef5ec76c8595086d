//! What every measurement shares: where things are, how long it runs, and on which cores.
//!
//! It must not know what is measured.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, io};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::Arguments;
use crate::machine::{Cores, Ticks};

/// What every measurement shares.
pub struct Setup {
    /// The program of Vibrato's host.
    pub host: PathBuf,
    /// Where the components for Vibrato are.
    pub handlers: PathBuf,
    /// The target directory of the peers in Rust.
    pub built: PathBuf,
    /// Where the settings of the other peers are.
    pub peers: PathBuf,
    /// Where `peers/install` puts what it installs.
    pub installed: PathBuf,
    /// Alternating runs of each contender.
    pub runs: u32,
    /// How long each run under load takes.
    pub run: Duration,
    /// How long the host is held at a steady rate.
    pub steady: Duration,
    /// Who has which core.
    pub cores: Cores,
    /// What the processors had done when the run began.
    pub began: Ticks,
    /// The compile cache of this run: it neither takes from the user's nor adds to it.
    pub compiled: TempDir,
}

impl Setup {
    /// Looks for what is needed, and takes the client's core for the calling thread.
    pub fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        for path in [&arguments.host, &arguments.handlers.join("hello.wasm")] {
            ensure!(path.exists(), "{} is missing: `make bench` builds it", path.display());
        }
        raise_open_files().context("cannot raise the limit of open files")?;
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
        Ok(Self {
            host: arguments.host.clone(),
            handlers: arguments.handlers.clone(),
            built: arguments.built.clone(),
            peers: arguments.bench.join("peers"),
            installed: cache.unwrap_or_default().join("vibrato-peers"),
            runs: arguments.runs,
            run: Duration::from_secs(arguments.seconds),
            steady: Duration::from_secs(arguments.steady_seconds),
            cores: Cores::part(),
            began: Ticks::now(),
            compiled: folder()?,
        })
    }
}

/// A folder for files of the bench that everybody may read: nginx serves as nobody where root starts it.
pub fn folder() -> io::Result<TempDir> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()
}

/// As far as this process may: thousands of connections take a descriptor each, on both sides.
fn raise_open_files() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
