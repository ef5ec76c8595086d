//! The table `[timer]` of a route file: how often the host runs the route without a client.

use std::time::Duration;

use thiserror::Error;

use crate::options::Value;
use crate::text::{excerpt, printable};

/// The shortest and the longest time from one run to the next, in seconds.
const MIN_SECONDS: f64 = 0.1;
const MAX_SECONDS: f64 = 31_536_000.0;

/// The most bytes of a wrong key or value that a message quotes.
const MAX_QUOTED_BYTES: usize = 64;

/// What is wrong with a timer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimerError {
    /// It is no table.
    #[error("is no table; expected `[timer]` with the key `every`")]
    NoTable,
    /// It does not say how often.
    #[error("has no `every`; expected the seconds from one run to the next, as in every = 5")]
    NoEvery,
    /// The time is no number, or out of its range.
    #[error("has `every` = {found}; expected a number of seconds from 0.1 to 31536000")]
    Every {
        /// What it is instead.
        found: String,
    },
    /// A key that a timer does not have.
    #[error("has the key `{name}`; expected `every` alone")]
    Unknown {
        /// The key.
        name: String,
    },
}

/// Reads a timer. An error comes with the key that it is about, if it is about one.
pub(super) fn read(value: toml::Value) -> Result<Duration, (Option<String>, TimerError)> {
    let toml::Value::Table(mut table) = value else { return Err((None, TimerError::NoTable)) };
    let every = table.remove("every");
    if let Some(key) = table.keys().next().cloned() {
        let name = printable(&excerpt(&key, MAX_QUOTED_BYTES));
        return Err((Some(key), TimerError::Unknown { name }));
    }
    let every = every.ok_or((None, TimerError::NoEvery))?;
    let seconds = match every {
        toml::Value::Integer(whole) => whole as f64,
        toml::Value::Float(seconds) => seconds,
        _ => f64::NAN,
    };
    if (MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    let found = Value::try_from(&every).map_or_else(|_| "something else".to_owned(), |value| value.to_string());
    let found = printable(&excerpt(&found, MAX_QUOTED_BYTES));
    Err((Some("every".to_owned()), TimerError::Every { found }))
}
