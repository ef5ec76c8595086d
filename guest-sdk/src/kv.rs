//! Key-value stores that the operator gives to a route: `kv` in `[grant]` of its `NAME.toml`.
//!
//! ```toml
//! [grant]
//! kv = { "" = "shop", sessions = { store = "sessions", max_bytes = 1_000_000 } }
//! ```
//!
//! The functions of this module are for the store that is granted under the name `""` or `default`; [`open`] is for those
//! with other names. What changes a store returns once the change is on the disk.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use guest_sdk::kv;
//!
//! # fn main() -> Result<(), kv::Error> {
//! let visits = kv::increment("visits", 1)?;
//! kv::set("last", "somebody")?;
//! let sessions = kv::open("sessions");
//! sessions.set_for("s-1", "somebody", Duration::from_secs(3600))?;
//! for key in sessions.list("s-") {
//!     println!("{}: {:?}", visits, sessions.get(&key?)?);
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::host::key_value as host;

pub use crate::bindings::vibrato::handler::key_value::Page;

/// Why a call failed. The store is as it was before the call, except perhaps after [`Error::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The route is granted no store, or there is no request.
    Denied,
    /// The route is granted stores, and none of that name.
    NoSuchStore,
    /// The store was granted without `write`.
    ReadOnly,
    /// The key has not 1 to 1024 bytes, or the value more than 1 MiB.
    TooLarge,
    /// The store would hold more than `max_bytes` of its grant.
    Full,
    /// Something else, for the log: the value is no integer, the sum is beyond 64 bits, the disk is full.
    Other(String),
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Denied => Self::Denied,
            host::Error::NoSuchStore => Self::NoSuchStore,
            host::Error::ReadOnly => Self::ReadOnly,
            host::Error::TooLarge => Self::TooLarge,
            host::Error::Full => Self::Full,
            host::Error::Other(text) => Self::Other(text),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "the route is granted no key-value store",
            Self::NoSuchStore => "the route is granted no key-value store of that name",
            Self::ReadOnly => "the key-value store is read-only",
            Self::TooLarge => "a key has 1 to 1024 bytes, and a value at most 1 MiB",
            Self::Full => "the key-value store is full",
            Self::Other(text) => text,
        })
    }
}

impl std::error::Error for Error {}

/// The store that the grant calls `name`. Whether there is one is known to its calls.
#[must_use]
pub fn open(name: &str) -> Store<'_> {
    Store { name }
}

/// A key-value store.
#[derive(Debug, Clone, Copy)]
pub struct Store<'n> {
    name: &'n str,
}

impl Store<'_> {
    /// The value of a key. `None` if it was not set, was deleted or has expired.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(host::get(self.name, key)?)
    }

    /// Sets the value of a key until it is deleted.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(host::set(self.name, key, value.as_ref(), None)?)
    }

    /// Sets the value of a key, which expires after `time`, in whole milliseconds.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn set_for(&self, key: &str, value: impl AsRef<[u8]>, time: Duration) -> Result<(), Error> {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(host::set(self.name, key, value.as_ref(), Some(milliseconds))?)
    }

    /// Deletes a key, if it is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(host::delete(self.name, key)?)
    }

    /// All keys that begin with `prefix`, in the order of their bytes. The host is asked for a page of 1000 at a time.
    pub fn list(&self, prefix: &str) -> Keys<'_> {
        Keys { store: *self, prefix: prefix.to_owned(), keys: VecDeque::new(), cursor: None, is_over: false }
    }

    /// One page of the keys that begin with `prefix`: at most `limit`, and at most 1000. `cursor` is that of the page before. A
    /// page may have fewer keys, even none, although its cursor says that more follow.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn page(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
        Ok(host::list(self.name, prefix, cursor, limit)?)
    }

    /// Adds `delta` to the integer that the value is in decimal digits, 0 if there is none, and returns the sum. No other
    /// change comes between.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        Ok(host::increment(self.name, key, delta)?)
    }

    /// Sets the value to `new`, or deletes it if that is `None`, if the value is `expected`. Returns whether it was. No other
    /// change comes between.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn compare_and_swap(&self, key: &str, expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Error> {
        Ok(host::compare_and_swap(self.name, key, expected, new)?)
    }
}

/// The keys of a store: see [`Store::list`].
#[derive(Debug)]
pub struct Keys<'s> {
    store: Store<'s>,
    prefix: String,
    keys: VecDeque<String>,
    cursor: Option<String>,
    is_over: bool,
}

impl Iterator for Keys<'_> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.keys.is_empty() && !self.is_over {
            match self.store.page(&self.prefix, self.cursor.as_deref(), u32::MAX) {
                Ok(page) => {
                    self.is_over = page.cursor.is_none();
                    (self.keys, self.cursor) = (page.keys.into(), page.cursor);
                }
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        self.keys.pop_front().map(Ok)
    }
}

/// The store without a name.
const DEFAULT: Store<'static> = Store { name: "" };

/// [`Store::get`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    DEFAULT.get(key)
}

/// [`Store::set`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    DEFAULT.set(key, value)
}

/// [`Store::set_for`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn set_for(key: &str, value: impl AsRef<[u8]>, time: Duration) -> Result<(), Error> {
    DEFAULT.set_for(key, value, time)
}

/// [`Store::delete`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    DEFAULT.delete(key)
}

/// [`Store::list`] of the store without a name.
pub fn list(prefix: &str) -> Keys<'static> {
    DEFAULT.list(prefix)
}

/// [`Store::increment`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn increment(key: &str, delta: i64) -> Result<i64, Error> {
    DEFAULT.increment(key, delta)
}

/// [`Store::compare_and_swap`] of the store without a name.
///
/// # Errors
/// See [`Error`].
pub fn compare_and_swap(key: &str, expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Error> {
    DEFAULT.compare_and_swap(key, expected, new)
}
