//! The certificates of TLS, from files.
//!
//! Owns which certificate a handshake gets, and when a changed file is read again. Knows no socket. Some files may be written
//! while the server serves: those of certificates that an authority issues (`acme`).

mod challenges;
mod load;
mod self_signed;
mod ticket_keys;
mod validity;
mod watch;
mod x509;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use challenges::{AnsweredChallenge, CHALLENGE_PROTOCOL, PendingChallenges};
pub use load::{CertificateError, CertificateWarning, check_for_name};
pub use self_signed::{SelfSigned, SelfSignedError};
pub use ticket_keys::{TicketKeys, TicketKeysError};
pub use validity::Validity;
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
    sources: Vec<CertificateSource>,
    current: ArcSwap<CertificateSet>,
    /// Held while files are read again.
    reloading: Mutex<()>,
    /// Set if some certificates are issued while the server serves.
    challenges: OnceLock<Arc<PendingChallenges>>,
    /// The keys of session tickets, if they are from a file.
    ticket_keys: Option<Arc<TicketKeys>>,
}

/// Where a certificate comes from.
#[derive(Debug)]
struct CertificateSource {
    files: CertificateFiles,
    /// Whether an authority issues it while the server serves, so that it may not be there yet.
    is_issued: bool,
}

/// Certificates, by the names that they are valid for.
#[derive(Debug)]
struct CertificateSet {
    /// One for each source. `None` if it is not there yet.
    certificates: Vec<Option<Arc<LoadedCertificate>>>,
    /// In lower case, with `*.` before the rest of a wildcard. Each has the certificates that have it, in their order.
    by_name: HashMap<String, Vec<usize>>,
    /// The first that is there, for any other name.
    first: Option<usize>,
}

impl Certificates {
    /// Loads certificates. The first one is also for handshakes that ask for no name, or for a name that no certificate has.
    ///
    /// # Errors
    /// One of them cannot be used. The warnings are of those that can.
    pub fn load(files: Vec<CertificateFiles>) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        Self::load_with_issued(files, Vec::new())
    }

    /// The same, and behind these some that an authority issues while the server serves. Those may be missing; what cannot be
    /// used of them is logged.
    ///
    /// # Errors
    /// One of `files` cannot be used, or there is nothing at all.
    pub fn load_with_issued(
        files: Vec<CertificateFiles>,
        issued: Vec<CertificateFiles>,
    ) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        let given = files.into_iter().map(|files| CertificateSource { files, is_issued: false });
        let issued = issued.into_iter().map(|files| CertificateSource { files, is_issued: true });
        let sources: Vec<CertificateSource> = given.chain(issued).collect();
        if sources.is_empty() {
            return Err(CertificateError::NoneGiven);
        }
        let mut warnings = Vec::new();
        let mut loaded = Vec::new();
        for source in &sources {
            loaded.push(match LoadedCertificate::load(&source.files) {
                Ok((certificate, found)) => {
                    log(&source.files, &certificate, "certificate loaded");
                    // Of those that are issued, the host itself takes care.
                    warnings.extend(found.into_iter().filter(|_| !source.is_issued));
                    Some(Arc::new(certificate))
                }
                Err(error) if source.is_issued => {
                    source.report(&error);
                    None
                }
                Err(error) => return Err(error),
            });
        }
        Ok((Self::of(sources, CertificateSet::new(loaded)), warnings))
    }

    /// The one certificate that the host has made.
    #[must_use]
    pub fn self_signed(made: &SelfSigned) -> Self {
        let loaded = LoadedCertificate::new(made.certified_key().clone());
        Self::of(Vec::new(), CertificateSet::new(vec![Some(Arc::new(loaded))]))
    }

    fn of(sources: Vec<CertificateSource>, set: CertificateSet) -> Self {
        let (reloading, challenges) = (Mutex::new(()), OnceLock::new());
        Self { sources, current: ArcSwap::from_pointee(set), reloading, challenges, ticket_keys: None }
    }

    /// The same certificates, with keys of session tickets that other hosts may have too. They are read again with the certificates.
    #[must_use]
    pub fn with_ticket_keys(self, keys: TicketKeys) -> Self {
        Self { ticket_keys: Some(Arc::new(keys)), ..self }
    }

    /// The keys of session tickets, if they are from a file.
    #[must_use]
    pub fn ticket_keys(&self) -> Option<&Arc<TicketKeys>> {
        self.ticket_keys.as_ref()
    }

    /// Whether an authority issues some of them while the server serves.
    #[must_use]
    pub fn are_issued(&self) -> bool {
        self.sources.iter().any(|source| source.is_issued)
    }

    /// Answers handshakes of an authority that looks for a challenge.
    pub fn answer_challenges(&self, challenges: Arc<PendingChallenges>) {
        // It is set once: a server has one set of challenges.
        let _ = self.challenges.set(challenges);
    }

    /// When the certificate in these files begins and ends to be valid, if it is served and is for this name.
    #[must_use]
    pub fn validity(&self, files: &CertificateFiles, name: &str) -> Option<Validity> {
        let current = self.current.load();
        let index = self.sources.iter().position(|source| source.files == *files)?;
        let certificate = current.certificates.get(index)?.as_ref()?;
        covers(certificate.key(), name).then(|| certificate.validity()).flatten()
    }

    /// When the certificates end to be valid, in seconds since 1970, by the first name of each: the earliest of those that
    /// have it. A certificate that says neither is left out.
    #[must_use]
    pub fn expirations(&self) -> BTreeMap<String, u64> {
        let mut expirations = BTreeMap::new();
        for certificate in self.current.load().certificates.iter().flatten() {
            if let (Some(name), Some(at)) = (certificate.names().first(), certificate.expires_at()) {
                let earliest = expirations.entry(name.clone()).or_insert(at);
                *earliest = at.min(*earliest);
            }
        }
        expirations
    }

    /// Reads the files again. What cannot be used is logged, and the one before it stays. Handshakes that have begun and
    /// open connections are not affected.
    pub fn reload(&self) {
        self.reload_those(|_| true);
        self.ticket_keys.iter().for_each(|keys| keys.reload());
    }

    /// Reads the files of one certificate again, as [`Self::reload`] does with all.
    pub fn reload_files(&self, files: &CertificateFiles) {
        self.reload_those(|source| source.files == *files);
    }

    fn reload_those(&self, is_meant: impl Fn(&CertificateSource) -> bool) {
        let _reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let mut is_changed = false;
        let mut certificates = current.certificates.clone();
        for (source, certificate) in self.sources.iter().zip(&mut certificates) {
            if !is_meant(source) {
                continue;
            }
            match LoadedCertificate::load(&source.files) {
                Ok((new, _)) if certificate.as_ref().is_some_and(|old| new.is_same(old)) => {}
                Ok((new, warnings)) => {
                    is_changed = true;
                    let event = if certificate.is_some() { "certificate replaced" } else { "certificate loaded" };
                    log(&source.files, &new, event);
                    warnings.iter().for_each(|warning| tracing::warn!(target: "server", "{warning}"));
                    *certificate = Some(Arc::new(new));
                }
                Err(error) => source.report(&error),
            }
        }
        if is_changed {
            self.current.store(Arc::new(CertificateSet::new(certificates)));
        }
    }
}

