//! What hosts send each other over the engine, as bytes:
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version, 1 |
//! | 16 | the host that has sent it |
//! | 1 | the kind: 0 a chunk, 1 the end of a topic, 2 a canary, 3 an event of a history |
//! | 2 | the length of the next, big-endian |
//! | n | the directory of the route that has published, relative to the routes directory |
//! | the rest | the chunk, or the number of the canary in 8 bytes, big-endian; of an event the line of its id, which the engine gives it, the line of how many are kept and for how many milliseconds, and the event |

use std::ffi::OsStr;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use crate::push::{EventId, History};

/// The version of the form.
const VERSION: u8 = 1;

const CHUNK: u8 = 0;
const FINISH: u8 = 1;
const CANARY: u8 = 2;
const EVENT: u8 = 3;

/// The bytes in front of the directory.
const HEAD_BYTES: usize = 20;

/// Which host, in which run, has sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostId([u8; 16]);

/// A message of a host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FleetMessage<'m> {
    pub(super) host: HostId,
    pub(super) content: Content<'m>,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'m> {
    /// A route in this directory has published a chunk.
    Chunk { directory: &'m Path, chunk: &'m [u8] },
    /// A route in this directory has finished the topic.
    Finish { directory: &'m Path },
    /// A route in this directory has appended an event.
    Event { directory: &'m Path, id: EventId, history: History, event: &'m [u8] },
    /// A host looks whether it hears itself.
    Canary { number: u64 },
}

impl HostId {
    /// An id that no other host has, by chance.
    pub(super) fn random() -> Self {
        // Each state is seeded by the system.
        let half = || RandomState::new().hash_one(std::process::id()).to_be_bytes();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&half());
        id[8..].copy_from_slice(&half());
        Self(id)
    }
}

impl HostId {
    /// What an event has before the id that the engine gives it. `None` as for [`FleetMessage::to_bytes`].
    pub(super) fn event_head(self, directory: &Path) -> Option<Vec<u8>> {
        self.head(EVENT, directory, 0)
    }

    /// The bytes up to the rest, with room for that.
    fn head(self, kind: u8, directory: &Path, rest: usize) -> Option<Vec<u8>> {
        let directory = directory.as_os_str().as_bytes();
        let length = u16::try_from(directory.len()).ok()?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + directory.len() + rest);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.0);
        bytes.push(kind);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(directory);
        Some(bytes)
    }
}

/// What an event has behind its id.
pub(super) fn event_tail(history: History, event: &[u8]) -> Vec<u8> {
    let events = history.events.map_or(0, usize::from);
    [format!("\n{events} {}\n", history.age.as_millis()).as_bytes(), event].concat()
}

fn parse_event<'m>(directory: &'m Path, rest: &'m [u8]) -> Option<Content<'m>> {
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut line = || str::from_utf8(parts.next()?).ok();
    let id = EventId::parse_decimal(line()?)?;
    let (events, age) = line()?.split_once(' ')?;
    let history =
        History { events: NonZeroUsize::new(events.parse().ok()?), age: Duration::from_millis(age.parse().ok()?) };
    Some(Content::Event { directory, id, history, event: parts.next()? })
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'m> FleetMessage<'m> {
    /// The message as bytes. `None` if the directory has a name of more than 65,535 bytes, which no system allows.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let (number, of_event);
        let (kind, directory, rest) = match &self.content {
            Content::Chunk { directory, chunk } => (CHUNK, *directory, *chunk),
            Content::Finish { directory } => (FINISH, *directory, &[][..]),
            Content::Event { directory, id, history, event } => {
                of_event = [id.to_decimal().as_bytes(), &event_tail(*history, event)].concat();
                (EVENT, *directory, &of_event[..])
            }
            Content::Canary { number: of_canary } => {
                number = of_canary.to_be_bytes();
                (CANARY, Path::new(""), &number[..])
            }
        };
        let mut bytes = self.host.head(kind, directory, rest.len())?;
        bytes.extend_from_slice(rest);
        Some(bytes)
    }

    /// Reads a message. `None` if it is none of this version: whoever can write to the engine can send anything.
    pub(super) fn parse(bytes: &'m [u8]) -> Option<Self> {
        let (version, bytes) = bytes.split_first()?;
        let (host, bytes) = bytes.split_first_chunk::<16>()?;
        let (kind, bytes) = bytes.split_first()?;
        let (length, bytes) = bytes.split_first_chunk::<2>()?;
        let (directory, rest) = bytes.split_at_checked(u16::from_be_bytes(*length).into())?;
        let directory = Path::new(OsStr::from_bytes(directory));
        let content = match (*version, *kind) {
            (VERSION, CHUNK) => Content::Chunk { directory, chunk: rest },
            (VERSION, FINISH) if rest.is_empty() => Content::Finish { directory },
            (VERSION, EVENT) => parse_event(directory, rest)?,
            (VERSION, CANARY) => Content::Canary { number: u64::from_be_bytes(rest.try_into().ok()?) },
            _ => return None,
        };
        Some(Self { host: HostId(*host), content })
    }
}
