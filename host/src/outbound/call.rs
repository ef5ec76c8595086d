//! One request to another server: its connection, its head and its response, each within its time.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::UpstreamFailure;
use super::grant::HttpGrant;
use super::origin::{HostName, Origin, Scheme, TargetUrl};
use super::pool::UpstreamConnection;
use super::response::{Transfer, UpstreamResponse};
use super::transport::{CountedTransport, ReadCount, Transport};
use super::upstream_body::{SendProgress, TrackedBody, UpstreamBody};
use crate::http::fields::CONNECTION_FIELDS;

/// The most bytes of a response's head.
const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a response.
const MAX_FIELDS: usize = 128;

/// A request to another server.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: TargetUrl,
    /// The fields. `host` is that of the target, and those of the connection are the host's own.
    pub fields: HeaderMap,
    /// The body.
    pub body: UpstreamBody,
    /// The times that the component wants.
    pub timeouts: CallTimeouts,
}

/// The times that a component wants for a request. Those of the grant are the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallTimeouts {
    /// For a connection.
    pub connect: Option<Duration>,
    /// For the head of the response.
    pub first_byte: Option<Duration>,
    /// For the next bytes of its body.
    pub between_bytes: Option<Duration>,
}

/// A response that has not come yet. If it is dropped, the request is given up.
#[derive(Debug)]
pub struct PendingResponse(JoinHandle<Result<UpstreamResponse, UpstreamFailure>>);

impl Future for PendingResponse {
    type Output = Result<UpstreamResponse, UpstreamFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = Pin::new(&mut self.0).poll(cx);
        joined.map(|joined| joined.unwrap_or_else(|error| Err(UpstreamFailure::Internal(error.to_string()))))
    }
}

impl Drop for PendingResponse {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request in a task of its own.
pub(super) fn start(grant: Arc<HttpGrant>, slots: Arc<Semaphore>, request: UpstreamRequest) -> PendingResponse {
    PendingResponse(tokio::spawn(run(grant, slots, request)))
}

/// The times of one request.
#[derive(Debug, Clone, Copy)]
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Times {
    fn new(asked: CallTimeouts, grant: &HttpGrant) -> Self {
        let limits = grant.limits();
        let least = |asked: Option<Duration>, limit: Duration| asked.map_or(limit, |asked| asked.min(limit));
        Self {
            connect: least(asked.connect, limits.connect_timeout),
            first_byte: least(asked.first_byte, limits.first_byte_timeout),
            between_bytes: least(asked.between_bytes, limits.between_bytes_timeout),
        }
    }
}

async fn run(
    grant: Arc<HttpGrant>,
    slots: Arc<Semaphore>,
    request: UpstreamRequest,
) -> Result<UpstreamResponse, UpstreamFailure> {
    let UpstreamRequest { method, target, fields, body, timeouts } = request;
    if !grant.allows(&target.origin) {
        return Err(UpstreamFailure::Denied);
    }
    let times = Times::new(timeouts, &grant);
    let connect_by = Instant::now() + times.connect;
    let late = UpstreamFailure::ConnectTimeout(times.connect);
    let slot = timeout_at(connect_by, slots.acquire_owned()).await.map_err(|_| late.clone())?;
    let slot = slot.map_err(|_| UpstreamFailure::Ended)?;
    let mut fields = sent_fields(fields, &target.origin, &body);
    check_length(&fields, &body)?;
    if matches!(body, UpstreamBody::Empty) && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
        // RFC 9110 section 8.6
        fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let head = UpstreamHead { method, fields, path: target.path_and_query };
    let origin = target.origin;
    let connected = |connection, progress| Transfer {
        grant: grant.clone(),
        origin: origin.clone(),
        connection,
        progress,
        _slot: slot,
    };
    let mut body = body;
    if let Some(mut pooled) = ready_connection(&grant, &origin, connect_by).await {
        let copy = if head.method.is_idempotent() { body.copy() } else { None };
        let (sent, progress) = send(&mut pooled, head.request(body)?, times).await;
        match sent {
            Ok(response) => return UpstreamResponse::new(response, connected(pooled, progress), times.between_bytes),
            // The server may have closed it at the same moment.
            Err(SendFailure { unsent: Some(unsent), .. }) => body = unsent,
            Err(SendFailure { failure: UpstreamFailure::Closed, .. })
                if !pooled.count.has_begun() && copy.is_some() =>
            {
                body = copy.unwrap_or(UpstreamBody::Empty);
            }
            Err(SendFailure { failure, .. }) => return Err(failure),
        }
    }
    let opened = timeout_at(connect_by.max(Instant::now()), connect(&grant, &origin));
    let mut connection = opened.await.map_err(|_| late)??;
    let (sent, progress) = send(&mut connection, head.request(body)?, times).await;
    match sent {
        Ok(response) => UpstreamResponse::new(response, connected(connection, progress), times.between_bytes),
        Err(SendFailure { failure, .. }) => Err(failure),
    }
}

/// The head of a request.
struct UpstreamHead {
    method: Method,
    path: String,
    fields: HeaderMap,
}

impl UpstreamHead {
    fn request(&self, body: UpstreamBody) -> Result<Request<UpstreamBody>, UpstreamFailure> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() =
            self.path.parse().map_err(|_| UpstreamFailure::Invalid("its path is not that of a URL".to_owned()))?;
        *request.headers_mut() = self.fields.clone();
        Ok(request)
    }
}

