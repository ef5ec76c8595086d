//! What an operator says of the certificates that an authority issues.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::outbound::{HostName, Origin, OriginError, Scheme, TargetUrl};

/// Whom to ask for which certificates.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// The names. Each gets a certificate of its own.
    pub domains: Vec<AcmeDomain>,
    /// The authority.
    pub directory: AcmeDirectory,
    /// Where the authority writes to if there is something about the certificates.
    pub email: Option<String>,
    /// Authorities that are trusted for the directory itself, beside those of the system.
    pub trusted: Vec<CertificateDer<'static>>,
    /// The challenges that the listeners can answer, the preferred one first.
    pub challenges: Vec<ChallengeKind>,
}

/// How an authority finds out that a name leads to this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// It asks for a path without TLS, on port 80 (RFC 8555 section 8.3).
    Http01,
    /// It asks for a certificate in a handshake of TLS, on port 443 (RFC 8737).
    TlsAlpn01,
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "HTTP-01, on port 80",
            Self::TlsAlpn01 => "TLS-ALPN-01, on port 443",
        })
    }
}

/// The host name that a certificate is ordered for, in lower case and punycode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeDomain(String);

/// Why a text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcmeDomainError {
    /// It stands for several names.
    #[error(
        "expected one host name, as in www.example.org; an authority issues certificates with * by DNS alone: get one with another client, and give it with --tls-cert"
    )]
    Wildcard,
    /// It is an address.
    #[error("expected a host name, as in example.org, and not an address")]
    Address,
    /// It is something else.
    #[error("expected a host name alone, as in example.org, without a scheme, a port or a path")]
    NotName,
}

impl AcmeDomain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AcmeDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AcmeDomain {
    type Err = AcmeDomainError;

    fn from_str(text: &str) -> Result<Self, AcmeDomainError> {
        if text.contains('*') {
            return Err(AcmeDomainError::Wildcard);
        }
        if text.contains(['/', '?', '#']) {
            return Err(AcmeDomainError::NotName);
        }
        let is_address = text.parse::<std::net::Ipv6Addr>().is_ok();
        match Origin::new(Scheme::Https, text) {
            Ok(Origin { host: HostName::Name(name), .. }) if !text.contains(':') => Ok(Self(name)),
            Ok(Origin { host: HostName::Address(_), .. }) | Err(OriginError::Address) => Err(AcmeDomainError::Address),
            Err(_) if is_address => Err(AcmeDomainError::Address),
            Ok(_) | Err(_) => Err(AcmeDomainError::NotName),
        }
    }
}

/// The URL of an authority's directory (RFC 8555 section 7.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeDirectory {
    url: String,
    origin: Origin,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcmeDirectoryError {
    /// It is without TLS.
    #[error("expected a URL with https://, as in https://acme-v02.api.letsencrypt.org/directory")]
    NotHttps,
    /// It is no URL.
    #[error("expected a URL, but it {0}")]
    NotUrl(OriginError),
}

impl AcmeDirectory {
    /// That of Let's Encrypt.
    pub const LETS_ENCRYPT: &'static str = "https://acme-v02.api.letsencrypt.org/directory";

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server of the URL.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for AcmeDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl FromStr for AcmeDirectory {
    type Err = AcmeDirectoryError;

    fn from_str(url: &str) -> Result<Self, AcmeDirectoryError> {
        let target: TargetUrl = url.parse().map_err(|error| match error {
            OriginError::NoScheme | OriginError::Scheme => AcmeDirectoryError::NotHttps,
            error => AcmeDirectoryError::NotUrl(error),
        })?;
        match target.origin.scheme {
            Scheme::Https => Ok(Self { url: url.to_owned(), origin: target.origin }),
            Scheme::Http => Err(AcmeDirectoryError::NotHttps),
        }
    }
}
