//! Opens what route files grant: reads secrets and variables, and opens directories.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::directory::{DirectoryError, ForbiddenDirectory, GrantedDirectory};
use super::secrets::{SecretError, Secrets};
use super::table::{DirectoryEntry, GrantKind, GrantTable, HttpEntry, SettingEntry, SettingSource, StoreEntry};
use super::{Grants, Setting};
use crate::key_value::{KeyValueBackend, KeyValueStore, StoreName};
use crate::outbound::{HttpGrant, UpstreamClient};
use crate::text::printable;

/// Where grants come from. By default the host has no secrets, and grants what a route file says.
#[derive(Debug, Default)]
pub struct GrantSources {
    /// Whether every grant is an error.
    forbids_all: bool,
    secrets: Secrets,
    /// The host's own directories.
    forbidden: Vec<ForbiddenDirectory>,
    /// What the requests of all routes to other servers share.
    upstream_client: Arc<UpstreamClient>,
    stores: StoreSource,
    /// The stores that all hosts with the same engine share.
    engine_stores: StoreSource,
}

/// Where key-value stores are.
#[derive(Debug, Clone, Default)]
pub enum StoreSource {
    /// Nowhere: the host has no state directory, or no engine.
    #[default]
    Nowhere,
    /// In a state directory that is not opened, as another process may have it, or at an engine that is not connected: for
    /// commands that only inspect.
    NotOpen,
    /// There.
    Open(Arc<dyn KeyValueBackend>),
}

/// A grant that cannot be given.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub struct GrantError {
    /// Its line in the route file, from 1.
    pub line: usize,
    /// Why.
    #[source]
    pub reason: GrantReason,
}

/// Why a grant cannot be given.
#[derive(Debug, Error)]
pub enum GrantReason {
    /// The host grants nothing.
    #[error("this host grants nothing: it was started with --no-grants")]
    ForbidsAll,
    /// A secret cannot be read.
    #[error("the grant `{}` needs the secret `{secret}`: {error}", printable(.name))]
    Secret {
        /// The setting, as in `config.key`.
        name: String,
        /// The name of the secret.
        secret: String,
        /// Why.
        error: SecretError,
    },
    /// An environment variable of the host is not set, or not text.
    #[error("the grant `{}` is from the environment variable `{}`, which the host does not have as text", printable(.name), printable(.variable))]
    Variable {
        /// The setting, as in `config.key`.
        name: String,
        /// The name of the variable.
        variable: String,
    },
    /// The host has no place for key-value stores.
    #[error("the store `{}` needs a state directory, and the host has none", printable(.0))]
    NoState(String),
    /// The host has no engine.
    #[error("the store `{}` needs an engine, and the host has none", printable(.0))]
    NoEngine(String),
    /// A directory cannot be opened or granted.
    #[error("the directory {} {error}", printable(&.path.display().to_string()))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: DirectoryError,
    },
}

impl GrantReason {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ForbidsAll => "remove the table `[grant]`, or start the host without --no-grants",
            Self::Secret { error: SecretError::NoDirectory, .. } => "name the directory of secrets with --secrets",
            Self::Secret { error: SecretError::Unread { .. }, .. } => "put a readable file of that name there",
            Self::Secret { error: SecretError::NotText(_), .. } => "encode it, with base64 for example",
            Self::Variable { .. } => "set it when the host is started",
            Self::NoState(_) => "name a directory that the host may write with --state",
            Self::NoEngine(_) => "name a server of Redis or Valkey with --engine, or leave out `engine = true`",
            Self::Directory { error: DirectoryError::Forbidden(_), .. } => {
                "grant a directory that is apart from those of the host and the system"
            }
            Self::Directory { .. } => "make it, or name another",
        }
    }
}

impl GrantSources {
    /// Sources that grant nothing: every grant is an error.
    #[must_use]
    pub fn none() -> Self {
        Self { forbids_all: true, ..Self::default() }
    }

    /// Sources with the secrets of a directory.
    #[must_use]
    pub fn with_secrets(mut self, directory: Option<PathBuf>) -> Self {
        if let Some(directory) = &directory {
            self.forbid("the secrets directory", directory.clone());
        }
        self.secrets = Secrets::new(directory);
        self
    }

    /// Sources whose routes send their requests to other servers by this client.
    #[must_use]
    pub fn with_upstream_client(self, client: UpstreamClient) -> Self {
        Self { upstream_client: Arc::new(client), ..self }
    }

    /// Sources whose key-value stores are in this backend.
    #[must_use]
    pub fn with_stores(self, stores: StoreSource) -> Self {
        Self { stores, ..self }
    }

    /// Sources whose stores with `engine = true` are in this backend.
    #[must_use]
    pub fn with_engine_stores(self, engine_stores: StoreSource) -> Self {
        Self { engine_stores, ..self }
    }

