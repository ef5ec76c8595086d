//! Key-value stores: what components keep across requests.
//!
//! ```text
//! a grant -> KeyValueStore (names, limits, access) -> KeyValueBackend -> EmbeddedBackend: one file
//!                                                                     -> fleet::EngineStores: a server of several hosts
//! ```
//!
//! Owns the limits of keys, values and pages, the names of stores, and the backend that is built in. A store has its name
//! from the operator alone: of a route by default, or shared by all routes that say so.

mod deferred;
mod embedded;
mod state_file;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::metrics::{GrantCounters, GrantRegistry, StoreOutcome};

pub use deferred::DeferredBackend;
pub use embedded::{EmbeddedBackend, StateError};

/// The longest key, in bytes. The shortest has one.
pub const MAX_KEY_BYTES: usize = 1024;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// The most keys of a page, and of one call.
pub const MAX_KEYS: usize = 1000;

/// The most bytes of keys and values of one call.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What an entry counts for besides its key and its value, in bytes.
pub const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// How much a store may hold by default, in bytes.
pub const DEFAULT_MAX_STORE_BYTES: u64 = 64 * 1024 * 1024;

/// The longest time to live.
const MAX_TIME_TO_LIVE: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Why a call to a store was refused or failed. The store is as it was before the call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyValueError {
    /// The store was granted without `write`.
    #[error("the store is read-only")]
    ReadOnly,
    /// The key is empty or too long.
    #[error("a key has 1 to {MAX_KEY_BYTES} bytes, and this one has {0}")]
    Key(usize),
    /// The value is too long.
    #[error("a value has at most {MAX_VALUE_BYTES} bytes, and this one has {0}")]
    Value(usize),
    /// The call has too many keys.
    #[error("a call has at most {MAX_KEYS} keys")]
    TooManyKeys,
    /// The call has, or would return, too many bytes.
    #[error("a call has and returns at most {MAX_BATCH_BYTES} bytes of keys and values")]
    BatchBytes,
    /// The store has no room for it.
    #[error("the store is full: it may hold {max_bytes} bytes (`max_bytes` of its grant)")]
    Full {
        /// The limit of the store.
        max_bytes: u64,
    },
    /// The value to increment is no integer.
    #[error("the value is no integer of 64 bits in decimal digits")]
    NotInteger,
    /// The sum is beyond 64 bits.
    #[error("the sum is beyond an integer of 64 bits")]
    Overflow,
    /// The place to go on from is not one that was given.
    #[error("the cursor is none of this list")]
    Cursor,
    /// The file or the engine could not be read or written. What was answered before is kept; whether this change was made is not known.
    #[error("the stores cannot be read or written at the moment")]
    Storage,
    /// This host only names stores, as `host check` does.
    #[error("the stores are not open here")]
    NotOpen,
}

/// The name of a store within the host.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreName(Arc<str>);

impl StoreName {
    /// A store of one route alone. `route` is the key of its file.
    #[must_use]
    pub fn of_route(route: &str, name: &str) -> Self {
        Self(format!("route\0{route}\0{name}").into())
    }

    /// A store of all routes that share that name.
    #[must_use]
    pub fn shared(name: &str) -> Self {
        Self(format!("shared\0{name}").into())
    }

