//! The flags of `host run` about certificates that an authority issues.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use host::acme::{AcmeDirectory, AcmeDomain, AcmeSettings, AcmeStore, ChallengeKind};
use host::certificates::CertificateFiles;
use host::net::{ListenSpec, Scheme};
use host::outbound::read_ca;

/// Certificates from an authority.
#[derive(Debug, Args)]
#[command(next_help_heading = "Certificates from an authority, for --listen https://")]
pub(super) struct AcmeFlags {
    /// Host name that a certificate is ordered for, and renewed, from Let's Encrypt or --acme-directory, by ACME; can be given several
    /// times. The name has to lead to this host: to a listener of https:// by port 443, or to one without TLS by port 80. Needs
    /// --state, and agrees to the terms of the authority.
    #[arg(long, value_name = "NAME")]
    acme_domain: Vec<AcmeDomain>,

    /// Directory of the authority.
    #[arg(long, value_name = "URL", default_value = AcmeDirectory::LETS_ENCRYPT, requires = "acme_domain")]
    acme_directory: AcmeDirectory,

    /// Address that the authority writes to if there is something about the certificates; it learns it with the first order.
    #[arg(long, value_name = "ADDRESS", requires = "acme_domain", value_parser = email)]
    acme_email: Option<String>,

    /// File of certificates (PEM) of authorities that are trusted, beside the system's, for the connection to --acme-directory.
    #[arg(long, value_name = "FILE", requires = "acme_domain")]
    acme_ca: Option<PathBuf>,
}

/// The flags for certificates of an authority: for which names, from whom, and where they are kept.
#[derive(Debug)]
pub(super) struct AcmeOrders {
    pub(super) settings: AcmeSettings,
    pub(super) store: AcmeStore,
}

impl AcmeOrders {
    /// The files of the certificates that are ordered.
    pub(super) fn files(&self) -> Vec<CertificateFiles> {
        self.settings.domains.iter().map(|domain| self.store.files(domain)).collect()
    }
}

impl AcmeFlags {
    /// The certificates to order. `None` if no domain is named.
    pub(super) fn orders(&self, listen: &[ListenSpec], state: Option<&Path>) -> anyhow::Result<Option<AcmeOrders>> {
        let mut domains: Vec<AcmeDomain> = Vec::new();
        for domain in &self.acme_domain {
            if !domains.contains(domain) {
                domains.push(domain.clone());
            }
        }
        if domains.is_empty() {
            return Ok(None);
        }
        let challenges = challenges(listen);
        anyhow::ensure!(
            challenges.contains(&ChallengeKind::TlsAlpn01),
            "--acme-domain is given, but no listener speaks TLS; say --listen https://0.0.0.0:443"
        );
        let state = state.context("--acme-domain needs --state DIR, where keys and certificates are kept")?;
        let trusted = match &self.acme_ca {
            Some(path) => {
                read_ca(path).context("--acme-ca wants a file of certificates of authorities, in the PEM form")?
            }
            None => Vec::new(),
        };
        let directory = self.acme_directory.clone();
        let store = AcmeStore::open(state, &directory)?;
        let settings = AcmeSettings { domains, directory, email: self.acme_email.clone(), trusted, challenges };
        Ok(Some(AcmeOrders { settings, store }))
    }
}

/// The challenges that the listeners can answer. TLS-ALPN-01 is the first, unless only the other one has the port for it.
fn challenges(listen: &[ListenSpec]) -> Vec<ChallengeKind> {
    let kind = |scheme: Scheme| match scheme {
        Scheme::Https => (ChallengeKind::TlsAlpn01, ":443"),
        Scheme::Http => (ChallengeKind::Http01, ":80"),
    };
    let mut found: Vec<(bool, ChallengeKind)> = Vec::new();
    for scheme in [Scheme::Https, Scheme::Http] {
        let (kind, port) = kind(scheme);
        let of_scheme = || listen.iter().filter(|spec| spec.settings().scheme == scheme).map(ToString::to_string);
        let has_port = of_scheme().any(|spec| spec.split(',').next().is_some_and(|address| address.ends_with(port)));
        if of_scheme().next().is_some() {
            found.push((!has_port, kind));
        }
    }
    found.sort_by_key(|(is_later, _)| *is_later);
    found.into_iter().map(|(_, kind)| kind).collect()
}

fn email(text: &str) -> Result<String, String> {
    let is_address = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'?' | b'%' | b':'));
    if is_address && is_plain {
        Ok(text.to_owned())
    } else {
        Err("expected an address, as in admin@example.org".to_owned())
    }
}
