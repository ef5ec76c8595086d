//! TLS to other servers: the roots that are trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::{OnceCell, oneshot};

use super::failure::UpstreamFailure;

/// How many sessions of a route can be resumed.
const MAX_SESSIONS: usize = 64;

/// Why a file of certificates cannot be used.
#[derive(Debug, Error)]
pub enum CaError {
    /// It cannot be read.
    #[error("cannot read the certificates in {}: {error}", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// It is not in the PEM form.
    #[error("the certificates in {} are not in the PEM form: {error}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// It has no certificate, or one that is no root.
    #[error("{} has no certificate of an authority", .path.display())]
    NoRoot {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the certificates of authorities from a PEM file.
///
/// # Errors
/// See [`CaError`].
pub fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let bytes = std::fs::read(path).map_err(|error| CaError::Unread { path: path.to_owned(), error })?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| CaError::Pem { path: path.to_owned(), error })?;
    let mut roots = RootCertStore::empty();
    let are_roots = certificates.iter().all(|certificate| roots.add(certificate.clone()).is_ok());
    match are_roots && !certificates.is_empty() {
        true => Ok(certificates),
        false => Err(CaError::NoRoot { path: path.to_owned() }),
    }
}

/// What is trusted. The system's roots are read at the first request with TLS.
#[derive(Debug, Default)]
pub(super) struct Trust {
    added: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn new(added: Vec<CertificateDer<'static>>) -> Self {
        Self { added, config: OnceCell::new() }
    }

    /// The configuration of a client that resumes no session of another.
    pub(super) async fn client(&self) -> Result<Arc<ClientConfig>, UpstreamFailure> {
        let config = self.config.get_or_try_init(|| async {
            let (made, config) = oneshot::channel();
            let added = self.added.clone();
            // It reads a hundred files or more.
            let thread = std::thread::Builder::new().name("roots".to_owned());
            let spawned = thread.spawn(move || drop(made.send(client_config(added))));
            spawned.map_err(|error| UpstreamFailure::Internal(error.to_string()))?;
            config.await.map_err(|error| UpstreamFailure::Internal(error.to_string()))?
        });
        let mut config = ClientConfig::clone(&**config.await?);
        config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        Ok(Arc::new(config))
    }
}

fn client_config(added: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, UpstreamFailure> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(target: "server", "cannot read some of the system's certificates: {error}");
    }
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(added);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| UpstreamFailure::Internal(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
