//! The flags that connect a host with others.

use std::path::PathBuf;

use clap::Args;
use host::fleet::EngineSettings;

/// The engine of several hosts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several hosts")]
pub(super) struct FleetFlags {
    /// Server of Redis or Valkey that carries topics to other hosts: redis://HOST:PORT, rediss://HOST:PORT with TLS, or
    /// redis+unix:///PATH. What a handler publishes then reaches the clients of all hosts with the same engine and prefix.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,

    /// File with the password for the --engine; white space around it does not count.
    #[arg(long, value_name = "FILE", requires = "engine")]
    engine_password: Option<PathBuf>,

    /// First part of all names at the --engine, so that several fleets can share one.
    #[arg(long, value_name = "NAME", default_value = "vibrato", requires = "engine")]
    engine_prefix: String,
}

impl FleetFlags {
    /// The engine. `None` if the host is alone.
    pub(super) fn engine(&self) -> anyhow::Result<Option<EngineSettings>> {
        let Some(url) = &self.engine else { return Ok(None) };
        Ok(Some(EngineSettings::new(url, self.engine_password.as_deref(), self.engine_prefix.clone())?))
    }
}
