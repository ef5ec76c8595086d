//! The built-in options of every route: the only table of their names, ranges, defaults and help texts.
//!
//! Flags, route files, `host routes`, the macro `#[handler]` and the documentation read it; no range or default is
//! repeated elsewhere.

use std::fmt;
use std::time::Duration;

/// A built-in option.
#[derive(Debug)]
pub struct Builtin {
    /// The name, as in `NAME.toml`.
    pub name: &'static str,
    /// The values that it accepts.
    pub kind: OptionKind,
    /// The default. `None` if it depends on the request or on other options.
    pub default: Option<Preset>,
    /// Whether the operator's value is a limit for the component's.
    pub limit: Limit,
    /// A help text of one line.
    pub help: &'static str,
}

/// The values that an option accepts. `Display` describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`
    Boolean,
    /// `true`, `false` or a word.
    BooleanOr(&'static str),
    /// A whole number within an inclusive range.
    Integer {
        /// The minimum.
        least: i64,
        /// The maximum. `i64::MAX` means no maximum.
        most: i64,
    },
    /// A number of seconds, possibly fractional, above 0.
    Seconds {
        /// The maximum.
        most: u32,
    },
    /// A non-empty field value (RFC 9110 section 5.5) of visible ASCII, spaces and tabs.
    FieldValue,
    /// One of two words.
    Either(&'static str, &'static str),
}

/// A default value, in a form that a static table can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// `true` or `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(&'static str),
}

/// Whether the operator's value of an option is a limit, which a component may lower but not raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Not a limit: the component may choose any value.
    No,
    /// A limit. A smaller number is stricter.
    Yes,
    /// A limit. A smaller number is stricter, except that 0 means unlimited.
    ZeroIsUnlimited,
}

const NON_NEGATIVE: OptionKind = OptionKind::Integer { least: 0, most: i64::MAX };