impl CertificateSource {
    /// Logs why its files cannot be used.
    fn report(&self, error: &CertificateError) {
        match (self.is_issued, error) {
            (true, error) if error.is_missing() => {}
            (true, error) => tracing::error!(target: "server", "an issued certificate cannot be used: {error}"),
            (false, error) => {
                tracing::error!(target: "server", "a certificate was not replaced, the one before it stays: {error}");
            }
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
    fn new(certificates: Vec<Option<Arc<LoadedCertificate>>>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in certificates.iter().enumerate() {
            for name in certificate.iter().flat_map(|certificate| certificate.names()) {
                by_name.entry(name.to_ascii_lowercase()).or_default().push(index);
            }
        }
        let first = certificates.iter().position(Option::is_some);
        Self { certificates, by_name, first }
    }

    /// The certificate for a name. Of several that have it, the first that `fits` the client. `None` if there is none yet.
    fn find(&self, name: Option<&str>, fits: impl Fn(&CertifiedKey) -> bool) -> Option<&Arc<CertifiedKey>> {
        let named = name.and_then(|name| self.with_name(&name.to_ascii_lowercase()));
        let candidates = named.unwrap_or(self.first.as_slice());
        let all = || candidates.iter().filter_map(|index| self.certificates.get(*index)?.as_deref());
        let found = all().find(|certificate| fits(certificate.key())).or_else(|| all().next());
        found.map(LoadedCertificate::key)
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
        if let Some(challenges) = self.challenges.get()
            && challenges::is_challenge(&hello)
        {
            return challenges.tls(hello.server_name()?);
        }
        let schemes = hello.signature_schemes();
        let set = self.current.load();
        set.find(hello.server_name(), |key| key.key.choose_scheme(schemes).is_some()).cloned()
    }
}
