//! Reading a certificate and its key.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::CertificateFiles;
use super::validity::Validity;
use super::x509;

/// The most bytes of a file.
const MAX_FILE: u64 = 1024 * 1024;

/// How long before its end a certificate is warned of: authorities renew it earlier.
const EXPIRES_SOON: u64 = 7 * 86_400;

/// The permission of everybody to read a file.
pub(super) const READABLE_BY_ALL: u32 = 0o004;

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// There is no certificate at all.
    #[error("there is no certificate; give one with --tls-cert FILE and --tls-key FILE")]
    NoneGiven,
    /// A file cannot be read.
    #[error("cannot read {}: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A file has no certificate.
    #[error("{} has no certificate; it has to be PEM, with a line -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate is not one.
    #[error("the certificate in {} cannot be used: {reason}", .file.display())]
    BadCertificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file has no key.
    #[error("{} has no private key; it has to be PEM, with a line -----BEGIN PRIVATE KEY-----", .0.display())]
    NoKey(PathBuf),
    /// A key has a passphrase.
    #[error("the private key in {file} is encrypted; write it without a passphrase: openssl pkey -in {file} -out NEW", file = .0.display())]
    EncryptedKey(PathBuf),
    /// A key is not one, or of a kind that is not supported.
    #[error("the private key in {} cannot be used; it has to be RSA, ECDSA (P-256 or P-384) or Ed25519: {reason}", .file.display())]
    BadKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is that of another certificate.
    #[error(
        "the private key in {} does not fit the certificate in {}; give the key that the certificate was made for, and the \
         certificate of the server first if the file has several", .key.display(), .certificate.display()
    )]
    OtherKey {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl CertificateError {
    /// Whether a file is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// What is wrong with a certificate that is used all the same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateWarning {
    /// Clients refuse it.
    #[error("the certificate in {} has expired on {at}; clients refuse it until it is renewed", .file.display())]
    Expired {
        /// The file.
        file: PathBuf,
        /// When.
        at: String,
    },
    /// Clients will refuse it soon.
    #[error("the certificate in {} expires on {at}; renew it", .file.display())]
    ExpiresSoon {
        /// The file.
        file: PathBuf,
        /// When.
        at: String,
    },
    /// Clients refuse it until then.
    #[error("the certificate in {} is valid from {at} on; clients refuse it until then, if the clock of this machine is right", .file.display())]
    NotYetValid {
        /// The file.
        file: PathBuf,
        /// When.
        at: String,
    },
    /// It is valid for no host name or address.
    #[error("the certificate in {} names no host; clients refuse it: it needs a subjectAltName", .0.display())]
    NoNames(PathBuf),
    /// Others can read the key.
    #[error("everybody on this machine can read the private key in {file}; say chmod 600 {file}", file = .0.display())]
    ReadableKey(PathBuf),
}

/// A certificate with its key.
#[derive(Debug)]
pub(super) struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    validity: Option<Validity>,
}

impl LoadedCertificate {
    pub(super) fn new(key: Arc<CertifiedKey>) -> Self {
        let der = key.cert.first();
        let names = der.map(x509::dns_names).unwrap_or_default();
        let validity = der.and_then(|der| Validity::of(der));
        Self { key, names, validity }
    }

