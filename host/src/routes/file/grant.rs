//! The table `[grant]` of a route file: what the operator lets the component reach.

mod http;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::GRANT;
use super::lines::lines_in;
use crate::grants::{
    DirectoryAccess, DirectoryEntry, GrantTable, SettingEntry, SettingSource, StoreEntry, is_secret_name,
};
use crate::key_value::DEFAULT_MAX_STORE_BYTES;
use crate::outbound::{NetworkError, OriginError};
use crate::text::printable;

/// The most entries of each of the tables in `[grant]`.
const MAX_ENTRIES: usize = 128;

/// The longest name of a setting, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The longest name of a store, in bytes.
const MAX_STORE_NAME_BYTES: usize = 128;

/// The longest text of a setting, in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// How much may be written in a directory by default, in bytes.
const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;

const CONFIG: &str = "config";
const ENVIRONMENT: &str = "env";
const FILES: &str = "files";
const HTTP: &str = "http";
const HTTP_LIMITS: &str = "http-limits";
const STORES: &str = "kv";

/// What may be granted.
const KEYS: [&str; 6] = [CONFIG, ENVIRONMENT, FILES, HTTP, HTTP_LIMITS, STORES];

/// What a setting of `config` or `env` may be.
const SETTING: &str = "text, a number or a boolean, { secret = \"NAME\" } or { from = \"VARIABLE\" }";

/// What a directory of `files` may be.
const DIRECTORY: &str =
    "an absolute path, as in \"/srv/data\", or { path = \"/srv/data\", write = true, max_bytes = 1000000 }";

/// What a store of `kv` may be.
const STORE: &str = "the name of a store, as in \"shop\", or { store = \"shop\", write = false, max_bytes = 1000000, shared = true, engine = true }";

/// What is wrong with a grant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GrantEntryError {
    /// There is no such grant.
    #[error("is unknown; expected one of {}", KEYS.join(", "))]
    Unknown,
    /// The value has the wrong type or form.
    #[error("is something else; expected {0}")]
    Type(&'static str),
    /// A table has too many entries.
    #[error("has too many entries; expected {MAX_ENTRIES} at most")]
    TooMany,
    /// The name is none of a setting.
    #[error("has no name for a setting; expected 1 to {MAX_NAME_BYTES} bytes without control characters and `=`")]
    Name,
    /// The text is too long, or cannot be in an environment.
    #[error("has no text for a setting; expected at most {MAX_TEXT_BYTES} bytes without the character NUL")]
    Text,
    /// The name is none of a secret.
    #[error("names `{}` as its secret; expected letters, digits, `_`, `-` and `.`, as in \"stripe\"", printable(.0))]
    Secret(String),
    /// The path in the component is not absolute, or not in its shortest form.
    #[error("has no path for the component; expected an absolute path without `.` and `..`, as in \"/data\"")]
    GuestPath,
    /// The name is none of a store.
    #[error("names `{}` as its store; expected 1 to 128 bytes without control characters, as in \"shop\"", printable(.0))]
    Store(String),
    /// The path on this machine is not absolute.
    #[error("has the path `{}`; expected an absolute path, as in \"/srv/data\"", printable(.0))]
    Relative(String),
    /// An entry of `http` is no origin.
    #[error("has the origin `{}`, which {}", printable(.0), .1)]
    Origin(String, OriginError),
    /// An entry of `private` is no network.
    #[error("has the network `{}`, which {}", printable(.0), .1)]
    Network(String, NetworkError),
    /// There are limits of nothing.
    #[error("limits nothing, because there is no `http`")]
    NothingLimited,
}

/// A mistake in a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantMistake {
    /// Where it is. Lines count from 1.
    pub line: usize,
    /// The name of the grant, as in `config.theme`.
    pub name: String,
    /// What is wrong with it.
    pub error: GrantEntryError,
}

