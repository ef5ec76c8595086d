//! `http` and `http-limits` in `[grant]`: which servers a component may call, and within which limits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GRANT, GrantEntryError, GrantReader, HTTP, HTTP_LIMITS, MAX_ENTRIES, lines_in};
use crate::grants::HttpEntry;
use crate::outbound::{HttpLimits, Network, OriginPattern};

/// What `http` may be.
const ORIGINS: &str = "a list of origins, as in [\"https://api.example.com\", \"https://*.example.org:8443\"]";

/// What `private` may be.
const NETWORKS: &str = "a list of networks, as in [\"10.1.0.0/16\"]";

/// What a time may be.
const SECONDS: &str = "seconds from 0.001 to 3600";

/// What a number may be.
const NUMBER: &str = "a number from 1 to 10000";

/// The most that a number may be.
const MAX_NUMBER: usize = 10_000;

/// What `http-limits` may have.
const LIMITS: &str = "private, concurrency, connections, connect_timeout, first_byte_timeout, between_bytes_timeout or \
                      max_response";

impl GrantReader<'_> {
    /// The entries `http` and `http-limits`, each with its line.
    pub(super) fn http(
        &mut self,
        http: Option<(usize, toml::Value)>,
        limits: Option<(usize, toml::Value)>,
    ) -> Option<HttpEntry> {
        let Some((line, value)) = http else {
            if let Some((line, _)) = limits {
                self.refuse(line, HTTP_LIMITS.to_owned(), GrantEntryError::NothingLimited);
            }
            return None;
        };
        let limits = limits.map_or_else(HttpLimits::default, |(line, value)| self.http_limits(value, line));
        match origins(value) {
            // An empty list grants nothing.
            Ok(patterns) if patterns.is_empty() => None,
            Ok(patterns) => Some(HttpEntry { line, patterns, limits }),
            Err(error) => {
                self.refuse(line, HTTP.to_owned(), error);
                None
            }
        }
    }

    fn http_limits(&mut self, value: toml::Value, line: usize) -> HttpLimits {
        let mut limits = HttpLimits::default();
        let toml::Value::Table(table) = value else {
            let expected = "a table, as in { private = [\"10.1.0.0/16\"] }";
            self.refuse(line, HTTP_LIMITS.to_owned(), GrantEntryError::Type(expected));
            return limits;
        };
        let lines: BTreeMap<String, usize> = lines_in(self.text, &[GRANT, HTTP_LIMITS]);
        for (name, value) in table {
            if let Err(error) = set_limit(&mut limits, &name, value) {
                let line = lines.get(&name).copied().unwrap_or(line);
                self.refuse(line, format!("{HTTP_LIMITS}.{name}"), error);
            }
        }
        limits
    }
}

fn origins(value: toml::Value) -> Result<Vec<OriginPattern>, GrantEntryError> {
    let origin = |text: String| text.parse().map_err(|error| GrantEntryError::Origin(text, error));
    texts(value, ORIGINS)?.into_iter().map(origin).collect()
}

/// The texts of a list.
fn texts(value: toml::Value, expected: &'static str) -> Result<Vec<String>, GrantEntryError> {
    let toml::Value::Array(values) = value else { return Err(GrantEntryError::Type(expected)) };
    if values.len() > MAX_ENTRIES {
        return Err(GrantEntryError::TooMany);
    }
    let text = |value| match value {
        toml::Value::String(text) => Ok(text),
        _ => Err(GrantEntryError::Type(expected)),
    };
    values.into_iter().map(text).collect()
}

fn set_limit(limits: &mut HttpLimits, name: &str, value: toml::Value) -> Result<(), GrantEntryError> {
    match name {
        "private" => {
            let network = |text: String| text.parse().map_err(|error| GrantEntryError::Network(text, error));
            limits.private = texts(value, NETWORKS)?.into_iter().map(network).collect::<Result<Vec<Network>, _>>()?;
        }
        "concurrency" => limits.concurrency = number(&value)?,
        "connections" => limits.connections = number(&value)?,
        "connect_timeout" => limits.connect_timeout = seconds(&value)?,
        "first_byte_timeout" => limits.first_byte_timeout = seconds(&value)?,
        "between_bytes_timeout" => limits.between_bytes_timeout = seconds(&value)?,
        "max_response" => {
            let bytes = value.as_integer().and_then(|bytes| u64::try_from(bytes).ok());
            limits.max_response = bytes.ok_or(GrantEntryError::Type("a number of bytes"))?;
        }
        _ => return Err(GrantEntryError::Type(LIMITS)),
    }
    Ok(())
}

fn number(value: &toml::Value) -> Result<usize, GrantEntryError> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=MAX_NUMBER).contains(number)).ok_or(GrantEntryError::Type(NUMBER))
}

fn seconds(value: &toml::Value) -> Result<Duration, GrantEntryError> {
    let seconds = value.as_float().or_else(|| value.as_integer().map(|seconds| seconds as f64));
    let seconds = seconds.filter(|seconds| (0.001..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(GrantEntryError::Type(SECONDS))
}