    /// Reads the files of one certificate.
    pub(super) fn load(files: &CertificateFiles) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        let chain = read_chain(&files.certificate)?;
        let (key, is_readable) = read_key(&files.key)?;
        let provider = ring::default_provider();
        let loaded = provider.key_provider.load_private_key(key);
        let key = loaded.map_err(|error| bad_key(&files.key, &error))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::OtherKey { certificate: files.certificate.clone(), key: files.key.clone() }
            }
            error => CertificateError::BadCertificate { file: files.certificate.clone(), reason: error.to_string() },
        })?;
        let certificate = Self::new(Arc::new(certified));
        let mut warnings = certificate.warnings(&files.certificate, SystemTime::now());
        if is_readable {
            warnings.push(CertificateWarning::ReadableKey(files.key.clone()));
        }
        Ok((certificate, warnings))
    }

    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The host names that it is valid for.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// From when until when it is valid. `None` if that cannot be read.
    pub(super) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// When it ends.
    pub(super) fn expires(&self) -> Option<String> {
        self.validity.as_ref().map(Validity::ends)
    }

    /// When it ends to be valid, in seconds since 1970.
    pub(super) fn expires_at(&self) -> Option<u64> {
        self.validity.as_ref().map(|validity| validity.not_after)
    }

    /// A certificate has one key, so this is about both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }

    pub(super) fn warnings(&self, file: &Path, now: SystemTime) -> Vec<CertificateWarning> {
        let file = file.to_owned();
        let mut warnings = Vec::new();
        if let Some(validity) = &self.validity {
            let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            if validity.not_after < now {
                warnings.push(CertificateWarning::Expired { file: file.clone(), at: validity.ends() });
            } else if validity.not_after < now + EXPIRES_SOON && !validity.is_short() {
                warnings.push(CertificateWarning::ExpiresSoon { file: file.clone(), at: validity.ends() });
            }
            if validity.not_before > now {
                warnings.push(CertificateWarning::NotYetValid { file: file.clone(), at: validity.begins() });
            }
        }
        if self.key.cert.first().is_some_and(|der| !x509::has_subject_names(der)) {
            warnings.push(CertificateWarning::NoNames(file));
        }
        warnings
    }
}

/// Checks that files are a certificate, with its key, that a client accepts now for a name if it trusts the authority.
///
/// # Errors
/// They cannot be used, or not for this name.
pub fn check_for_name(files: &CertificateFiles, name: &str) -> Result<(), CertificateError> {
    let (certificate, _) = LoadedCertificate::load(files)?;
    let bad =
        |reason: &str| CertificateError::BadCertificate { file: files.certificate.clone(), reason: reason.to_owned() };
    if !x509::covers(certificate.key(), name) {
        return Err(bad("it is for another name"));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match certificate.validity() {
        Some(validity) if validity.not_after > now => Ok(()),
        Some(_) => Err(bad("it has expired")),
        None => Err(bad("it does not say when it expires")),
    }
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let (text, _) = read(file)?;
    let bad = |reason: String| CertificateError::BadCertificate { file: file.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    let Some(first) = chain.first() else { return Err(CertificateError::NoCertificate(file.to_owned())) };
    x509::check(first).map_err(bad)?;
    Ok(chain)
}

/// The key, and whether everybody can read it.
fn read_key(file: &Path) -> Result<(PrivateKeyDer<'static>, bool), CertificateError> {
    let (text, mode) = read(file)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(_) if has_line(&text, b"Proc-Type: 4,ENCRYPTED") => Err(CertificateError::EncryptedKey(file.to_owned())),
        Ok(key) => Ok((key, mode & READABLE_BY_ALL != 0)),
        Err(_)
            if has_line(&text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
                || has_line(&text, b"Proc-Type: 4,ENCRYPTED") =>
        {
            Err(CertificateError::EncryptedKey(file.to_owned()))
        }
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(CertificateError::NoKey(file.to_owned())),
        Err(error) => Err(CertificateError::BadKey { file: file.to_owned(), reason: error.to_string() }),
    }
}

fn bad_key(file: &Path, error: &rustls::Error) -> CertificateError {
    CertificateError::BadKey { file: file.to_owned(), reason: error.to_string() }
}

/// The bytes of a file, and its mode.
fn read(file: &Path) -> Result<(Vec<u8>, u32), CertificateError> {
    let failed = |error| CertificateError::Unreadable { file: file.to_owned(), error };
    let open = File::open(file).map_err(failed)?;
    let mode = open.metadata().map_err(failed)?.mode();
    let mut text = Vec::new();
    open.take(MAX_FILE + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB")));
    }
    Ok((text, mode))
}

fn has_line(text: &[u8], line: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|found| found.trim_ascii_end() == line)
}
