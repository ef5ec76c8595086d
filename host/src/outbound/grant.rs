//! What one route may reach, within which limits; and what all routes share.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::sync::{OnceCell, Semaphore};

use super::address::is_public;
use super::call::{self, PendingResponse, UpstreamRequest};
use super::failure::UpstreamFailure;
use super::limits::HttpLimits;
use super::origin::{HostName, Origin, OriginPattern};
use super::pool::Pool;
use super::resolver::{Resolve, RouteLookups, SystemResolver};
use super::tls::Trust;
use crate::metrics::{GrantCounters, GrantRegistry};

/// What the requests of all routes share: the resolver, the trusted roots, and the number of connections.
#[derive(Debug)]
pub struct UpstreamClient {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) trust: Trust,
    pub(super) connections: Arc<Semaphore>,
    /// If fewer connections are free, none is kept idle.
    reserve: usize,
}

impl UpstreamClient {
    /// The most connections of all routes by default.
    pub const MAX_CONNECTIONS: u32 = 1024;

    /// A client that opens `max_connections` at most, and trusts these roots beside those of the system.
    #[must_use]
    pub fn new(max_connections: u32, roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            resolver: Arc::new(SystemResolver::default()),
            trust: Trust::new(roots),
            connections: Arc::new(Semaphore::new(max_connections as usize)),
            reserve: max_connections as usize / 4,
        }
    }

    /// The same client with another resolver.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }
}

impl Default for UpstreamClient {
    fn default() -> Self {
        Self::new(Self::MAX_CONNECTIONS, Vec::new())
    }
}

/// What the components of one route may reach, and their connections to it.
#[derive(Debug)]
pub struct HttpGrant {
    patterns: Vec<OriginPattern>,
    limits: HttpLimits,
    client: Arc<UpstreamClient>,
    tls: OnceCell<Arc<ClientConfig>>,
    pub(super) connections: Arc<Semaphore>,
    pool: Pool,
    lookups: RouteLookups,
    /// The counters of each pattern, once one was needed.
    counters: OnceLock<Vec<Arc<GrantCounters>>>,
}

/// The requests that one invocation has in flight.
#[derive(Debug, Clone)]
pub struct InvocationCalls(Arc<Semaphore>);

impl InvocationCalls {
    /// For an invocation with these limits.
    #[must_use]
    pub fn new(limits: &HttpLimits) -> Self {
        Self(Arc::new(Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS))))
    }
}

impl HttpGrant {
    /// Allows the origins of these patterns.
    #[must_use]
    pub fn new(client: Arc<UpstreamClient>, patterns: Vec<OriginPattern>, limits: HttpLimits) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            patterns,
            limits,
            client,
            tls: OnceCell::new(),
            connections,
            pool: Pool::default(),
            lookups: RouteLookups::default(),
            counters: OnceLock::new(),
        })
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[OriginPattern] {
        &self.patterns
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    /// Whether a request to an origin is allowed.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        self.patterns.iter().any(|pattern| pattern.allows(origin))
    }

    /// The counters of the first pattern that allows an origin. All calls give the registry of the one route that has this.
    pub(crate) fn counters(&self, origin: &Origin, registry: &GrantRegistry) -> Option<Arc<GrantCounters>> {
        let at = self.patterns.iter().position(|pattern| pattern.allows(origin))?;
        let of_each = || self.patterns.iter().map(|pattern| registry.outbound(&pattern.to_string())).collect();
        self.counters.get_or_init(of_each).get(at).cloned()
    }

    /// Sends a request. It is given up when what is returned is dropped. Call it on a worker.
    #[must_use]
    pub fn start(self: &Arc<Self>, calls: &InvocationCalls, request: UpstreamRequest) -> PendingResponse {
        call::start(self.clone(), calls.0.clone(), request)
    }

    pub(super) fn client(&self) -> &UpstreamClient {
        &self.client
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn lookups(&self) -> &RouteLookups {
        &self.lookups
    }

    /// Whether a connection is closed after its request, because few are free.
    pub(super) fn is_crowded(&self) -> bool {
        self.client.connections.available_permits() < self.client.reserve
    }

    /// Whether an address was granted itself: by its network, or as the host of a URL that is allowed.
    pub(super) fn grants_address(&self, host: &HostName, address: std::net::IpAddr) -> bool {
        let is_literal = *host == HostName::Address(address);
        let canonical = address.to_canonical();
        is_literal || self.limits.private.iter().any(|network| network.contains(address) || network.contains(canonical))
    }

    /// Whether an address of a host may be reached.
    pub(super) fn may_reach(&self, host: &HostName, address: std::net::IpAddr) -> bool {
        is_public(address) || self.grants_address(host, address)
    }

    /// What it trusts, and its own sessions of TLS.
    pub(super) async fn tls(&self) -> Result<Arc<ClientConfig>, UpstreamFailure> {
        self.tls.get_or_try_init(|| self.client.trust.client()).await.cloned()
    }
}
