//! The ids of traces and spans, and the fields that carry them: W3C Trace Context.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The most bytes of a `tracestate` that is kept. Section 3.3.1.5 of Trace Context asks for at least as many.
const MAX_STATE: usize = 512;

/// The most entries of a `tracestate`.
const MAX_STATE_ENTRIES: usize = 32;

/// The id of a trace: not 0. It is shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// The id of a span: not 0. It is shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

/// What `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The span of the caller.
    pub span: SpanId,
    /// Whether the caller has sampled it.
    pub is_sampled: bool,
}

impl TraceId {
    /// A new one.
    pub(super) fn random() -> Self {
        loop {
            let id = (u128::from(random()) << 64) | u128::from(random());
            if id != 0 {
                return Self(id);
            }
        }
    }

    /// Its end, which is random (section 7.2 of Trace Context).
    pub(super) fn low(self) -> u64 {
        self.0 as u64
    }
}

impl SpanId {
    /// A new one.
    pub(super) fn random() -> Self {
        loop {
            if let Some(id) = Self::of(random()) {
                return id;
            }
        }
    }

    pub(super) fn of(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl TraceParent {
    /// Reads the fields of a request. `None` if there is not exactly one, or if it is malformed.
    pub fn of_fields<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let value = values.next()?;
        if values.next().is_some() { None } else { Self::parse(value) }
    }

    /// Reads a value: `00-TRACE-SPAN-FLAGS`, all hexadecimal digits in lower case. What a later version has behind that is
    /// ignored.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(55)?;
        let text = std::str::from_utf8(known).ok()?;
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u128::from_str_radix(part, 16).ok()).flatten()
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        if !is_whole || parts.next().is_some() || trace == 0 {
            return None;
        }
        let span = SpanId::of(u64::try_from(span).ok()?)?;
        Some(Self { trace: TraceId(trace), span, is_sampled: flags & 1 == 1 })
    }
}

/// As the field has it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The values of `tracestate` as one, if they are well-formed and not too long.
pub(super) fn trace_state<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Box<str>> {
    let mut state = String::new();
    let mut entries = 0;
    for value in values {
        for entry in value.split(|byte| *byte == b',') {
            let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
            if entry.is_empty() {
                continue;
            }
            entries += 1;
            if !is_entry(entry) || entries > MAX_STATE_ENTRIES || state.len() + entry.len() >= MAX_STATE {
                return None;
            }
            if !state.is_empty() {
                state.push(',');
            }
            state.push_str(entry);
        }
    }
    (!state.is_empty()).then(|| state.into())
}

/// Whether it is `KEY=VALUE` of section 3.3.1.3.
fn is_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else { return false };
    let is_key = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let starts = key.starts_with(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit());
    let is_value = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    starts && key.bytes().all(is_key) && !value.is_empty() && value.bytes().all(is_value)
}

/// A random number: SplitMix64, with a seed of each thread's own.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
    }
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}
