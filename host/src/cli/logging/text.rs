//! The text format of the log: a line begins with level, target and fields. The message comes last, because it may have
//! several lines.

use std::fmt::{self, Debug, Write};

use host::text::{is_plain, time_of_day};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The log target of route changes. Their messages contain everything that their fields do.
const ROUTES: &str = "routes";

/// Formats events as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// With the time.
    Timed,
    /// With the time of day in UTC, for a terminal.
    TimeOfDay,
    /// Without the time.
    Untimed,
}

/// The parts of an event.
#[derive(Default)]
struct EventParts {
    /// The target, if the event comes from the `log` crate.
    target: Option<String>,
    fields: String,
    message: String,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let mut parts = EventParts::default();
        event.record(&mut parts);
        let [dim, colour, plain] = match to.has_ansi_escapes() {
            true => ["\x1b[2m", colour(level), "\x1b[0m"],
            false => [""; 3],
        };
        match self {
            Self::Timed => {
                to.write_str(dim)?;
                SystemTime.format_time(&mut to)?;
                write!(to, "{plain} ")?;
            }
            Self::TimeOfDay => write!(to, "{dim}{}{plain} ", time_of_day(std::time::SystemTime::now()))?,
            Self::Untimed => {}
        }
        let fields = if target == ROUTES { "" } else { &parts.fields };
        let target = parts.target.as_deref().unwrap_or(target);
        writeln!(to, "{colour}{level:>5}{plain} {dim}{target}{fields}:{plain} {}", parts.message)
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

impl Visit for EventParts {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{value:?}");
        // Escape codes in messages of the system or of a library must not reach the terminal.
        let is_line = |char: &char| is_plain(*char) || matches!(char, '\n' | '\t');
        match field.name() {
            "message" => self.message.extend(text.chars().filter(is_line)),
            "log.target" => self.target = Some(text.trim_matches('"').to_owned()),
            name if name.starts_with("log.") => {}
            name => self.fields.extend(format!(" {name}={text}").chars().filter(|char| is_plain(*char))),
        }
    }
}
