//! Opens what route files grant: reads secrets and variables, and opens directories.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::directory::{DirectoryError, ForbiddenDirectory, GrantedDirectory};
use super::secrets::{SecretError, Secrets};
use super::table::{DirectoryEntry, GrantTable, HttpEntry, SettingEntry, SettingSource};
use super::{Grants, Setting};
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
        /// The name of the setting.
        name: String,
        /// The name of the secret.
        secret: String,
        /// Why.
        error: SecretError,
    },
    /// An environment variable of the host is not set, or not text.
    #[error("the grant `{}` is from the environment variable `{}`, which the host does not have as text", printable(.name), printable(.variable))]
    Variable {
        /// The name of the setting.
        name: String,
        /// The name of the variable.
        variable: String,
    },
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

    /// Lets nobody grant a directory of the host. `what` says what it is, as in "the routes directory".
    pub fn forbid(&mut self, what: &'static str, path: PathBuf) {
        self.forbidden.push(ForbiddenDirectory { what, path });
    }

    /// Reads all secrets that are in use again.
    pub fn reload(&self) {
        self.secrets.reload();
    }

    /// Opens what a route file grants. `None` if it grants nothing.
    ///
    /// # Errors
    /// All grants that cannot be given.
    pub fn open(&self, table: &GrantTable) -> Result<Option<Arc<Grants>>, Vec<GrantError>> {
        if table.is_empty() {
            return Ok(None);
        }
        let GrantTable { environment, config, files, http } = table;
        if self.forbids_all {
            let line = table.kinds().into_iter().map(|(_, line)| line).min().unwrap_or(1);
            return Err(vec![GrantError { line, reason: GrantReason::ForbidsAll }]);
        }
        let mut errors = Vec::new();
        let environment = collect(environment.iter().map(|entry| self.setting(entry)), &mut errors);
        let config = collect(config.iter().map(|entry| self.setting(entry)), &mut errors);
        let directories = collect(files.iter().map(|entry| self.directory(entry)), &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let http = http.as_ref().map(|HttpEntry { patterns, limits, .. }| {
            HttpGrant::new(self.upstream_client.clone(), patterns.clone(), limits.clone())
        });
        Ok(Some(Arc::new(Grants { environment, config: config.into_iter().collect(), directories, http })))
    }

    fn setting(&self, SettingEntry { line, name, source }: &SettingEntry) -> Result<(String, Setting), GrantError> {
        let setting = match source {
            SettingSource::Text(text) => Ok(Setting::Text(text.as_str().into())),
            SettingSource::Variable(variable) => match std::env::var(variable) {
                Ok(text) => Ok(Setting::Variable { name: variable.as_str().into(), text: text.into() }),
                Err(_) => Err(GrantReason::Variable { name: name.clone(), variable: variable.clone() }),
            },
            SettingSource::Secret(secret) => match self.secrets.get(secret) {
                Ok(secret) => Ok(Setting::Secret(secret)),
                Err(error) => Err(GrantReason::Secret { name: name.clone(), secret: secret.clone(), error }),
            },
        };
        setting.map(|setting| (name.clone(), setting)).map_err(|reason| GrantError { line: *line, reason })
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
