//! The client of registries: requests of the OCI distribution specification, over the host's own client of other servers.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::{Method, StatusCode};

use super::authorization::{Access, TokenRequest};
use super::credentials;
use super::digest::ContentDigest;
use super::error::OciError;
use super::manifest::{ACCEPTED, Descriptor, MANIFEST, MAX_COMPONENT, MAX_MANIFEST};
use super::reference::{Repository, TagOrDigest};
use super::store::BlobWriter;
use crate::outbound::{
    CallTimeouts, HostName, HttpGrant, HttpLimits, InvocationCalls, Network, Origin, Scheme, TargetUrl, UpstreamBody,
    UpstreamClient, UpstreamFailure, UpstreamRequest, UpstreamResponse,
};

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// The most servers whose connections are kept. Registries name others.
const MAX_SERVERS: usize = 32;

/// How much of a body is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The largest token that is read, in bytes, with what is around it.
const MAX_TOKEN: u64 = 1024 * 1024;

/// All addresses: whom the operator names may be in a private network.
const ANY_ADDRESS: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// The field with the digest of a manifest.
const DIGEST_FIELD: &str = "docker-content-digest";

/// The registry of Docker, and the host that serves it.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A client of registries.
#[derive(Debug)]
pub(super) struct RegistryClient {
    client: Arc<UpstreamClient>,
    /// The hosts that may be reached without TLS, beside this machine.
    insecure: Vec<Origin>,
    /// The configuration of Docker, which has credentials.
    docker_config: Option<PathBuf>,
    servers: Mutex<HashMap<Origin, Arc<HttpGrant>>>,
    /// The last value of `authorization` that a repository has accepted.
    authorizations: Mutex<HashMap<(Repository, Access), HeaderValue>>,
    /// The registries that were found to speak no TLS.
    plain: Mutex<HashSet<String>>,
}

/// A request to a repository.
#[derive(Debug, Clone)]
struct RepositoryRequest<'r> {
    method: Method,
    repository: &'r Repository,
    access: Access,
    /// What follows the name of the repository, or a URL that the registry has given.
    place: Place,
    fields: HeaderMap,
    body: Bytes,
}

#[derive(Debug, Clone)]
enum Place {
    Below(String),
    At(TargetUrl),
}

impl RegistryClient {
    pub(super) fn new(client: UpstreamClient, insecure: Vec<Origin>, docker_config: Option<PathBuf>) -> Self {
        let (servers, authorizations, plain) = Default::default();
        Self { client: Arc::new(client), insecure, docker_config, servers, authorizations, plain }
    }

