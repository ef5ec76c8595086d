//! The formats of the access log. No text of a client or a handler can end a line or imitate another.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::exchange::ExchangeEnd;
use crate::observe::{EndedRequest, LoggedRequestLine};
use crate::text::time_of_day;

/// The format of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Six words in fixed positions (time, client, method, target, version, status; `-` if absent), then `name=value`
    /// pairs in a fixed order, without spaces in them, the last two only if a proxy has named the client, and if requests are traced. Durations are in microseconds.
    Text,
    /// One JSON object per line, with the same names; null if absent.
    Json,
    /// For a terminal of 100 columns: the time of day in UTC, method, target, status and duration, and how the response
    /// ended if not completely.
    Terminal {
        /// Whether the terminal shows colours.
        colour: bool,
    },
}

/// The most columns of a line of [`Format::Terminal`].
const MAX_COLUMNS: usize = 100;

/// The most columns of a method there, which the client chooses.
const MAX_METHOD_COLUMNS: usize = 16;

impl Format {
    /// Appends a line.
    pub(super) fn write(self, entry: &EndedRequest, to: &mut String) {
        match self {
            Self::Text => text(entry, to),
            Self::Json => json(entry, to),
            Self::Terminal { colour } => terminal(entry, colour, to),
        }
    }
}

fn text(entry: &EndedRequest, to: &mut String) {
    let EndedRequest { client, body, wire, request, took, cost, .. } = entry;
    let (method, target, version, host) = match &entry.asked {
        Some(LoggedRequestLine { method, target, version, host }) => {
            (word(method), word(target), version.name(), host.as_deref().map(word))
        }
        None => ("-".to_owned(), "-".to_owned(), "-", None),
    };
    let host = host.as_deref().unwrap_or("-");
    let status = entry.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let route = entry.route.as_deref().map_or_else(|| "-".to_owned(), word);
    let [took, queued, instantiate, run, paced, upstream] =
        [*took, cost.queued, cost.instantiate, cost.run, cost.paced, cost.upstream].map(microseconds);
    let proxy = entry.proxy.map_or_else(String::new, |proxy| format!(" proxy={proxy}"));
    let trace = entry.trace.map_or_else(String::new, |trace| format!(" trace={trace}"));
    // Writing to a string cannot fail.
    let _ = writeln!(
        to,
        "{} {client} {method} {target} {version} {status} body={body} wire={wire} route={route} request={request} \
         end={} took={took} queued={queued} instantiate={instantiate} run={run} paced={paced} upstream={upstream} \
         host={host}{proxy}{trace}",
        utc(entry.time),
        entry.end.name()
    );
}

fn json(entry: &EndedRequest, to: &mut String) {
    let asked = entry.asked.as_ref();
    let mut line = json!({
        "time": utc(entry.time).to_string(),
        "client": entry.client.to_string(),
        "method": asked.map(|asked| &*asked.method),
        "target": asked.map(|asked| &*asked.target),
        "version": asked.map(|asked| asked.version.name()),
        "status": entry.status,
        "body": entry.body,
        "wire": entry.wire,
        "route": entry.route.as_deref(),
        "request": entry.request,
        "end": entry.end.name(),
        "took": microseconds(entry.took),
        "queued": microseconds(entry.cost.queued),
        "instantiate": microseconds(entry.cost.instantiate),
        "run": microseconds(entry.cost.run),
        "paced": microseconds(entry.cost.paced),
        "upstream": microseconds(entry.cost.upstream),
        "host": asked.and_then(|asked| asked.host.as_deref()),
    });
    if let Some(proxy) = entry.proxy {
        line["proxy"] = proxy.to_string().into();
    }
    if let Some(trace) = entry.trace {
        line["trace"] = trace.to_string().into();
    }
    let _ = writeln!(to, "{line}");
}

fn terminal(entry: &EndedRequest, has_colour: bool, to: &mut String) {
    let (method, target) = entry.asked.as_ref().map_or(("-".to_owned(), "-".to_owned()), |asked| {
        (cut(word(&asked.method), MAX_METHOD_COLUMNS), word(&asked.target))
    });
    let status = entry.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let mut after = format!(" {}", rounded(entry.took));
    if entry.end != ExchangeEnd::Complete {
        after.push(' ');
        after.push_str(entry.end.name());
    }
    let time = time_of_day(entry.time);
    let columns = time.len() + method.chars().count() + status.len() + after.len() + 3;
    let target = cut(target, MAX_COLUMNS.saturating_sub(columns));
    let [dim, colour, plain] = match has_colour {
        true => ["\x1b[2m", status_colour(entry.status), "\x1b[0m"],
        false => [""; 3],
    };
    let _ = writeln!(to, "{dim}{time}{plain} {method} {target} {colour}{status}{plain}{dim}{after}{plain}");
}

/// The beginning of an ASCII text, with an ellipsis if it is longer.
fn cut(text: String, columns: usize) -> String {
    if text.len() <= columns { text } else { format!("{}…", &text[..columns.saturating_sub(1)]) }
}

fn status_colour(status: Option<u16>) -> &'static str {
    match status {
        Some(500..) => "\x1b[31m",
        Some(400..) => "\x1b[33m",
        Some(300..) => "\x1b[36m",
        Some(_) => "\x1b[32m",
        None => "",
    }
}

/// A duration with the unit that fits it.
fn rounded(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        ..9.95 => format!("{milliseconds:.1} ms"),
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1e3),
    }
}

/// Escapes everything that would end a word, as Rust escapes bytes.
fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => word.push_str("\\x20"),
            byte => {
                let _ = write!(word, "{}", byte.escape_ascii());
            }
        }
    }
    word
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A time in UTC with milliseconds (RFC 3339).
fn utc(time: SystemTime) -> impl std::fmt::Display {
    // A clock that is set to before 1970 must not lose the line.
    humantime::format_rfc3339_millis(time.max(UNIX_EPOCH))
}
