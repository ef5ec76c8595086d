//! What a route keeps of what it appends, the ids of events, and what an event is.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::{MAX_CHUNK_BYTES, PushError};

/// The most events of a topic that are kept. The option `history` has the same bound.
const MAX_EVENTS: usize = 10_000;

/// The longest time for which an event is kept. The option `history_seconds` has the same bound.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// How much of each topic is kept for clients that come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Maximum events of a topic. `None`: the route keeps none, so it cannot append.
    pub events: Option<NonZeroUsize>,
    /// How long an event is kept, and a history without subscribers.
    pub age: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self { events: None, age: Duration::from_secs(300) }
    }
}

/// What the engine that several hosts share has to answer first.
pub type SharedAnswer<T> = Pin<Box<dyn Future<Output = Result<T, PushError>> + Send>>;

/// What is there now, or what the engine has to answer.
#[must_use]
pub enum Answer<T> {
    /// It is there.
    Now(T),
    /// The engine has to answer.
    Later(SharedAnswer<T>),
}

impl<T> Answer<T> {
    /// Waits for it.
    ///
    /// # Errors
    /// [`PushError::Unavailable`].
    pub async fn wait(self) -> Result<T, PushError> {
        match self {
            Self::Now(answer) => Ok(answer),
            Self::Later(answer) => answer.await,
        }
    }
}

/// An event of a history that several hosts share.
#[derive(Debug, Clone, Copy)]
pub struct SharedEvent<'e> {
    /// Its id.
    pub id: EventId,
    /// How much is kept of the topic.
    pub history: History,
    /// Since when it is kept.
    pub kept_since: Instant,
    /// The event itself.
    pub bytes: &'e [u8],
}

impl SharedEvent<'_> {
    /// Whether a host can have appended it: whoever can write to the engine can send anything.
    pub(crate) fn is_valid(&self) -> bool {
        let History { events, age } = self.history;
        let is_bounded = events.is_some_and(|events| events.get() <= MAX_EVENTS) && age <= MAX_AGE;
        is_bounded && self.bytes.len() <= MAX_CHUNK_BYTES && is_event(self.bytes)
    }
}

/// The id of an event: the history that it belongs to, and its place there. As text `EPOCH-OFFSET`, 16 hexadecimal digits and
/// a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// Which history of the topic: another one has begun if the earlier was lost or forgotten.
    pub epoch: u64,
    /// The number of events so far, this one included.
    pub offset: u64,
}

impl EventId {
    /// The place before the first event of a history that begins.
    pub(crate) fn start() -> Self {
        // Each state is seeded by the system.
        Self { epoch: RandomState::new().hash_one(0), offset: 0 }
    }

    /// Reads an id. `None` if it is none: a client can send anything.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, offset) = text.split_once('-')?;
        Some(Self { epoch: parse_epoch(epoch)?, offset: parse_offset(offset)? })
    }

    /// Reads an id of a stream at the engine, which has two decimal numbers.
    pub(crate) fn parse_decimal(text: &str) -> Option<Self> {
        let (epoch, offset) = text.split_once('-')?;
        Some(Self { epoch: parse_offset(epoch)?, offset: parse_offset(offset)? })
    }

    /// The id as the engine writes it.
    pub(crate) fn to_decimal(self) -> String {
        format!("{}-{}", self.epoch, self.offset)
    }

    /// This event as it is sent: the line of its id before its own lines.
    pub(super) fn before(self, event: &[u8]) -> Vec<u8> {
        [format!("id: {self}\n").as_bytes(), event].concat()
    }

    /// What tells a client the id and nothing else, so that it can resume although it has got no event.
    pub(super) fn alone(self) -> Vec<u8> {
        self.before(b"\n")
    }

    /// What tells a client that events are missing, and where those that follow begin.
    pub(super) fn reset(self) -> Vec<u8> {
        self.before(b"event: reset\ndata:\n\n")
    }
}

fn parse_epoch(text: &str) -> Option<u64> {
    let is_epoch = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_epoch.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn parse_offset(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.offset)
    }
}

/// Whether these bytes are one event of an event stream (the HTML standard, section 9.2.6), whole and without an id: the host
/// writes the id before it, and a client that has got the id must have got all that belongs to it.
pub(super) fn is_event(bytes: &[u8]) -> bool {
    let mut lines = Lines(bytes);
    loop {
        match lines.next() {
            None => return false,
            Some(b"") => return lines.0.is_empty(),
            Some(line) => {
                let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                if name == b"id" {
                    return false;
                }
            }
        }
    }
}

/// The lines that are ended by CR LF, LF or CR. What follows the last end is no line.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let end = memchr::memchr2(b'\r', b'\n', self.0)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\r\n").unwrap_or(&rest[1..]);
        Some(line)
    }
}
