//! What a component may reach beyond its request: what the operator grants to its route, and to no other.
//!
//! ```text
//! [grant] of a route file -> GrantTable -> GrantSources::open -> Grants of a route -> each of its invocations
//! ```
//!
//! Owns the grants of a route or middleware ([`Grants`]), where their secrets and directories come from
//! ([`GrantSources`]), and the warnings about what was denied ([`Denials`]). How `[grant]` is written is known to the
//! route file alone, and how a guest calls what it was granted to the interfaces in `guest`.

mod denials;
mod directory;
mod secrets;
mod sources;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::key_value::KeyValueStore;
use crate::outbound::HttpGrant;
use crate::redaction::{HIDDEN, may_be_secret};
use crate::text::printable;

pub use denials::{Denials, Denied, Remedy};
pub use directory::{DirectoryError, ENTRY_BYTES, GrantedDirectory, NoSpace, SpaceQuota};
pub use secrets::{Secret, SecretError};
pub use sources::{GrantError, GrantReason, GrantSources, StoreSource};
pub use table::{
    DirectoryAccess, DirectoryEntry, GrantKind, GrantTable, HttpEntry, SettingEntry, SettingSource, StoreEntry,
    is_secret_name,
};

/// What the components of one route, or one middleware, may reach.
#[derive(Debug, Default)]
pub struct Grants {
    /// `env`: the variables of `wasi:cli/environment`.
    pub environment: Vec<(String, Setting)>,
    /// `config`: the settings of `wasi:config/store` and of the interface `config`.
    pub config: BTreeMap<String, Setting>,
    /// `http`: the servers that it may call, and the connections to them.
    pub http: Option<Arc<HttpGrant>>,
    /// `files`: the directories of `wasi:filesystem`.
    pub directories: Vec<Arc<GrantedDirectory>>,
    /// `kv`: the stores of `wasi:keyvalue` and of the interface `key-value`.
    pub stores: BTreeMap<String, Arc<KeyValueStore>>,
}

/// A text that the operator gives to a component.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// As it is in the route file.
    Text(Arc<str>),
    /// That of an environment variable of the host.
    Variable {
        /// The variable.
        name: Arc<str>,
        /// Its text, which may be a secret.
        text: Arc<str>,
    },
    /// A secret. Its text changes when secrets are read again.
    Secret(Secret),
}

impl Setting {
    /// The text for the component.
    #[must_use]
    pub fn reveal(&self) -> Arc<str> {
        match self {
            Self::Text(text) | Self::Variable { text, .. } => text.clone(),
            Self::Secret(secret) => secret.reveal(),
        }
    }

    /// As [`fmt::Display`], without a text that may be a secret under this name.
    fn shown_as(&self, name: &str) -> String {
        match self {
            Self::Text(text) if may_be_secret(name, text) => format!("\"{HIDDEN}\""),
            Self::Text(_) | Self::Variable { .. } | Self::Secret(_) => self.to_string(),
        }
    }
}

/// As in a route file. What may be a secret shows its name only.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", printable(text)),
            Self::Variable { name, .. } => write!(f, "{{ from = \"{}\" }}", printable(name)),
            Self::Secret(secret) => write!(f, "{{ secret = \"{}\" }}", secret.name()),
        }
    }
}

/// As [`fmt::Display`], so that no secret is in a panic message.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Grants {
    /// All grants, each as a kind, the name for the component if it has one, and what is granted. What may be a secret shows
    /// its name only.
    pub fn iter(&self) -> impl Iterator<Item = (GrantKind, Option<&str>, String)> {
        let config = self.config.iter().map(|(name, it)| (GrantKind::Config, Some(name.as_str()), it.shown_as(name)));
        let environment =
            self.environment.iter().map(|(name, it)| (GrantKind::Environment, Some(name.as_str()), it.shown_as(name)));
        let files = self.directories.iter().map(|it| (GrantKind::Files, Some(it.guest_path.as_str()), it.to_string()));
        let http = self.http.iter().flat_map(|grant| grant.patterns());
        let http = http.map(|pattern| (GrantKind::Http, None, pattern.to_string()));
        let stores = self.stores.iter().map(|(name, it)| (GrantKind::KeyValue, Some(name.as_str()), it.to_string()));
        config.chain(environment).chain(files).chain(http).chain(stores)
    }
}