/// Reads the table of a file, which begins in `line`. `text` is the whole file, for the lines of its entries.
///
/// # Errors
/// All mistakes, in the order of their lines.
pub fn read(text: &str, table: toml::Table, line: usize) -> Result<GrantTable, Vec<GrantMistake>> {
    let mut reader = GrantReader { text, errors: Vec::new() };
    let lines = lines_in(text, &[GRANT]);
    let mut grant = GrantTable::default();
    let (mut http, mut http_limits) = (None, None);
    for (key, value) in table {
        let line = lines.get(&key).copied().unwrap_or(line);
        match (key.as_str(), value) {
            (CONFIG, toml::Value::Table(entries)) => grant.config = reader.settings(CONFIG, entries, line),
            (ENVIRONMENT, toml::Value::Table(entries)) => {
                grant.environment = reader.settings(ENVIRONMENT, entries, line)
            }
            (FILES, toml::Value::Table(entries)) => grant.files = reader.directories(entries, line),
            (HTTP, value) => http = Some((line, value)),
            (HTTP_LIMITS, value) => http_limits = Some((line, value)),
            (STORES, toml::Value::Table(entries)) => grant.stores = reader.stores(entries, line),
            (STORES, _) => {
                reader.refuse(line, key, GrantEntryError::Type("a table, as in { \"\" = \"shop\" }"));
            }
            (CONFIG | ENVIRONMENT, _) => {
                reader.refuse(line, key, GrantEntryError::Type("a table, as in { theme = \"dark\" }"));
            }
            (FILES, _) => {
                reader.refuse(line, key, GrantEntryError::Type("a table, as in { \"/data\" = \"/srv/data\" }"));
            }
            _ => reader.refuse(line, key, GrantEntryError::Unknown),
        }
    }
    grant.http = reader.http(http, http_limits);
    // Tables are sorted by their keys: a person reads from the top.
    reader.errors.sort_by_key(|mistake| mistake.line);
    if reader.errors.is_empty() { Ok(grant) } else { Err(reader.errors) }
}

/// The table while it is read, with the mistakes so far.
struct GrantReader<'t> {
    text: &'t str,
    errors: Vec<GrantMistake>,
}

impl GrantReader<'_> {
    fn refuse(&mut self, line: usize, name: String, error: GrantEntryError) {
        self.errors.push(GrantMistake { line, name, error });
    }

    /// Reads each entry of a table, whose mistakes are reported by its name.
    fn entries<T>(
        &mut self,
        table: &str,
        entries: toml::Table,
        line: usize,
        read: impl Fn(&str, toml::Value, usize) -> Result<T, GrantEntryError>,
    ) -> Vec<T> {
        if entries.len() > MAX_ENTRIES {
            self.refuse(line, table.to_owned(), GrantEntryError::TooMany);
            return Vec::new();
        }
        let lines: BTreeMap<String, usize> = lines_in(self.text, &[GRANT, table]);
        let mut all = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let line = lines.get(&name).copied().unwrap_or(line);
            match read(&name, value, line) {
                Ok(entry) => all.push(entry),
                Err(error) => self.refuse(line, format!("{table}.{name}"), error),
            }
        }
        all
    }

    fn settings(&mut self, table: &str, entries: toml::Table, line: usize) -> Vec<SettingEntry> {
        let mut entries = self.entries(table, entries, line, |name, value, line| {
            let is_name =
                (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(|it: char| it.is_control() || it == '=');
            if !is_name {
                return Err(GrantEntryError::Name);
            }
            Ok(SettingEntry { line, name: name.to_owned(), source: source(value)? })
        });
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    fn stores(&mut self, entries: toml::Table, line: usize) -> Vec<StoreEntry> {
        let mut entries = self.entries(STORES, entries, line, store);
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    fn directories(&mut self, entries: toml::Table, line: usize) -> Vec<DirectoryEntry> {
        let mut entries = self.entries(FILES, entries, line, |guest_path, value, line| {
            if !is_guest_path(guest_path) {
                return Err(GrantEntryError::GuestPath);
            }
            let (path, access) = directory(value)?;
            if !Path::new(&path).is_absolute() {
                return Err(GrantEntryError::Relative(path));
            }
            Ok(DirectoryEntry { line, guest_path: guest_path.to_owned(), path: PathBuf::from(path), access })
        });
        entries.sort_by(|one, other| one.guest_path.cmp(&other.guest_path));
        entries
    }
}

/// A store, by the name that the component gives it.
fn store(name: &str, value: toml::Value, line: usize) -> Result<StoreEntry, GrantEntryError> {
    let wrong = || GrantEntryError::Type(STORE);
    if name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(GrantEntryError::Name);
    }
    let mut table = match value {
        toml::Value::String(store) => toml::Table::from_iter([("store".to_owned(), toml::Value::String(store))]),
        toml::Value::Table(table) => table,
        _ => return Err(wrong()),
    };
    let Some(toml::Value::String(store)) = table.remove("store") else { return Err(wrong()) };
    let mut boolean = |key: &str, default| match table.remove(key) {
        None => Ok(default),
        Some(toml::Value::Boolean(value)) => Ok(value),
        Some(_) => Err(wrong()),
    };
    let (can_write, is_shared) = (boolean("write", true)?, boolean("shared", false)?);
    let is_at_engine = boolean("engine", false)?;
    let max_bytes = match table.remove("max_bytes") {
        None => DEFAULT_MAX_STORE_BYTES,
        Some(toml::Value::Integer(bytes)) if can_write => u64::try_from(bytes).map_err(|_| wrong())?,
        Some(_) => return Err(wrong()),
    };
    if !table.is_empty() {
        return Err(wrong());
    }
    if !(1..=MAX_STORE_NAME_BYTES).contains(&store.len()) || store.contains(char::is_control) {
        return Err(GrantEntryError::Store(store));
    }
    Ok(StoreEntry { line, name: name.to_owned(), store, can_write, max_bytes, is_shared, is_at_engine })
}

/// Where the text of a setting comes from.
fn source(value: toml::Value) -> Result<SettingSource, GrantEntryError> {
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Table(table) => return named_source(table),
        toml::Value::Array(_) | toml::Value::Datetime(_) => return Err(GrantEntryError::Type(SETTING)),
    };
    if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
        return Err(GrantEntryError::Text);
    }
    Ok(SettingSource::Text(text))
}

