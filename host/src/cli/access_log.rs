//! The flags of the access log, and its start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use host::access_log::{AccessLog, AccessLogLine, Format};
use host::line_writer::{Destination, LineWriter};

/// How long the last lines may take to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// An access log that is written.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) log: AccessLog,
    pub(super) destination: Destination,
    writer: LineWriter<AccessLogLine>,
}

/// Whether and how requests are logged.
#[derive(Debug, Args)]
pub(super) struct AccessLogFlags {
    /// Log each request in a line on stdout, with its durations in microseconds [default: off; text with --dev].
    #[arg(long, value_name = "FORMAT", help_heading = "Server")]
    access_log: Option<Choice>,

    /// Append the access log to a file instead, which SIGHUP opens anew [implies text].
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    access_log_file: Option<PathBuf>,
}

/// How the access log is written, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Lines to read and to grep.
    Text,
    /// One JSON object a line.
    Json,
    /// Not at all: it costs nothing, and nothing of clients is kept.
    Off,
}

impl AccessLogFlags {
    /// Starts the log that the flags ask for; where they say nothing, as `preset` has it.
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
    /// Waits until the last lines are written; not for ever where nobody takes them.
    pub(super) fn finish(self) {
        if let Err(dropped) = self.writer.finish(FLUSH_TIMEOUT) {
            tracing::warn!(target: "access_log", dropped, "the last lines of the access log could not be written");
        }
    }
}