    /// Lets nobody grant a directory of the host. `what` says what it is, as in "the routes directory".
    pub fn forbid(&mut self, what: &'static str, path: PathBuf) {
        self.forbidden.push(ForbiddenDirectory { what, path });
    }

    /// Reads all secrets that are in use again.
    pub fn reload(&self) {
        self.secrets.reload();
    }

    /// Opens what the route file of `route` grants. `None` if it grants nothing. What is shared by name is that of the site
    /// `site`; `None` is the default site.
    ///
    /// # Errors
    /// All grants that cannot be given.
    pub fn open(
        &self,
        route: &str,
        site: Option<&str>,
        table: &GrantTable,
    ) -> Result<Option<Arc<Grants>>, Vec<GrantError>> {
        if table.is_empty() {
            return Ok(None);
        }
        let GrantTable { environment, config, files, http, stores } = table;
        if self.forbids_all {
            let line = table.kinds().into_iter().map(|(_, line)| line).min().unwrap_or(1);
            return Err(vec![GrantError { line, reason: GrantReason::ForbidsAll }]);
        }
        let mut errors = Vec::new();
        let environment =
            collect(environment.iter().map(|entry| self.setting(GrantKind::Environment, entry)), &mut errors);
        let config = collect(config.iter().map(|entry| self.setting(GrantKind::Config, entry)), &mut errors);
        let directories = collect(files.iter().map(|entry| self.directory(entry)), &mut errors);
        let stores = collect(stores.iter().map(|entry| self.store(route, site, entry)), &mut errors);
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.line);
            return Err(errors);
        }
        let http = http.as_ref().map(|HttpEntry { patterns, limits, .. }| {
            HttpGrant::new(self.upstream_client.clone(), patterns.clone(), limits.clone())
        });
        let (config, stores) = (config.into_iter().collect(), stores.into_iter().collect());
        Ok(Some(Arc::new(Grants { environment, config, directories, http, stores })))
    }

    fn setting(&self, kind: GrantKind, entry: &SettingEntry) -> Result<(String, Setting), GrantError> {
        let SettingEntry { line, name, source } = entry;
        let in_file = || format!("{}.{name}", kind.key());
        let setting = match source {
            SettingSource::Text(text) => Ok(Setting::Text(text.as_str().into())),
            SettingSource::Variable(variable) => match std::env::var(variable) {
                Ok(text) => Ok(Setting::Variable { name: variable.as_str().into(), text: text.into() }),
                Err(_) => Err(GrantReason::Variable { name: in_file(), variable: variable.clone() }),
            },
            SettingSource::Secret(secret) => match self.secrets.get(secret) {
                Ok(secret) => Ok(Setting::Secret(secret)),
                Err(error) => Err(GrantReason::Secret { name: in_file(), secret: secret.clone(), error }),
            },
        };
        setting.map(|setting| (name.clone(), setting)).map_err(|reason| GrantError { line: *line, reason })
    }

    fn store(
        &self,
        route: &str,
        site: Option<&str>,
        entry: &StoreEntry,
    ) -> Result<(String, Arc<KeyValueStore>), GrantError> {
        let StoreEntry { line, name, store, can_write, max_bytes, is_shared, is_at_engine } = entry;
        let (source, missing): (_, fn(String) -> GrantReason) = match is_at_engine {
            true => (&self.engine_stores, GrantReason::NoEngine),
            false => (&self.stores, GrantReason::NoState),
        };
        let backend = match source {
            StoreSource::Nowhere => return Err(GrantError { line: *line, reason: missing(store.clone()) }),
            StoreSource::NotOpen => None,
            StoreSource::Open(backend) => Some(backend.clone()),
        };
        let of_host = match (is_shared, site) {
            (true, Some(site)) => StoreName::shared_in(site, store),
            (true, None) => StoreName::shared(store),
            (false, _) => StoreName::of_route(route, store),
        };
        let granted = KeyValueStore::new(backend, of_host, *max_bytes, *can_write);
        Ok((name.clone(), Arc::new(if *is_at_engine { granted.at_engine() } else { granted })))
    }

    fn directory(&self, entry: &DirectoryEntry) -> Result<Arc<GrantedDirectory>, GrantError> {
        let DirectoryEntry { line, guest_path, path, access } = entry;
        let opened = GrantedDirectory::open(guest_path, path, *access, &self.forbidden);
        let reason = |error| GrantReason::Directory { path: path.clone(), error };
        opened.map(Arc::new).map_err(|error| GrantError { line: *line, reason: reason(error) })
    }
}

/// Separates what could be opened from what could not.
fn collect<T>(opened: impl Iterator<Item = Result<T, GrantError>>, errors: &mut Vec<GrantError>) -> Vec<T> {
    opened.filter_map(|opened| opened.map_err(|error| errors.push(error)).ok()).collect()
}
