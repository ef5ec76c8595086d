//! The log on stderr. A thread of its own writes it, so that a slow reader does not block the server.

mod output;
mod text;

use std::io;
use std::time::Duration;

use clap::ValueEnum;
use host::line_writer::LineWriter;
use tracing_subscriber::EnvFilter;

use output::LogOutput;
use text::Text;

/// How long to wait at exit until the last lines are written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The value of `--log-format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Readable lines.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The thread that writes the log. Dropping it waits for the last lines, up to a timeout.
#[derive(Debug)]
pub(super) struct Logging(Option<LineWriter<String>>);

/// Starts the log. `RUST_LOG` filters it; the default is `info`.
pub(super) fn start(format: LogFormat) -> anyhow::Result<Logging> {
    // Messages of the file watcher mean nothing to an operator.
    let filter = filter("info,notify=warn")?;
    let (output, writer) = output()?;
    // If a line cannot be written (closed terminal, full disk), tracing would print that to stderr too, and panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(output);
    match format {
        LogFormat::Text if is_terminal() => log.with_ansi(has_colour()).event_format(Text::TimeOfDay).init(),
        LogFormat::Text => log.with_ansi(false).event_format(Text::Timed).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(writer)
}

/// Starts the log of `host call`: lines without a time. Unless `RUST_LOG` is set, it has only what the handler causes.
pub(super) fn start_untimed() -> anyhow::Result<Logging> {
    let filter = filter("warn,guest=info,handler=info")?;
    let (output, writer) = output()?;
    let log = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(output);
    log.with_ansi(is_terminal() && has_colour()).event_format(Text::Untimed).init();
    Ok(writer)
}

/// Prints why a command has failed. Gives up after a timeout, so that the process ends even if nobody reads stderr.
pub(crate) fn print_error(error: &anyhow::Error) {
    let text = format!("error: {error:#}");
    let (sender, printed) = std::sync::mpsc::channel();
    let print = move |text: &str| eprintln!("{text}");
    let on_thread = {
        let text = text.clone();
        move || {
            print(&text);
            // The receiver may have given up.
            let _ = sender.send(());
        }
    };
    match std::thread::Builder::new().spawn(on_thread) {
        // The thread is done, or it has timed out.
        Ok(_) => drop(printed.recv_timeout(FLUSH_TIMEOUT)),
        Err(_) => print(&text),
    }
}

fn output() -> io::Result<(LogOutput, Logging)> {
    let (output, writer) = LogOutput::start()?;
    output.log_panics();
    Ok((output, Logging(Some(writer))))
}

fn filter(preset: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(&directives)
            .map_err(|error| anyhow::anyhow!("RUST_LOG={directives} is not a valid log filter: {error}")),
        _ => Ok(EnvFilter::new(preset)),
    }
}

/// Whether stderr is a terminal.
fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}

/// Whether a terminal is to show colours: not if `NO_COLOR` is set to anything (<https://no-color.org>), and not if it
/// says that it has none.
pub(super) fn has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_set("NO_COLOR").is_none() && is_set("TERM").is_none_or(|terminal| terminal != "dumb")
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            // Lost lines cannot be reported anywhere.
            let _ = writer.finish(FLUSH_TIMEOUT);
        }
    }
}
