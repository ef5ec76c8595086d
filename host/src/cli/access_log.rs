//! The flags of the access log.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use host::access_log::{AccessLog, AccessLogLine, Format};
use host::line_writer::{Destination, LineWriter};

use super::logging::has_colour;

/// How long to wait at exit until the last lines are written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A running access log.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) log: AccessLog,
    pub(super) destination: Destination,
    writer: LineWriter<AccessLogLine>,
}

/// Flags of the access log.
#[derive(Debug, Args)]
pub(super) struct AccessLogFlags {
    /// Log each request as a line on stdout, with durations in microseconds [default: off; text with --dev, shorter on a terminal].
    #[arg(long, value_name = "FORMAT", help_heading = "Server")]
    access_log: Option<Choice>,

    /// Append the access log to a file instead; SIGHUP reopens it [implies text].
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    access_log_file: Option<PathBuf>,
}

/// The value of `--access-log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// One readable line per request.
    Text,
    /// One JSON object per line.
    Json,
    /// No access log.
    Off,
}

/// The format of the access log in development mode, if no flag chooses one: short lines on a terminal.
pub(super) fn for_developers() -> Format {
    if io::stdout().is_terminal() { Format::Terminal { colour: has_colour() } } else { Format::Text }
}

impl AccessLogFlags {
    /// Starts the access log. Without flags, `preset` decides.
    pub(super) fn start(&self, preset: Option<Format>) -> anyhow::Result<Option<Started>> {
        let format = match (self.access_log, &self.access_log_file) {
            (Some(Choice::Off), _) => None,
            (Some(Choice::Text), _) | (None, Some(_)) => Some(Format::Text),
            (Some(Choice::Json), _) => Some(Format::Json),
            (None, None) => preset,
        };
        let Some(format) = format else { return Ok(None) };
        let destination = self.access_log_file.clone().map_or(Destination::Stdout, Destination::File);
        let started = AccessLog::start(format, destination.clone());
        let (log, writer) = started.with_context(|| format!("cannot write the access log to {destination}"))?;
        Ok(Some(Started { log, destination, writer }))
    }
}

impl Started {
    /// Waits until the last lines are written, but not longer than the timeout.
    pub(super) fn finish(self) {
        if let Err(dropped) = self.writer.finish(FLUSH_TIMEOUT) {
            tracing::warn!(target: "access_log", dropped, "the last lines of the access log were not written");
        }
    }
}