/// The fields that are sent: `host` is the origin's, and those of the connection are left out.
fn sent_fields(mut fields: HeaderMap, origin: &Origin, body: &UpstreamBody) -> HeaderMap {
    // hyper sends the trailers that `trailer` names, if they come after chunks.
    let has_trailers = matches!(body, UpstreamBody::Stream(_)) && !fields.contains_key(CONTENT_LENGTH);
    for name in CONNECTION_FIELDS.into_iter().filter(|name| !(has_trailers && *name == "trailer")) {
        fields.remove(name);
    }
    // More than one length is no length.
    if fields.get_all(CONTENT_LENGTH).iter().count() > 1 {
        fields.remove(CONTENT_LENGTH);
    }
    if let Ok(host) = HeaderValue::from_str(&origin.authority()) {
        fields.insert(HOST, host);
    }
    fields
}

/// Checks that a body has the length that its request says. Otherwise the server would take the next request for its rest.
fn check_length(fields: &HeaderMap, body: &UpstreamBody) -> Result<(), UpstreamFailure> {
    let Some(said) = fields.get(CONTENT_LENGTH) else { return Ok(()) };
    // `parse` takes a sign, too.
    let said = said.to_str().ok().filter(|said| said.bytes().all(|byte| byte.is_ascii_digit()));
    let said: u64 = said.and_then(|said| said.parse().ok()).ok_or(UpstreamFailure::RequestLength)?;
    let is_right = match body {
        UpstreamBody::Empty => said == 0,
        UpstreamBody::Whole(bytes) => said == bytes.len() as u64,
        // It is checked as it is written.
        UpstreamBody::Stream(_) => true,
    };
    if is_right { Ok(()) } else { Err(UpstreamFailure::RequestLength) }
}

/// A connection of the pool that takes a request.
async fn ready_connection(grant: &HttpGrant, origin: &Origin, by: Instant) -> Option<UpstreamConnection> {
    loop {
        let mut pooled = grant.pool().take(origin)?;
        // The task of the connection may not have seen yet that its last response has ended.
        if matches!(timeout_at(by, pooled.sender.ready()).await, Ok(Ok(()))) {
            return Some(pooled);
        }
    }
}

/// Why a request has no response.
struct SendFailure {
    failure: UpstreamFailure,
    /// Its body, if no byte of the request was sent.
    unsent: Option<UpstreamBody>,
}

/// Sends a request, and waits for the head of its response.
async fn send(
    connection: &mut UpstreamConnection,
    request: Request<UpstreamBody>,
    times: Times,
) -> (Result<http::Response<Incoming>, SendFailure>, Arc<SendProgress>) {
    let progress = SendProgress::new();
    let request = request.map(|body| TrackedBody::new(body, progress.clone()));
    connection.count.begin();
    let mut response = std::pin::pin!(connection.sender.try_send_request(request));
    let mut until = Instant::now() + times.first_byte;
    let sent = loop {
        tokio::select! {
            biased;
            sent = &mut response => break sent,
            () = sleep_until(until) => {
                let now = Instant::now();
                until = match progress.waits_for_server_since() {
                    // The component is slow, and not the server.
                    None => now + times.first_byte,
                    Some(since) => Instant::from_std(since) + times.first_byte,
                };
                if until <= now {
                    let failure = match progress.is_finished() {
                        true => UpstreamFailure::FirstByteTimeout(times.first_byte),
                        false => UpstreamFailure::WriteTimeout(times.first_byte),
                    };
                    return (Err(SendFailure { failure, unsent: None }), progress);
                }
            }
        }
    };
    let sent = sent.map_err(|mut error| {
        let unsent = error.take_message().map(|request| request.into_body().into_inner());
        let failure = UpstreamFailure::of_hyper(error.error(), connection.count.has_begun());
        SendFailure { failure, unsent }
    });
    connection.count.head_has_come();
    (sent, progress)
}

