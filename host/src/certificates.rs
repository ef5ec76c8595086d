//! The certificates of TLS, from files.
//!
//! Owns which certificate a handshake gets, and when a changed file is read again. Knows no socket.

mod load;
mod self_signed;
mod validity;
mod watch;
mod x509;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use load::{CertificateError, CertificateWarning};
pub use self_signed::{SelfSigned, SelfSignedError};
pub use watch::CertificateWatch;
pub use x509::covers;

use load::LoadedCertificate;

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate in PEM, and behind it those of the authorities up to the root.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// The certificates of a server. Each handshake gets the first that is valid for the name that it asks for, or else the
/// first one.
#[derive(Debug)]
pub struct Certificates {
    /// Empty if the certificates are not from files.
    files: Vec<CertificateFiles>,
    current: ArcSwap<CertificateSet>,
    /// Held while the files are read again.
    reloading: Mutex<()>,
}

/// Certificates, by the names that they are valid for.
#[derive(Debug)]
struct CertificateSet {
    /// Never empty.
    certificates: Vec<Arc<LoadedCertificate>>,
    /// In lower case, with `*.` before the rest of a wildcard. Each has the certificates that have it, in their order.
    by_name: HashMap<String, Vec<usize>>,
}

impl Certificates {
    /// Loads certificates. The first one is also for handshakes that ask for no name, or for a name that no certificate has.
    ///
    /// # Errors
    /// One of them cannot be used. The warnings are of those that can.
    pub fn load(files: Vec<CertificateFiles>) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        let mut warnings = Vec::new();
        let mut loaded = Vec::new();
        for pair in &files {
            let (certificate, found) = LoadedCertificate::load(pair)?;
            log(pair, &certificate, "certificate loaded");
            warnings.extend(found);
            loaded.push(Arc::new(certificate));
        }
        Ok((Self::of(files, CertificateSet::new(loaded).ok_or(CertificateError::NoneGiven)?), warnings))
    }

    /// The one certificate that the host has made.
    #[must_use]
    pub fn self_signed(made: &SelfSigned) -> Self {
        let loaded = LoadedCertificate::new(made.certified_key().clone());
        let by_name = CertificateSet::index([&loaded]);
        Self::of(Vec::new(), CertificateSet { certificates: vec![Arc::new(loaded)], by_name })
    }

    fn of(files: Vec<CertificateFiles>, set: CertificateSet) -> Self {
        Self { files, current: ArcSwap::from_pointee(set), reloading: Mutex::new(()) }
    }

    /// Reads the files again. What cannot be used is logged, and the one before it stays. Handshakes that have begun and
    /// open connections are not affected.
    pub fn reload(&self) {
        let _reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let mut is_changed = false;
        let mut certificates = Vec::new();
        for (pair, old) in self.files.iter().zip(&current.certificates) {
            let certificate = match LoadedCertificate::load(pair) {
                Ok((new, _)) if new.is_same(old) => old.clone(),
                Ok((new, warnings)) => {
                    is_changed = true;
                    log(pair, &new, "certificate replaced");
                    warnings.iter().for_each(|warning| tracing::warn!(target: "server", "{warning}"));
                    Arc::new(new)
                }
                Err(error) => {
                    tracing::error!(target: "server", "a certificate was not replaced, the one before it stays: {error}");
                    old.clone()
                }
            };
            certificates.push(certificate);
        }
        if is_changed && let Some(set) = CertificateSet::new(certificates) {
            self.current.store(Arc::new(set));
        }
    }
}

fn log(pair: &CertificateFiles, certificate: &LoadedCertificate, event: &str) {
    let (file, names) = (pair.certificate.display(), certificate.names().join(" "));
    match certificate.expires() {
        Some(expires) => tracing::info!(target: "server", %file, names, expires, "{event}"),
        None => tracing::info!(target: "server", %file, names, "{event}"),
    }
}

impl CertificateSet {
    fn new(certificates: Vec<Arc<LoadedCertificate>>) -> Option<Self> {
        let by_name = Self::index(certificates.iter().map(|certificate| &**certificate));
        (!certificates.is_empty()).then_some(Self { certificates, by_name })
    }

    fn index<'c>(certificates: impl IntoIterator<Item = &'c LoadedCertificate>) -> HashMap<String, Vec<usize>> {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in certificates.into_iter().enumerate() {
            for name in certificate.names() {
                by_name.entry(name.to_ascii_lowercase()).or_default().push(index);
            }
        }
        by_name
    }

    /// The certificate for a name. Of several that have it, the first that `fits` the client.
    fn find(&self, name: Option<&str>, fits: impl Fn(&CertifiedKey) -> bool) -> &Arc<CertifiedKey> {
        let candidates = name.and_then(|name| self.with_name(&name.to_ascii_lowercase())).unwrap_or(&[0]);
        let all = || candidates.iter().filter_map(|index| self.certificates.get(*index));
        let found = all().find(|certificate| fits(certificate.key())).or_else(|| all().next());
        // A set has at least one.
        found.unwrap_or(&self.certificates[0]).key()
    }

    /// Those with exactly this name, or else with a wildcard in place of its first label (RFC 6125 section 6.4.3).
    fn with_name(&self, name: &str) -> Option<&[usize]> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let wildcard = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        self.by_name.get(name).or_else(wildcard).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let set = self.current.load();
        Some(set.find(hello.server_name(), |key| key.key.choose_scheme(schemes).is_some()).clone())
    }
}
