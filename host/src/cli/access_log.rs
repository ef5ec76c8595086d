//! The flags of the access log, and its start.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use host::access_log::{AccessLog, Destination, Format, Writing};

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
    pub(super) fn start(&self, preset: Option<Format>) -> anyhow::Result<Option<(AccessLog, Writing)>> {
        let format = match (self.access_log, &self.access_log_file) {
            (Some(Choice::Off), _) => None,
            (Some(Choice::Text), _) | (None, Some(_)) => Some(Format::Text),
            (Some(Choice::Json), _) => Some(Format::Json),
            (None, None) => preset,
        };
        let Some(format) = format else { return Ok(None) };
        let destination = self.access_log_file.clone().map_or(Destination::Stdout, Destination::File);
        let named = match &destination {
            Destination::Stdout => "stdout".to_owned(),
            Destination::File(path) => path.display().to_string(),
        };
        let started = AccessLog::start(format, destination);
        Ok(Some(started.with_context(|| format!("cannot write the access log to {named}"))?))
    }
}
