//! The log, on stderr, written by a thread of its own: whoever reads it holds nobody up.

mod output;
mod text;

use std::io;
use std::time::Duration;

use clap::ValueEnum;
use host::line_writer::LineWriter;
use tracing_subscriber::EnvFilter;

use output::LogOutput;
use text::Text;

/// How long the last lines may take to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The thread that writes the log. Dropped, it waits for the last lines, though not for a reader that takes none.
#[derive(Debug)]
pub(super) struct Logging(Option<LineWriter<String>>);

/// Starts the log. `RUST_LOG` says what is in it; `info` of the host where it is not set.
pub(super) fn start(format: LogFormat) -> anyhow::Result<Logging> {
    // The watcher's own remarks say nothing to an operator.
    let filter = filter("info,notify=warn")?;
    let (output, writer) = output()?;
    // Where a line cannot be written (a closed terminal, a full disk) it would tell that on stderr too, and panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(output);
    match format {
        LogFormat::Text => log.with_ansi(is_terminal()).event_format(Text::Timed).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(writer)
}

/// Starts the log of a single request: lines to read without their time, and where `RUST_LOG` is not set, what comes of
/// the handler alone.
pub(super) fn start_untimed() -> anyhow::Result<Logging> {
    let filter = filter("warn,guest=info,handler=info")?;
    let (output, writer) = output()?;
    let log = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(output);
    log.with_ansi(is_terminal()).event_format(Text::Untimed).init();
    Ok(writer)
}

/// Prints why a command has failed: to a stderr that nobody reads only what fits, so that the process ends.
pub(crate) fn print_error(error: &anyhow::Error) {
    let text = format!("error: {error:#}");
    let (sender, printed) = std::sync::mpsc::channel();
    let print = move |text: &str| eprintln!("{text}");
    let on_thread = {
        let text = text.clone();
        move || {
            print(&text);
            // Nobody may wait for it any more.
            let _ = sender.send(());
        }
    };
    match std::thread::Builder::new().spawn(on_thread) {
        // It ended, or has had its time.
        Ok(_) => drop(printed.recv_timeout(FLUSH_TIMEOUT)),
        Err(_) => print(&text),
    }
}

fn output() -> io::Result<(LogOutput, Logging)> {
    let (output, writer) = LogOutput::start()?;
    output.tell_panics();
    Ok((output, Logging(Some(writer))))
}

fn filter(preset: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(&directives)
            .map_err(|error| anyhow::anyhow!("RUST_LOG={directives} is no filter for the log: {error}")),
        _ => Ok(EnvFilter::new(preset)),
    }
}

fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            // Lines that nobody takes are lost, and there is nowhere left to say so.
            let _ = writer.finish(FLUSH_TIMEOUT);
        }
    }
}
