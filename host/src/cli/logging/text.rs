//! A line of the log as people read it: what it belongs to before what it says, which may have several lines.

use std::fmt::{self, Debug, Write};

use host::text::is_plain;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Where changes of routes come from: their lines say all that their fields do.
const ROUTES: &str = "routes";

/// Writes events as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Each with its time.
    Timed,
    /// Without.
    Untimed,
}

/// The fields of an event.
#[derive(Default)]
struct EventParts {
    /// Where it comes from, where a library says so by the means of the crate `log`.
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
        if *self == Self::Timed {
            to.write_str(dim)?;
            SystemTime.format_time(&mut to)?;
            write!(to, "{plain} ")?;
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
        let mut shown = String::new();
        // A text grows as it has to.
        let _ = write!(shown, "{value:?}");
        // Whatever the system or a library says: nothing drives the terminal.
        let is_line = |char: &char| is_plain(*char) || matches!(char, '\n' | '\t');
        match field.name() {
            "message" => self.message.extend(shown.chars().filter(is_line)),
            "log.target" => self.target = Some(shown.trim_matches('"').to_owned()),
            name if name.starts_with("log.") => {}
            name => self.fields.extend(format!(" {name}={shown}").chars().filter(|char| is_plain(*char))),
        }
    }
}