/// Opens a connection to an origin.
async fn connect(grant: &Arc<HttpGrant>, origin: &Origin) -> Result<UpstreamConnection, UpstreamFailure> {
    let of_route = permit(grant, &grant.connections).await?;
    let of_host = permit(grant, &grant.client().connections).await?;
    let stream = dial(grant, origin).await?;
    // A request is written at once.
    let _ = stream.set_nodelay(true);
    let transport = match origin.scheme {
        Scheme::Http => Transport::Tcp(stream),
        Scheme::Https => {
            let name = server_name(&origin.host)?;
            let connector = TlsConnector::from(grant.tls().await?);
            let stream = connector.connect(name, stream).await;
            Transport::Tls(Box::new(stream.map_err(|error| UpstreamFailure::of_handshake(&error))?))
        }
    };
    let count = Arc::new(ReadCount::default());
    let transport = CountedTransport::new(transport, count.clone());
    let opened = http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS).handshake(transport).await;
    let (sender, connection) = opened.map_err(|error| UpstreamFailure::of_hyper(&error, false))?;
    let task = tokio::spawn(async move {
        // Its error is that of the request, or it was idle.
        let _ = connection.await;
    });
    Ok(UpstreamConnection { sender, count, task, _of_route: of_route, _of_host: of_host })
}

/// A permit for a connection. If there is none, an idle connection of the route is closed for it.
async fn permit(grant: &HttpGrant, permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, UpstreamFailure> {
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Ok(permit);
    }
    grant.pool().close_oldest();
    permits.clone().acquire_owned().await.map_err(|error| UpstreamFailure::Internal(error.to_string()))
}

/// Connects to an address of the host that may be reached.
async fn dial(grant: &HttpGrant, origin: &Origin) -> Result<TcpStream, UpstreamFailure> {
    let addresses = match &origin.host {
        HostName::Address(address) => vec![*address],
        HostName::Name(name) => {
            let found = match grant.lookups().permit().await {
                Ok(permit) => grant.client().resolver.resolve(name, permit).await,
                Err(error) => Err(error),
            };
            found.map_err(|error| UpstreamFailure::Lookup(error.to_string()))?
        }
    };
    let Some(first) = addresses.first().copied() else {
        return Err(UpstreamFailure::Lookup("it has no address".to_owned()));
    };
    let allowed: Vec<IpAddr> =
        addresses.into_iter().filter(|address| grant.may_reach(&origin.host, *address)).collect();
    let mut failure = UpstreamFailure::AddressProhibited(first);
    let deadline = Instant::now() + grant.limits().connect_timeout;
    for (index, address) in allowed.iter().enumerate() {
        // An address that does not answer leaves time for the others.
        let share = deadline.saturating_duration_since(Instant::now()) / (allowed.len() - index) as u32;
        let dialed =
            timeout_at(Instant::now() + share, TcpStream::connect(SocketAddr::new(*address, origin.port))).await;
        match dialed {
            Ok(Ok(stream)) if is_of_this_machine(&stream) && !grant.grants_address(&origin.host, *address) => {
                failure = UpstreamFailure::AddressProhibited(*address);
            }
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = UpstreamFailure::of_connect(&error),
            Err(_) => failure = UpstreamFailure::ConnectTimeout(grant.limits().connect_timeout),
        }
    }
    Err(failure)
}

/// Whether a connection leads to this machine, whatever its address is: a component does not reach what listens here, nor
/// the host itself, by a name.
fn is_of_this_machine(stream: &TcpStream) -> bool {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) => local.ip() == peer.ip(),
        (Ok(_) | Err(_), _) => false,
    }
}

/// What the certificate has to be for.
fn server_name(host: &HostName) -> Result<ServerName<'static>, UpstreamFailure> {
    match host {
        HostName::Address(address) => Ok(ServerName::from(*address)),
        HostName::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| UpstreamFailure::Invalid("its host is no name of a certificate".to_owned())),
    }
}