/// `{ secret = "NAME" }` or `{ from = "VARIABLE" }`.
fn named_source(table: toml::Table) -> Result<SettingSource, GrantEntryError> {
    let mut keys = table.into_iter();
    match (keys.next(), keys.next()) {
        (Some((key, toml::Value::String(name))), None) if key == "secret" => match is_secret_name(&name) {
            true => Ok(SettingSource::Secret(name)),
            false => Err(GrantEntryError::Secret(name)),
        },
        (Some((key, toml::Value::String(name))), None) if key == "from" && is_variable(&name) => {
            Ok(SettingSource::Variable(name))
        }
        _ => Err(GrantEntryError::Type(SETTING)),
    }
}

/// Whether the system can be asked for an environment variable of this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// The path of a directory on this machine, and what may be done there.
fn directory(value: toml::Value) -> Result<(String, DirectoryAccess), GrantEntryError> {
    let wrong = || GrantEntryError::Type(DIRECTORY);
    let mut table = match value {
        toml::Value::String(path) => return Ok((path, DirectoryAccess::Read)),
        toml::Value::Table(table) => table,
        _ => return Err(wrong()),
    };
    let Some(toml::Value::String(path)) = table.remove("path") else { return Err(wrong()) };
    let write = match table.remove("write") {
        None => false,
        Some(toml::Value::Boolean(write)) => write,
        Some(_) => return Err(wrong()),
    };
    let max_bytes = match table.remove("max_bytes") {
        None => DEFAULT_MAX_BYTES,
        Some(toml::Value::Integer(bytes)) if write => u64::try_from(bytes).map_err(|_| wrong())?,
        Some(_) => return Err(wrong()),
    };
    let access = if write { DirectoryAccess::Write { max_bytes } } else { DirectoryAccess::Read };
    if table.is_empty() { Ok((path, access)) } else { Err(wrong()) }
}

/// Whether a path is absolute, and each of its segments a name.
fn is_guest_path(path: &str) -> bool {
    let mut components = Path::new(path).components();
    let is_absolute = components.next() == Some(Component::RootDir);
    let is_short = path == "/" || path.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
    is_absolute && is_short && !path.contains(char::is_control) && path.len() <= MAX_NAME_BYTES
}