/// The built-in options, sorted by name.
pub static BUILTINS: [Builtin; 30] = [
    Builtin {
        name: "buffer_size",
        kind: OptionKind::Integer { least: 1, most: 1_048_576 },
        default: Some(Preset::Integer(16_384)),
        limit: Limit::Yes,
        help: "bytes: bodies are read and written in pieces of at most this size, by default 65536 for a component of wasi:http 0.3; a component may declare up to 65536 where the operator says nothing",
    },
    Builtin {
        name: "burst",
        kind: OptionKind::Integer { least: 1, most: i64::MAX },
        default: None,
        limit: Limit::No,
        help: "bytes that may pass at once under a rate; absent: buffer_size or 10 ms of rate, whichever is more",
    },
    Builtin {
        name: "chunked",
        kind: OptionKind::BooleanOr("auto"),
        default: None,
        limit: Limit::No,
        help: "whether a body may be sent in the chunked coding; \"auto\": only if its length is not known before its head is sent; absent: as the client's version allows",
    },
    Builtin {
        name: "concurrency",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(0)),
        limit: Limit::ZeroIsUnlimited,
        help: "maximum concurrent invocations of the route",
    },
    Builtin {
        name: "content_type",
        kind: OptionKind::FieldValue,
        default: Some(Preset::Text("text/html; charset=utf-8")),
        limit: Limit::No,
        help: "the content-type of a response whose handler sets none",
    },
    Builtin {
        name: "cpu",
        kind: OptionKind::Integer { least: 1, most: 86_400_000 },
        default: Some(Preset::Integer(10_000)),
        limit: Limit::Yes,
        help: "milliseconds of processor time that an invocation may use, counted in steps of 5",
    },
    Builtin {
        name: "heartbeat",
        kind: OptionKind::Integer { least: 1, most: 86_400 },
        default: None,
        limit: Limit::No,
        help: "seconds of silence after which the client of a parked response is probed; absent: never",
    },
    Builtin {
        name: "history",
        kind: OptionKind::Integer { least: 0, most: 10_000 },
        default: None,
        limit: Limit::Yes,
        help: "events that are kept of each topic that the route appends to, for clients that come back; absent: none, and the route cannot append",
    },
    Builtin {
        name: "history_seconds",
        kind: OptionKind::Seconds { most: 86_400 },
        default: Some(Preset::Integer(300)),
        limit: Limit::Yes,
        help: "seconds for which an event is kept",
    },
    Builtin {
        name: "log_rate",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(131_072)),
        limit: Limit::ZeroIsUnlimited,
        help: "bytes a second that are logged of the output of a route's handlers and of the host's messages about them",
    },
    Builtin {
        name: "max_body",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(67_108_864)),
        limit: Limit::Yes,
        help: "maximum bytes of a request body",
    },
    Builtin {
        name: "max_message",
        kind: OptionKind::Integer { least: 1, most: 67_108_864 },
        default: Some(Preset::Integer(65_536)),
        limit: Limit::Yes,
        help: "maximum bytes of a message from a WebSocket client",
    },
    Builtin {
        name: "max_subscribers",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(0)),
        limit: Limit::ZeroIsUnlimited,
        help: "connections of the route that may be subscribed to topics at once",
    },
    Builtin {
        name: "max_topics",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(10_000)),
        limit: Limit::ZeroIsUnlimited,
        help: "topics that may exist because connections of the route subscribed to them",
    },
    Builtin {
        name: "memory",
        kind: OptionKind::Integer { least: 65_536, most: 4_294_967_296 },
        default: Some(Preset::Integer(134_217_728)),
        limit: Limit::Yes,
        help: "maximum bytes of all memories of one invocation together",
    },
    Builtin {
        name: "on_gap",
        kind: OptionKind::Either("keep", "reset"),
        default: Some(Preset::Text("keep")),
        limit: Limit::No,
        help: "what happens to parked responses once chunks of other hosts may have been lost: they stay, or are ended so that their clients come again",
    },
    Builtin {
        name: "park_timeout",
        kind: OptionKind::Seconds { most: 31_536_000 },
        default: None,
        limit: Limit::Yes,
        help: "seconds without a published chunk after which a parked response is ended; absent: never",
    },
    Builtin {
        name: "publish_rate",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(16_777_216)),
        limit: Limit::ZeroIsUnlimited,
        help: "bytes a second that the route may publish, each chunk counting for at least 128; a second's worth at once",
    },
    Builtin {
        name: "push_overflow",
        kind: OptionKind::Either("disconnect", "drop-oldest"),
        default: Some(Preset::Text("disconnect")),
        limit: Limit::No,
        help: "what happens past push_queue: the client is disconnected, or loses the oldest chunks",
    },
    Builtin {
        name: "push_queue",
        kind: OptionKind::Integer { least: 1, most: 67_108_864 },
        default: Some(Preset::Integer(65_536)),
        limit: Limit::Yes,
        help: "bytes of published chunks that may wait for a client, each counting for at least 128",
    },
    Builtin {
        name: "quarantine",
        kind: OptionKind::Integer { least: 0, most: 1_000_000 },
        default: Some(Preset::Integer(20)),
        limit: Limit::ZeroIsUnlimited,
        help: "failures within 10 s, with hardly a success between them, after which the route answers 503 for some seconds before it is tried again; 0: never",
    },
    Builtin {
        name: "rate",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(0)),
        limit: Limit::ZeroIsUnlimited,
        help: "bytes a second to each client",
    },
    Builtin {
        name: "rate_scope",
        kind: OptionKind::Either("client", "connection"),
        default: Some(Preset::Text("client")),
        limit: Limit::No,
        help: "whether a rate applies to each client or to each connection",
    },
    Builtin {
        name: "reuse",
        kind: OptionKind::Integer { least: 1, most: 4_294_967_295 },
        default: Some(Preset::Integer(1)),
        limit: Limit::Yes,
        help: "requests that one instance serves in turn; above 1, a request sees the state that earlier ones left",
    },
    Builtin {
        name: "share",
        kind: OptionKind::Integer { least: 1, most: 100 },
        default: None,
        limit: Limit::Yes,
        help: "percent of each limit that all routes share that the route may use, and of what others leave free; absent: 50",
    },
    Builtin {
        name: "status",
        kind: OptionKind::Integer { least: 200, most: 599 },
        default: Some(Preset::Integer(200)),
        limit: Limit::No,
        help: "the status of a response whose handler sets none",
    },
    Builtin {
        name: "stream",
        kind: OptionKind::Boolean,
        default: Some(Preset::Boolean(true)),
        limit: Limit::No,
        help: "whether writes are sent at once; false: buffered up to half of buffer_size",
    },
    Builtin {
        name: "timeout",
        kind: OptionKind::Seconds { most: 86_400 },
        default: Some(Preset::Integer(30)),
        limit: Limit::Yes,
        help: "seconds that an invocation may take",
    },
    Builtin {
        name: "upload_rate",
        kind: NON_NEGATIVE,
        default: Some(Preset::Integer(0)),
        limit: Limit::ZeroIsUnlimited,
        help: "bytes a second from each client",
    },
    Builtin {
        name: "websocket",
        kind: OptionKind::Boolean,
        default: Some(Preset::Boolean(false)),
        limit: Limit::No,
        help: "whether the route accepts WebSocket handshakes, and nothing else",
    },
];

