//! What `[grant]` of a route file says, checked in form. Nothing is opened or read yet.

use std::path::PathBuf;

use crate::outbound::{HttpLimits, OriginPattern};

/// The longest name of a secret, in bytes.
const MAX_SECRET_NAME_BYTES: usize = 128;

/// The table `[grant]` of a route file. Lines count from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantTable {
    /// `env`, sorted by name.
    pub environment: Vec<SettingEntry>,
    /// `config`, sorted by name.
    pub config: Vec<SettingEntry>,
    /// `files`, sorted by the path in the guest.
    pub files: Vec<DirectoryEntry>,
    /// `http` and `http-limits`, if there is `http`.
    pub http: Option<HttpEntry>,
    /// `kv`, sorted by the name for the component.
    pub stores: Vec<StoreEntry>,
}

/// The entries `http` and `http-limits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEntry {
    /// Where `http` is.
    pub line: usize,
    /// Who may be reached.
    pub patterns: Vec<OriginPattern>,
    /// Within which limits.
    pub limits: HttpLimits,
}

/// A named text of `env` or `config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingEntry {
    /// Where it is.
    pub line: usize,
    /// What the component calls it.
    pub name: String,
    /// Where its text comes from.
    pub source: SettingSource,
}

/// Where the text of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    /// The route file has it.
    Text(String),
    /// This environment variable of the host: `{ from = "NAME" }`.
    Variable(String),
    /// The secret of this name: `{ secret = "NAME" }`.
    Secret(String),
}

/// A directory of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Where it is.
    pub line: usize,
    /// The absolute path that the component sees.
    pub guest_path: String,
    /// The absolute path on this machine.
    pub path: PathBuf,
    /// What the component may do there.
    pub access: DirectoryAccess,
}

/// What a component may do in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryAccess {
    /// Read.
    Read,
    /// Read and write, while all that is there takes at most this many bytes.
    Write {
        /// The bytes. Each file and directory counts 4096 bytes beside what it has.
        max_bytes: u64,
    },
}

/// A store of `kv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// Where it is.
    pub line: usize,
    /// What the component calls it.
    pub name: String,
    /// What the operator calls it.
    pub store: String,
    /// Whether the component may change it.
    pub can_write: bool,
    /// How much it may hold, in bytes.
    pub max_bytes: u64,
    /// Whether it is that of all routes that share it, and not of this route alone.
    pub is_shared: bool,
    /// Whether it is at the engine, and that of all hosts with the same engine.
    pub is_at_engine: bool,
}

/// The kinds of what can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// `config`
    Config,
    /// `env`
    Environment,
    /// `files`
    Files,
    /// `http`
    Http,
    /// `kv`
    KeyValue,
}

impl GrantKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Config, Self::Environment, Self::Files, Self::Http, Self::KeyValue];

    /// Whether the standard library of a language imports its interfaces, needed or not.
    #[must_use]
    pub fn is_of_language(self) -> bool {
        match self {
            Self::Environment | Self::Files => true,
            Self::Config | Self::Http | Self::KeyValue => false,
        }
    }

    /// Its key in `[grant]`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Environment => "env",
            Self::Files => "files",
            Self::Http => "http",
            Self::KeyValue => "kv",
        }
    }
}

impl GrantTable {
    /// The kinds that are granted, each with its first line.
    #[must_use]
    pub fn kinds(&self) -> Vec<(GrantKind, usize)> {
        let Self { environment, config, files, http, stores } = self;
        let first_of = |entries: &[SettingEntry]| entries.iter().map(|entry| entry.line).min();
        let lines = [
            (GrantKind::Config, first_of(config)),
            (GrantKind::Environment, first_of(environment)),
            (GrantKind::Files, files.iter().map(|entry| entry.line).min()),
            (GrantKind::Http, http.as_ref().map(|entry| entry.line)),
            (GrantKind::KeyValue, stores.iter().map(|entry| entry.line).min()),
        ];
        lines.into_iter().filter_map(|(kind, line)| Some((kind, line?))).collect()
    }

    /// Whether it grants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty()
    }
}

/// Whether a name can be one of a secret: letters, digits, `_`, `-` and `.`, not first a `.`, and 128 bytes at most. So
/// it names a file in the directory of secrets and no other.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    (1..=MAX_SECRET_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_secret_is_one_file_of_the_directory() {
        for (name, is_name) in [
            ("stripe", true),
            ("a.b-c_1", true),
            ("", false),
            (".", false),
            ("..", false),
            (".a", false),
            ("a/b", false),
        ] {
            assert_eq!(is_secret_name(name), is_name, "{name}");
        }
    }
}