    /// A store of all routes of the site `site` that share that name.
    #[must_use]
    pub fn shared_in(site: &str, name: &str) -> Self {
        Self(format!("shared\0@{site}\0{name}").into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What is changed in a store, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChange {
    /// Sets entries. The later of two with the same key stands.
    Set {
        /// Keys and values.
        entries: Vec<(Bytes, Bytes)>,
        /// How long they live. `None`: until they are deleted.
        time_to_live: Option<Duration>,
    },
    /// Deletes entries, which may not exist.
    Delete(Vec<Bytes>),
    /// Adds to an integer in decimal digits, which is 0 if it does not exist. Its time to live stays.
    Increment {
        /// The key.
        key: Bytes,
        /// What to add.
        delta: i64,
    },
    /// Sets or deletes an entry if it is as expected.
    CompareAndSwap {
        /// The key.
        key: Bytes,
        /// The value that is expected. `None`: no entry.
        expected: Option<Bytes>,
        /// The new value, without a time to live. `None` deletes the entry.
        new: Option<Bytes>,
    },
}

impl StoreChange {
    /// Its name in spans: that of the function of the interface `key-value`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Set { .. } => "set",
            Self::Delete(_) => "delete",
            Self::Increment { .. } => "increment",
            Self::CompareAndSwap { .. } => "compare-and-swap",
        }
    }
}

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It was made.
    Made,
    /// The integer is this now.
    Integer(i64),
    /// The entry was not as expected, and is as it was.
    NotAsExpected,
}

/// Some keys of a store, in the order of their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys. There may be fewer than were asked for, even none, although more follow.
    pub keys: Vec<Bytes>,
    /// The key behind which the next page begins. It may have expired. `None` if no more keys follow.
    pub next: Option<Bytes>,
}

/// The answer of a backend, which may take its time.
pub type BackendAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeyValueError>> + Send + 'a>>;

/// Where stores are. It is given valid keys and values only. What it has answered to a change is kept, whatever happens to
/// the host.
pub trait KeyValueBackend: fmt::Debug + Send + Sync {
    /// The values of keys. `None` for those that do not exist or have expired.
    fn get<'a>(&'a self, store: &'a StoreName, keys: &'a [Bytes]) -> BackendAnswer<'a, Vec<Option<Bytes>>>;

    /// The keys that begin with `prefix`, behind `after`, at most `limit`. Its work is bounded, however many entries have
    /// expired.
    fn list<'a>(
        &'a self,
        store: &'a StoreName,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BackendAnswer<'a, KeyPage>;

    /// Changes a store that may hold `max_bytes`.
    fn change<'a>(
        &'a self,
        store: &'a StoreName,
        max_bytes: u64,
        change: StoreChange,
    ) -> BackendAnswer<'a, ChangeOutcome>;
}

/// A store as it is granted to a route.
#[derive(Debug, Clone)]
pub struct KeyValueStore {
    /// `None` in a host that only names stores.
    backend: Option<Arc<dyn KeyValueBackend>>,
    name: StoreName,
    max_bytes: u64,
    can_write: bool,
    is_at_engine: bool,
    /// The counters of its operations, once they were needed.
    counters: OnceLock<Arc<GrantCounters>>,
}

impl KeyValueError {
    /// How it counts.
    pub(crate) fn outcome(&self) -> StoreOutcome {
        match self {
            Self::ReadOnly => StoreOutcome::ReadOnly,
            Self::Key(_) | Self::Value(_) | Self::TooManyKeys | Self::BatchBytes => StoreOutcome::TooLarge,
            Self::Full { .. } => StoreOutcome::Full,
            Self::NotInteger | Self::Overflow | Self::Cursor => StoreOutcome::Invalid,
            Self::Storage | Self::NotOpen => StoreOutcome::Storage,
        }
    }
}

impl KeyValueStore {
    /// Counts an operation. `registry` is that of the one route that this store is granted to, by `name`.
    pub(crate) fn count(&self, outcome: StoreOutcome, registry: &GrantRegistry, name: &str) {
        self.counters.get_or_init(|| registry.store(name)).count_operation(outcome);
    }

    /// A store that may hold `max_bytes`.
    #[must_use]
    pub fn new(backend: Option<Arc<dyn KeyValueBackend>>, name: StoreName, max_bytes: u64, can_write: bool) -> Self {
        Self { backend, name, max_bytes, can_write, is_at_engine: false, counters: OnceLock::new() }
    }

    /// The same store, whose backend is at the engine of several hosts.
    #[must_use]
    pub fn at_engine(self) -> Self {
        Self { is_at_engine: true, ..self }
    }