/// A value that an option is given, as far as the table can tell values apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'v> {
    /// `true` or `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(&'v str),
    /// A list, which no option of the host takes.
    List,
}

/// Looks up a built-in option by name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Builtin> {
    let index = BUILTINS.binary_search_by(|builtin| builtin.name.cmp(name)).ok()?;
    Some(&BUILTINS[index])
}

/// The key that a name is probably a typing error of: a built-in option, or one of `keys`. `None` if it is one of them,
/// or is like none: two edits away, or one from a short key, whose first letter it then has too.
#[must_use]
pub fn similar(name: &str, keys: &[&'static str]) -> Option<&'static str> {
    let known = || BUILTINS.iter().map(|builtin| builtin.name).chain(keys.iter().copied());
    if name.len() > MAX_SIMILAR_BYTES || known().any(|key| key == name) {
        return None;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let typed = plain(name);
    let edits = known().filter_map(|key| {
        let plain = plain(key);
        let edits = strsim::osa_distance(&typed, &plain);
        let is_similar = match plain.len() {
            ..6 => edits <= 1 && typed.as_bytes().first() == plain.as_bytes().first(),
            _ => edits <= 2,
        };
        is_similar.then_some((edits, key))
    });
    edits.min().map(|(_, key)| key)
}

/// Longer names are like no key.
const MAX_SIMILAR_BYTES: usize = 32;

impl Builtin {
    /// Whether `value` is one that this option accepts.
    #[must_use]
    pub fn accepts<'v>(&self, value: impl Into<ValueRef<'v>>) -> bool {
        self.kind.accepts(value.into())
    }

    /// What the option accepts, as text that follows "expected".
    #[must_use]
    pub fn expected(&self) -> String {
        match self.limit {
            Limit::No | Limit::Yes => self.kind.to_string(),
            Limit::ZeroIsUnlimited => format!("{}; 0 is unlimited", self.kind),
        }
    }
}

impl OptionKind {
    fn accepts(self, value: ValueRef<'_>) -> bool {
        match self {
            Self::Boolean => matches!(value, ValueRef::Boolean(_)),
            Self::BooleanOr(word) => match value {
                ValueRef::Boolean(_) => true,
                ValueRef::Text(text) => text == word,
                ValueRef::Integer(_) | ValueRef::Float(_) | ValueRef::List => false,
            },
            Self::Integer { least, most } => {
                matches!(value, ValueRef::Integer(integer) if (least..=most).contains(&integer))
            }
            Self::Seconds { most } => {
                value.seconds().is_some_and(|time| !time.is_zero() && time <= Duration::from_secs(most.into()))
            }
            Self::FieldValue => matches!(value, ValueRef::Text(text) if is_field_value(text)),
            Self::Either(one, other) => matches!(value, ValueRef::Text(text) if text == one || text == other),
        }
    }
}

impl ValueRef<'_> {
    /// A number of seconds as a duration; `None` if it is no number, is negative or does not fit.
    #[must_use]
    pub fn seconds(self) -> Option<Duration> {
        match self {
            Self::Integer(whole) => u64::try_from(whole).ok().map(Duration::from_secs),
            Self::Float(float) => Duration::try_from_secs_f64(float).ok(),
            Self::Boolean(_) | Self::Text(_) | Self::List => None,
        }
    }
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::BooleanOr(word) => write!(f, "true, false or \"{word}\""),
            Self::Integer { least, most: i64::MAX } => write!(f, "a whole number, {least} or more"),
            Self::Integer { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Seconds { most } => write!(f, "a number of seconds above 0 and up to {most}"),
            Self::FieldValue => f.write_str("a field value: ASCII text, not empty, without control characters"),
            Self::Either(one, other) => write!(f, "\"{one}\" or \"{other}\""),
        }
    }
}

/// A field value of RFC 9110 section 5.5, without `obs-text` and not empty.
fn is_field_value(text: &str) -> bool {
    let is_visible = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    !text.is_empty() && text.trim_matches([' ', '\t']).len() == text.len() && text.bytes().all(is_visible)
}

#[cfg(test)]
mod tests;
