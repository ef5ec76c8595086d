//! The flags that connect a host with others.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use host::fleet::{EngineSettings, EngineSpec};

/// The engine of several hosts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several hosts")]
pub(super) struct FleetFlags {
    /// Server of Redis or Valkey that carries topics to other hosts: redis://HOST:PORT, rediss://HOST:PORT with TLS,
    /// redis+unix:///PATH, or redis+sentinel://HOST:PORT,HOST:PORT/MASTER for the master that Sentinels name. What a handler publishes then reaches the clients of all hosts with the same engine and prefix.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,

    /// File with the password for the --engine; white space around it does not count.
    #[arg(long, value_name = "FILE", requires = "engine")]
    engine_password: Option<PathBuf>,

    /// File with the password for the Sentinels of the --engine, which get none otherwise.
    #[arg(long, value_name = "FILE", requires = "engine")]
    engine_sentinel_password: Option<PathBuf>,

    /// File with the authorities that may certify the --engine, in PEM, instead of those that the system trusts.
    #[arg(long, value_name = "FILE", requires = "engine")]
    engine_ca: Option<PathBuf>,

    /// File with the certificate that the host shows the --engine, in PEM.
    #[arg(long, value_name = "FILE", requires = "engine_key")]
    engine_cert: Option<PathBuf>,

    /// File with the key of --engine-cert, in PEM.
    #[arg(long, value_name = "FILE", requires_all = ["engine", "engine_cert"])]
    engine_key: Option<PathBuf>,

    /// Seconds for which a handler waits for the --engine, when it appends an event to a topic with history or a client begins to
    /// read one.
    #[arg(long, value_name = "SECONDS", default_value = "0.25", value_parser = super::run::duration, requires = "engine")]
    engine_timeout: Duration,

    /// First part of all names at the --engine, so that several fleets can share one.
    #[arg(long, value_name = "NAME", default_value = "vibrato", requires = "engine")]
    engine_prefix: String,
}

impl FleetFlags {
    /// The engine. `None` if the host is alone.
    pub(super) fn engine(&self) -> anyhow::Result<Option<EngineSettings>> {
        let Some(url) = &self.engine else { return Ok(None) };
        Ok(Some(EngineSettings::new(EngineSpec {
            url: url.clone(),
            prefix: self.engine_prefix.clone(),
            password_file: self.engine_password.clone(),
            sentinel_password_file: self.engine_sentinel_password.clone(),
            ca_file: self.engine_ca.clone(),
            timeout: Some(self.engine_timeout),
            certificate_files: self.engine_cert.clone().zip(self.engine_key.clone()),
        })?))
    }
}