    /// The digest of the manifest that has a tag now. `None` if the registry does not say it without the manifest.
    pub(super) async fn digest_of_tag(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<ContentDigest>, OciError> {
        let response = self.send(RepositoryRequest::manifest(Method::HEAD, repository, tag)).await?;
        check(repository, &response, StatusCode::OK, tag)?;
        let digest = response.fields().get(DIGEST_FIELD).and_then(|value| value.to_str().ok());
        Ok(digest.and_then(|digest| digest.parse().ok()))
    }

    /// A manifest. Whether it is the one of its digest is not checked yet.
    pub(super) async fn manifest(&self, repository: &Repository, version: &TagOrDigest) -> Result<Bytes, OciError> {
        let version = version.to_string();
        let mut response = self.send(RepositoryRequest::manifest(Method::GET, repository, &version)).await?;
        check(repository, &response, StatusCode::OK, &version)?;
        read(&repository.registry, &mut response, MAX_MANIFEST).await
    }

    /// Reads a blob into `writer`. Whether it is the one of its digest, that checks.
    pub(super) async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        writer: &mut BlobWriter,
    ) -> Result<(), OciError> {
        let place = format!("blobs/{}", descriptor.digest);
        let mut response = self.send(RepositoryRequest::new(Method::GET, repository, &place)).await?;
        check(repository, &response, StatusCode::OK, &place)?;
        let mut left = descriptor.size;
        while let Some(piece) =
            response.read(PIECE).await.map_err(|failure| no_response(&repository.registry, failure))?
        {
            let what = "more bytes than the manifest says";
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| nonsense(&repository.registry, what))?;
            writer.write(&piece)?;
        }
        match left {
            0 => Ok(()),
            _ => Err(nonsense(&repository.registry, "fewer bytes than the manifest says")),
        }
    }

    /// Pushes a blob, unless the repository has it.
    pub(super) async fn push_blob(&self, repository: &Repository, bytes: Bytes) -> Result<(), OciError> {
        let digest = ContentDigest::of(&bytes);
        let asked = RepositoryRequest::new(Method::HEAD, repository, &format!("blobs/{digest}"));
        if self.send(asked.pushing(Bytes::new(), None)).await?.status() == StatusCode::OK.as_u16() {
            return Ok(());
        }
        let begin = RepositoryRequest::new(Method::POST, repository, "blobs/uploads/").pushing(Bytes::new(), None);
        let response = self.send(begin).await?;
        check(repository, &response, StatusCode::ACCEPTED, "blobs/uploads/")?;
        let mut target = self.location(&self.base(repository)?, &repository.registry, &response)?;
        let separator = if target.path_and_query.contains('?') { '&' } else { '?' };
        target.path_and_query += &format!("{separator}digest={digest}");
        let request =
            RepositoryRequest { place: Place::At(target), ..RepositoryRequest::new(Method::PUT, repository, "") };
        let response = self.send(request.pushing(bytes, Some("application/octet-stream"))).await?;
        check(repository, &response, StatusCode::CREATED, "blobs/uploads/")
    }

    /// Pushes a manifest as this version.
    pub(super) async fn push_manifest(
        &self,
        repository: &Repository,
        version: &TagOrDigest,
        manifest: Bytes,
    ) -> Result<(), OciError> {
        let version = version.to_string();
        let request = RepositoryRequest::manifest(Method::PUT, repository, &version).pushing(manifest, Some(MANIFEST));
        check(repository, &self.send(request).await?, StatusCode::CREATED, &version)
    }

    /// Sends a request. If the registry asks who the host is, it is told once.
    async fn send(&self, request: RepositoryRequest<'_>) -> Result<UpstreamResponse, OciError> {
        let known = lock(&self.authorizations).get(&request.key()).cloned();
        let RegistryResponse { response, is_of_registry } = self.follow(&request, known).await?;
        // A server to which the registry has redirected gets no credentials, and cannot name a server that gets them.
        if response.status() != StatusCode::UNAUTHORIZED.as_u16() || !is_of_registry {
            return Ok(response);
        }
        let authorization = self.authorize(&request, response.fields()).await?;
        lock(&self.authorizations).insert(request.key(), authorization.clone());
        let RegistryResponse { response, .. } = self.follow(&request, Some(authorization)).await?;
        match StatusCode::from_u16(response.status()) {
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                lock(&self.authorizations).remove(&request.key());
                Err(OciError::Refused(request.repository.registry.clone()))
            }
            _ => Ok(response),
        }
    }

    /// Sends a request, and follows redirects. Only the registry itself is told who the host is.
    async fn follow(
        &self,
        request: &RepositoryRequest<'_>,
        authorization: Option<HeaderValue>,
    ) -> Result<RegistryResponse, OciError> {
        let registry = &request.repository.registry;
        let base = self.base(request.repository)?;
        let mut target = match &request.place {
            Place::At(target) => target.clone(),
            Place::Below(place) => {
                let path_and_query = format!("/v2/{}/{place}", request.repository.name);
                TargetUrl { origin: base.clone(), path_and_query }
            }
        };
        for _ in 0..=MAX_REDIRECTS {
            let is_of_registry = target.origin.host == base.host && target.origin.port == base.port;
            let mut fields = request.fields.clone();
            if let Some(authorization) = authorization.as_ref().filter(|_| is_of_registry) {
                fields.insert(AUTHORIZATION, authorization.clone());
            }
            let response = match self.start(&target, &request.method, fields.clone(), request.body.clone()).await {
                Err(failure) if self.may_lack_tls(registry, &target.origin, &failure) => {
                    target.origin =
                        Origin::new(Scheme::Http, registry).map_err(|_| nonsense(registry, "no name of a host"))?;
                    let response = self.start(&target, &request.method, fields, request.body.clone()).await;
                    if response.is_ok() {
                        lock(&self.plain).insert(registry.clone());
                    }
                    response
                }
                response => response,
            };
            let response = response.map_err(|failure| no_response(&target.origin.authority(), failure))?;
            let follows = matches!(response.status(), 301 | 302 | 303 | 307 | 308);
            if !follows || !matches!(request.method, Method::GET | Method::HEAD) {
                return Ok(RegistryResponse { response, is_of_registry });
            }
            target = self.location(&target.origin, registry, &response)?;
        }
        Err(nonsense(registry, "more than 3 redirects"))
    }

    async fn start(
        &self,
        target: &TargetUrl,
        method: &Method,
        fields: HeaderMap,
        body: Bytes,
    ) -> Result<UpstreamResponse, UpstreamFailure> {
        let grant = self.grant(&target.origin)?;
        let body = if body.is_empty() { UpstreamBody::Empty } else { UpstreamBody::Whole(body) };
        let (method, target, timeouts) = (method.clone(), target.clone(), CallTimeouts::default());
        let request = UpstreamRequest { method, target, fields, body, timeouts };
        grant.start(&InvocationCalls::new(grant.limits()), request).await
    }

    fn grant(&self, origin: &Origin) -> Result<Arc<HttpGrant>, UpstreamFailure> {
        let mut servers = lock(&self.servers);
        if let Some(grant) = servers.get(origin) {
            return Ok(grant.clone());
        }
        let pattern = origin.to_string().parse();
        let pattern = pattern.map_err(|error| UpstreamFailure::Invalid(format!("its URL {error}")))?;
        let private = ANY_ADDRESS.iter().filter_map(|network| network.parse::<Network>().ok()).collect();
        let limits = HttpLimits { private, max_response: MAX_COMPONENT, ..HttpLimits::default() };
        let grant = HttpGrant::new(self.client.clone(), vec![pattern], limits);
        if servers.len() >= MAX_SERVERS {
            servers.clear();
        }
        servers.insert(origin.clone(), grant.clone());
        Ok(grant)
    }

    /// The server of a repository.
    fn base(&self, repository: &Repository) -> Result<Origin, OciError> {
        let registry = &repository.registry;
        let host = if registry == DOCKER.0 { DOCKER.1 } else { registry };
        let scheme = if lock(&self.plain).contains(registry) { Scheme::Http } else { Scheme::Https };
        Origin::new(scheme, host).map_err(|_| nonsense(registry, "no name of a host"))
    }

    /// Whether a registry that has failed so may be asked without TLS. If that has an answer, it is from then on.
    fn may_lack_tls(&self, registry: &str, origin: &Origin, failure: &UpstreamFailure) -> bool {
        let has_no_tls = matches!(
            failure,
            UpstreamFailure::Tls(_)
                | UpstreamFailure::Closed
                | UpstreamFailure::Protocol(_)
                // Without a port, its port without TLS is another.
                | UpstreamFailure::Refused
        );
        let is_registry = Origin::new(Scheme::Https, registry).is_ok_and(|base| base == *origin);
        has_no_tls && is_registry && (is_this_machine(&origin.host) || self.is_insecure(origin))
    }

    /// Whether the operator has allowed a host without TLS. Without a port, it is meant at each.
    fn is_insecure(&self, origin: &Origin) -> bool {
        let default = Scheme::Https.port();
        self.insecure
            .iter()
            .any(|named| named.host == origin.host && (named.port == origin.port || named.port == default))
    }

    /// Where a response of `origin` sends the host.
    fn location(&self, origin: &Origin, registry: &str, response: &UpstreamResponse) -> Result<TargetUrl, OciError> {
        let location = response.fields().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| nonsense(registry, "no place to go on"))?;
        let url = if location.starts_with('/') { format!("{origin}{location}") } else { location.to_owned() };
        self.named_by(origin, registry, &url)
    }

    /// A URL that the server at `origin` has named. It is without TLS only if that server is.
    fn named_by(&self, origin: &Origin, registry: &str, url: &str) -> Result<TargetUrl, OciError> {
        let target: TargetUrl = url.parse().map_err(|_| nonsense(registry, "a place that is no URL"))?;
        let are_here = is_this_machine(&origin.host) && is_this_machine(&target.origin.host);
        let is_itself = origin.host == target.origin.host && origin.scheme == Scheme::Http;
        match target.origin.scheme {
            Scheme::Http if !is_itself && !are_here && !self.is_insecure(&target.origin) => {
                Err(OciError::Plain(target.origin.authority()))
            }
            Scheme::Http | Scheme::Https => Ok(target),
        }
    }

    /// What answers the question of a registry who the host is.
    async fn authorize(&self, request: &RepositoryRequest<'_>, fields: &HeaderMap) -> Result<HeaderValue, OciError> {
        let Repository { registry, name } = request.repository;
        let asked = TokenRequest::asked(registry, fields)?;
        let found = match &self.docker_config {
            Some(config) => credentials::find(config, registry).await?,
            None => None,
        };
        let Some(asked) = asked else {
            let none = || OciError::NoCredentials {
                registry: registry.clone(),
                config: self
                    .docker_config
                    .as_ref()
                    .map_or_else(|| "no config.json".to_owned(), |it| it.display().to_string()),
            };
            return super::authorization::basic(registry, &found.ok_or_else(none)?);
        };
        let base = self.base(request.repository)?;
        let target = self.named_by(&base, registry, &asked.url(name, request.access, found.as_ref()))?;
        let (method, fields, body) = asked.request(name, request.access, found.as_ref())?;
        let response = self.start(&target, &method, fields, body).await;
        let mut response = response.map_err(|failure| no_response(&target.origin.authority(), failure))?;
        match StatusCode::from_u16(response.status()) {
            Ok(StatusCode::OK) => {}
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => return Err(OciError::Refused(registry.clone())),
            _ => return Err(OciError::Status { registry: registry.clone(), status: response.status() }),
        }
        let answer = read(registry, &mut response, MAX_TOKEN).await?;
        super::authorization::bearer(registry, &answer)
    }
}

