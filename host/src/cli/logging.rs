//! The log, on stderr.

mod text;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use text::Text;

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log. `RUST_LOG` says what is in it; `info` of the host where it is not set.
pub(super) fn start(format: LogFormat) -> anyhow::Result<()> {
    // The watcher's own remarks say nothing to an operator.
    let filter = filter("info,notify=warn")?;
    // Where a line cannot be written (a closed terminal, a full disk) it would tell that on stderr too, and panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(is_terminal()).event_format(Text::Timed).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Starts the log of a single request: lines to read without their time, and where `RUST_LOG` is not set, what comes of
/// the handler alone.
pub(super) fn start_untimed() -> anyhow::Result<()> {
    let filter = filter("warn,guest=info,host::connection=info")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(is_terminal()).event_format(Text::Untimed).init();
    Ok(())
}

fn filter(preset: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(&directives)
            .map_err(|error| anyhow::anyhow!("RUST_LOG={directives} is no filter for the log: {error}")),
        _ => Ok(EnvFilter::new(preset)),
    }
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
