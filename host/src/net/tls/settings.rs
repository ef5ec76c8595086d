//! What all TLS connections of a server have in common.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedCipherSuite};

use crate::certificates::{self, CHALLENGE_PROTOCOL};

/// The protocols that are offered within TLS, the preferred one first (ALPN).
pub const TLS_PROTOCOLS: &[&str] = &["h2", "http/1.1"];

/// The cipher suites in the order in which they are chosen: the fastest first, none is weak.
const CIPHER_SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// How many tickets to resume with a client of TLS 1.3 gets.
const TICKETS: usize = 1;

thread_local! {
    /// What the last handshake on this thread has asked for. rustls tells it to the resolver alone.
    static NOTED: RefCell<Option<Arc<Sni>>> = const { RefCell::new(None) };
}

/// The settings of all TLS connections: TLS 1.2 and 1.3, tickets to resume with, no early data.
pub struct TlsSettings {
    config: Arc<ServerConfig>,
}

/// The name that a client has asked for in its handshake, and the certificate that it got.
pub struct Sni {
    name: Option<Box<str>>,
    certificate: Arc<CertifiedKey>,
}

/// Gives each handshake its certificate, and notes what it has asked for.
#[derive(Debug)]
struct NotingResolver(Arc<dyn ResolvesServerCert>);

impl TlsSettings {
    /// Settings for handshakes that get their certificates from `certificates`.
    ///
    /// # Errors
    /// There is no source of random bytes.
    pub fn new(certificates: Arc<dyn ResolvesServerCert>) -> Result<Self, rustls::Error> {
        let provider = CryptoProvider { cipher_suites: CIPHER_SUITES.to_vec(), ..ring::default_provider() };
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(NotingResolver(certificates)));
        config.ignore_client_order = true;
        config.alpn_protocols = TLS_PROTOCOLS.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        // Tickets need no memory of the host.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new()?;
        config.send_tls13_tickets = TICKETS;
        Ok(Self { config: Arc::new(config) })
    }

    /// The same, with other keys of session tickets than those that this process has made for itself.
    #[must_use]
    pub fn with_tickets(mut self, tickets: Arc<dyn ProducesTickets>) -> Self {
        Arc::make_mut(&mut self.config).ticketer = tickets;
        self
    }

    /// The same, and completes handshakes of certificate authorities that look for a challenge.
    #[must_use]
    pub fn with_challenges(mut self) -> Self {
        // It is the last: a client that offers others as well wants those.
        Arc::make_mut(&mut self.config).alpn_protocols.push(CHALLENGE_PROTOCOL.to_vec());
        self
    }

    pub(super) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

impl Sni {
    /// The name. `None` if the client has sent none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the certificate is valid for a host name or an IP address, without a port.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        certificates::covers(&self.certificate, host)
    }
}

/// What the handshakes since the last call on this thread have asked for, if any did.
pub(super) fn take_noted() -> Option<Arc<Sni>> {
    NOTED.with_borrow_mut(Option::take)
}

impl ResolvesServerCert for NotingResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(Box::from);
        let certificate = self.0.resolve(hello)?;
        let sni = Sni { name, certificate: certificate.clone() };
        NOTED.with_borrow_mut(|noted| *noted = Some(Arc::new(sni)));
        Some(certificate)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}

impl fmt::Debug for Sni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sni").field("name", &self.name).finish_non_exhaustive()
    }
}
