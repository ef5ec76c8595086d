//! A certificate that the host makes for itself, for development.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::load::LoadedCertificate;
use super::{CertificateFiles, covers};

/// How long it is valid: browsers refuse one that is valid for more than 398 days.
const LIFETIME: Duration = Duration::from_secs(365 * 86_400);

/// How long before its end a new one is made.
const RENEWAL: u64 = 30 * 86_400;

/// The names that it is always valid for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate that is its own authority.
#[derive(Debug)]
pub struct SelfSigned {
    key: Arc<CertifiedKey>,
    file: Option<PathBuf>,
}

/// Why none can be made.
#[derive(Debug, Error)]
pub enum SelfSignedError {
    /// A name that the certificate was to be valid for is no valid name.
    #[error("cannot make a certificate for {names}: {error}")]
    Make {
        /// The names.
        names: String,
        /// What is wrong.
        error: String,
    },
}

impl SelfSigned {
    /// The certificate in `directory`, if it is valid for the names of this machine and for `others`. Otherwise a new one,
    /// which is written there, so that a client has to be told only once that it is trusted. If it cannot be written, it is
    /// valid until the host ends.
    ///
    /// # Errors
    /// See [`SelfSignedError`].
    pub fn open(directory: Option<&Path>, others: &[String]) -> Result<Self, SelfSignedError> {
        let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).chain(others.iter().cloned()).collect();
        let files = directory.map(|directory| CertificateFiles {
            certificate: directory.join("localhost.pem"),
            key: directory.join("localhost.key"),
        });
        if let Some(files) = &files
            && let Some(key) = stored(files, &names)
        {
            return Ok(Self { key, file: Some(files.certificate.clone()) });
        }
        let failed = |error: String| SelfSignedError::Make { names: names.join(", "), error };
        let (certificate, pair) = make(&names).map_err(|error| failed(error.to_string()))?;
        let file = directory.zip(files).and_then(|(directory, files)| {
            let stored = store(directory, &files, &certificate.pem(), &pair.serialize_pem());
            let warn = |error: &io::Error| {
                tracing::warn!(target: "server", "cannot keep the certificate of --dev in {}: {error}", directory.display());
            };
            stored.inspect_err(warn).is_ok().then_some(files.certificate)
        });
        let der = PrivateKeyDer::try_from(pair.serialize_der()).map_err(|error| failed(error.to_owned()))?;
        let key = CertifiedKey::from_der(vec![certificate.der().clone()], der, &ring::default_provider());
        Ok(Self { key: Arc::new(key.map_err(|error| failed(error.to_string()))?), file })
    }

    /// The file of the certificate, if it is kept.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The certificate, for a client in Rust that is to trust it.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.key.cert.first().cloned()
    }

    /// The SHA-256 of the certificate, as browsers show it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let der = self.key.cert.first().map(|der| der.to_vec()).unwrap_or_default();
        let hash = ring::default_provider();
        let hash = hash.cipher_suites.iter().find_map(|suite| match suite {
            rustls::SupportedCipherSuite::Tls13(suite) if suite.common.hash_provider.output_len() == 32 => {
                Some(suite.common.hash_provider.hash(&der))
            }
            _ => None,
        });
        let bytes = hash.iter().flat_map(|hash| hash.as_ref().iter());
        bytes.map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    pub(super) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

fn make(names: &[String]) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Vibrato, for development on this machine");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(86_400)).into();
    params.not_after = (now + LIFETIME).into();
    let pair = KeyPair::generate()?;
    Ok((params.self_signed(&pair)?, pair))
}

/// The key that is kept, if it can be used for all of these names for some time.
fn stored(files: &CertificateFiles, names: &[String]) -> Option<Arc<CertifiedKey>> {
    let (loaded, _) = LoadedCertificate::load(files).ok()?;
    let is_valid = loaded.warnings(&files.certificate, SystemTime::now() + Duration::from_secs(RENEWAL)).is_empty();
    (is_valid && names.iter().all(|name| covers(loaded.key(), name))).then(|| loaded.key().clone())
}

fn store(directory: &Path, files: &CertificateFiles, certificate: &str, key: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for (path, text, mode) in [(&files.key, key, 0o600), (&files.certificate, certificate, 0o644)] {
        let new = path.with_extension("new");
        let _ = fs::remove_file(&new);
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, path)?;
    }
    Ok(())
}
