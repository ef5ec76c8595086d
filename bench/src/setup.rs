//! What all measurements share: paths, durations and cores.

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

/// What all measurements share.
pub struct Setup {
    /// Vibrato's host.
    pub host: PathBuf,
    /// The directory of the components for Vibrato.
    pub handlers: PathBuf,
    /// The target directory of the peers in Rust.
    pub built: PathBuf,
    /// The directory with the other peers' settings.
    pub peers: PathBuf,
    /// The directory in which `peers/install` installs programs.
    pub installed: PathBuf,
    /// Alternating runs of each contender.
    pub runs: u32,
    /// Duration of each run under load.
    pub run: Duration,
    /// Duration of the steady load on the host.
    pub steady: Duration,
    /// The assignment of cores.
    pub cores: Cores,
    /// Processor times when the run began.
    pub began: Ticks,
    /// The compile cache of this run, separate from the user's.
    pub compiled: TempDir,
}

impl Setup {
    /// Checks what is required, and pins this thread to the client's core.
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

/// A directory that everybody may read, because nginx started by root serves as another user.
pub fn folder() -> io::Result<TempDir> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()
}

/// Raises the limit of open files as far as possible: thousands of connections take a descriptor each, on both sides.
fn raise_open_files() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