/// A response, and whether it is of the registry itself and not of a server that it has led to.
struct RegistryResponse {
    response: UpstreamResponse,
    is_of_registry: bool,
}

impl<'r> RepositoryRequest<'r> {
    fn new(method: Method, repository: &'r Repository, place: &str) -> Self {
        let place = Place::Below(place.to_owned());
        Self { method, repository, access: Access::Pull, place, fields: HeaderMap::new(), body: Bytes::new() }
    }

    fn manifest(method: Method, repository: &'r Repository, version: &str) -> Self {
        let mut request = Self::new(method, repository, &format!("manifests/{version}"));
        request.fields.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        request
    }

    /// The same to write.
    fn pushing(mut self, body: Bytes, media_type: Option<&'static str>) -> Self {
        if let Some(media_type) = media_type {
            self.fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        Self { access: Access::Push, body, ..self }
    }

    fn key(&self) -> (Repository, Access) {
        (self.repository.clone(), self.access)
    }
}

/// Checks the status of a response.
fn check(
    repository: &Repository,
    response: &UpstreamResponse,
    expected: StatusCode,
    what: &str,
) -> Result<(), OciError> {
    let registry = repository.registry.clone();
    match StatusCode::from_u16(response.status()) {
        Ok(status) if status == expected => Ok(()),
        Ok(StatusCode::NOT_FOUND) => Err(OciError::NotFound { registry, what: format!("{}, {what}", repository.name) }),
        Ok(StatusCode::FORBIDDEN) => Err(OciError::Refused(registry)),
        _ => Err(OciError::Status { registry, status: response.status() }),
    }
}

/// Reads a body of at most `max` bytes.
async fn read(registry: &str, response: &mut UpstreamResponse, max: u64) -> Result<Bytes, OciError> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.read(PIECE).await.map_err(|failure| no_response(registry, failure))? {
        if (body.len() + piece.len()) as u64 > max {
            return Err(nonsense(registry, "more bytes than such a response may have"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn is_this_machine(host: &HostName) -> bool {
    match host {
        HostName::Address(address) => address.is_loopback(),
        HostName::Name(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn nonsense(registry: &str, what: &'static str) -> OciError {
    OciError::Nonsense { registry: registry.to_owned(), what }
}

fn no_response(registry: &str, failure: UpstreamFailure) -> OciError {
    OciError::NoResponse { registry: registry.to_owned(), failure }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
