//! Why a component of a registry is not there.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::digest::ContentDigest;
use super::manifest::ManifestError;
use super::signature::SignatureError;
use crate::outbound::UpstreamFailure;

/// Why a component of a registry cannot be fetched, read or pushed. It has no credentials in it.
#[derive(Debug, Clone, Error)]
pub enum OciError {
    /// There is no response.
    #[error("the registry {registry} gives no answer: {failure}")]
    NoResponse {
        /// The host of the registry, or of the server that it has named.
        registry: String,
        /// Why there is none.
        failure: UpstreamFailure,
    },
    /// It takes too long.
    #[error("the registry has taken longer than {0:?}")]
    Late(Duration),
    /// There is nothing of that name.
    #[error("the registry {registry} has nothing of that name: {what}")]
    NotFound {
        /// The host of the registry.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// The registry wants credentials, and there are none.
    #[error("the registry {registry} asks who the host is, and {config} has no credentials for it")]
    NoCredentials {
        /// The host of the registry.
        registry: String,
        /// The file that was looked in.
        config: String,
    },
    /// The credentials do not suffice.
    #[error("the registry {0} refuses the credentials")]
    Refused(String),
    /// The credentials cannot be read.
    #[error("the credentials for {registry} cannot be read: {reason}")]
    Credentials {
        /// The host of the registry.
        registry: String,
        /// Why.
        reason: String,
    },
    /// The status says that it failed.
    #[error("the registry {registry} answers with the status {status}")]
    Status {
        /// The host of the registry.
        registry: String,
        /// The status.
        status: u16,
    },
    /// The response makes no sense.
    #[error("the registry {registry} answers with {what}")]
    Nonsense {
        /// The host of the registry.
        registry: String,
        /// What is wrong with the response.
        what: &'static str,
    },
    /// It redirects to where no request may go.
    #[error("the registry sends requests on to {0}, which is without TLS")]
    Plain(String),
    /// The bytes are not those of the digest.
    #[error("the bytes of {digest} {place} are others than its digest says")]
    Altered {
        /// The digest.
        digest: ContentDigest,
        /// Where they are.
        place: &'static str,
    },
    /// It is no component.
    #[error("the manifest is not that of a component: {0}")]
    Manifest(#[from] ManifestError),
    /// It is not signed as it has to be.
    #[error("its signature is not accepted: {0}")]
    Signature(#[from] SignatureError),
    /// It was not fetched yet.
    #[error("it was not fetched yet")]
    NotFetched,
    /// There is no directory for what is fetched.
    #[error("there is no cache directory to keep components of registries in")]
    NoCache,
    /// The directory cannot be used.
    #[error("the cache directory {} cannot be used: {reason}", .directory.display())]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file cannot be written or read.
    #[error("the cache of components cannot be used: {0}")]
    Io(Arc<io::Error>),
}

impl From<io::Error> for OciError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl OciError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoResponse { failure: UpstreamFailure::Certificate(_), .. } => {
                "give the certificate of its authority with --ca"
            }
            Self::NoResponse { .. } | Self::Late(_) | Self::Status { .. } | Self::Nonsense { .. } => {
                "look whether the registry is there; it is asked again by itself"
            }
            Self::NotFound { .. } => "correct `component`, or push the component with `host push`",
            Self::NoCredentials { .. } => {
                "log in with `docker login`, or name the directory of config.json in DOCKER_CONFIG"
            }
            Self::Refused(_) => "log in again with `docker login`, as a user who may do that",
            Self::Credentials { .. } => "correct config.json, or let it have the credentials in `auths`",
            Self::Plain(_) => "if that is meant, name the host with --oci-insecure",
            Self::Altered { .. } => "look at the disk and the registry; it is fetched again by itself",
            Self::Manifest(_) => "push a component, as with `host push`",
            Self::Signature(error) => error.remedy(),
            Self::NotFetched => "wait: it is being fetched",
            Self::NoCache => "name one with --cache-dir, and leave out --no-cache",
            Self::Cache { .. } | Self::Io(_) => {
                "make the directory writable for this user alone, or name another with --cache-dir"
            }
        }
    }

    /// Whether the registry has given no answer that says something of the component.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::NoResponse { .. } | Self::Late(_) | Self::Nonsense { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