    /// What keeps it, as traces name it.
    #[must_use]
    pub fn system(&self) -> &'static str {
        if self.is_at_engine { "redis" } else { "vibrato" }
    }

    fn backend(&self) -> Result<&dyn KeyValueBackend, KeyValueError> {
        self.backend.as_deref().ok_or(KeyValueError::NotOpen)
    }

    /// The value of a key. `None` if it does not exist or has expired.
    ///
    /// # Errors
    /// See [`KeyValueError`].
    pub async fn get(&self, key: Bytes) -> Result<Option<Bytes>, KeyValueError> {
        Ok(self.get_many(&[key]).await?.pop().flatten())
    }

    /// The values of at most [`MAX_KEYS`] keys.
    ///
    /// # Errors
    /// See [`KeyValueError`].
    pub async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        check_keys(keys)?;
        self.backend()?.get(&self.name, keys).await
    }

    /// The keys that begin with `prefix`, in the order of their bytes, behind `after`: at most `limit`, and never more than
    /// [`MAX_KEYS`].
    ///
    /// # Errors
    /// See [`KeyValueError`].
    pub async fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<KeyPage, KeyValueError> {
        let is_cursor = after.is_none_or(|after| (1..=MAX_KEY_BYTES).contains(&after.len()));
        if !is_cursor {
            return Err(KeyValueError::Cursor);
        }
        if prefix.len() > MAX_KEY_BYTES {
            return Err(KeyValueError::Key(prefix.len()));
        }
        self.backend()?.list(&self.name, prefix, after, limit.clamp(1, MAX_KEYS)).await
    }

    /// Makes a change, which is durable once this returns.
    ///
    /// # Errors
    /// See [`KeyValueError`].
    pub async fn change(&self, mut change: StoreChange) -> Result<ChangeOutcome, KeyValueError> {
        if !self.can_write {
            return Err(KeyValueError::ReadOnly);
        }
        check(&change)?;
        if let StoreChange::Set { time_to_live: Some(time), .. } = &mut change {
            *time = (*time).min(MAX_TIME_TO_LIVE);
        }
        self.backend()?.change(&self.name, self.max_bytes, change).await
    }
}

/// As in a route file.
impl fmt::Display for KeyValueStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        let shown = crate::text::printable(name.rsplit('\0').next().unwrap_or(name));
        let shared = if name.starts_with("shared\0") { ", shared = true" } else { "" };
        let engine = if self.is_at_engine { ", engine = true" } else { "" };
        let (write, max_bytes) = (self.can_write, self.max_bytes);
        write!(f, "{{ store = \"{shown}\", write = {write}, max_bytes = {max_bytes}{shared}{engine} }}")
    }
}

fn check_key(key: &Bytes) -> Result<(), KeyValueError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) { Ok(()) } else { Err(KeyValueError::Key(key.len())) }
}

fn check_keys(keys: &[Bytes]) -> Result<(), KeyValueError> {
    if keys.len() > MAX_KEYS {
        return Err(KeyValueError::TooManyKeys);
    }
    keys.iter().try_for_each(check_key)
}

fn check_value(value: &Bytes) -> Result<(), KeyValueError> {
    if value.len() <= MAX_VALUE_BYTES { Ok(()) } else { Err(KeyValueError::Value(value.len())) }
}

fn check(change: &StoreChange) -> Result<(), KeyValueError> {
    match change {
        StoreChange::Set { entries, .. } => {
            if entries.len() > MAX_KEYS {
                return Err(KeyValueError::TooManyKeys);
            }
            for (key, value) in entries {
                check_key(key)?;
                check_value(value)?;
            }
            let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
            if bytes <= MAX_BATCH_BYTES { Ok(()) } else { Err(KeyValueError::BatchBytes) }
        }
        StoreChange::Delete(keys) => check_keys(keys),
        StoreChange::Increment { key, .. } => check_key(key),
        StoreChange::CompareAndSwap { key, expected, new } => {
            check_key(key)?;
            expected.iter().chain(new).try_for_each(check_value)
        }
    }
}
