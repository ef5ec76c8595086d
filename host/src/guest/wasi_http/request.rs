//! The resources of the request: `incoming-request`, `incoming-body`, its stream, and `future-trailers`.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynPollable, InputStream, Pollable, StreamError, StreamResult, subscribe};

use super::super::state::GuestState;
use super::RequestScope;
use super::bindings::wasi::http::types::{self, ErrorCode, Method, Scheme};
use super::error_code::StreamFailure;
use super::fields::{GuestFields, lower_case};
use super::incoming_response::UpstreamReply;
use crate::exchange::{Request, RequestScheme};
use crate::http::fields::Fields;

/// `incoming-request`
#[derive(Debug)]
pub struct IncomingRequest {
    scope: Arc<RequestScope>,
    is_consumed: bool,
}

impl IncomingRequest {
    pub(super) fn new(scope: Arc<RequestScope>) -> Self {
        Self { scope, is_consumed: false }
    }
}

/// `incoming-body`
#[derive(Debug)]
pub struct IncomingBody {
    source: BodySource,
    has_stream: bool,
}

/// Who sends a body.
#[derive(Debug, Clone)]
enum BodySource {
    /// The client.
    Client(Arc<RequestScope>),
    /// Another server.
    Upstream(UpstreamReply),
}

impl IncomingBody {
    /// The body of a response of another server.
    pub(super) fn of_response(received: UpstreamReply) -> Self {
        Self { source: BodySource::Upstream(received), has_stream: false }
    }
}

/// `future-trailers`
#[derive(Debug)]
pub struct FutureTrailers {
    source: BodySource,
    is_taken: bool,
}

/// The stream of an `incoming-body`.
struct BodyStream(BodySource);

impl GuestState {
    /// Reads the head of the request. `None` if its invocation has ended.
    fn of_request<R>(
        &mut self,
        request: &Resource<IncomingRequest>,
        read: impl FnOnce(&Request) -> R,
    ) -> wasmtime::Result<Option<R>> {
        let exchange = self.table_mut().get(request)?.scope.exchange();
        Ok(exchange.and_then(|exchange| exchange.request().map(read)))
    }
}

impl types::HostIncomingRequest for GuestState {
    fn method(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Method> {
        let method = self.of_request(&request, |request| method(request.head.method()))?;
        Ok(method.unwrap_or(Method::Get))
    }

    fn path_with_query(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<String>> {
        self.of_request(&request, |request| match request.head.query() {
            Some(query) => format!("{}?{query}", request.head.path()),
            None => request.head.path().to_owned(),
        })
    }

    fn scheme(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<Scheme>> {
        let scheme = self.of_request(&request, |request| request.scheme)?;
        Ok(Some(match scheme {
            Some(RequestScheme::Https) => Scheme::Https,
            Some(RequestScheme::Http) | None => Scheme::Http,
        }))
    }

    fn authority(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.of_request(&request, |request| request.authority())?.flatten())
    }

    fn headers(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Resource<GuestFields>> {
        let scope = self.table_mut().get(&request)?.scope.clone();
        Ok(self.table_mut().push(GuestFields::Request(scope))?)
    }

    fn consume(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        let request = self.table_mut().get_mut(&request)?;
        if std::mem::replace(&mut request.is_consumed, true) {
            return Ok(Err(()));
        }
        let body = IncomingBody { source: BodySource::Client(request.scope.clone()), has_stream: false };
        Ok(Ok(self.table_mut().push(body)?))
    }

    fn drop(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<()> {
        self.table_mut().delete(request)?;
        Ok(())
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

impl types::HostIncomingBody for GuestState {
    fn stream(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>> {
        let incoming = self.table_mut().get_mut(&body)?;
        if std::mem::replace(&mut incoming.has_stream, true) {
            return Ok(Err(()));
        }
        let stream: DynInputStream = Box::new(BodyStream(incoming.source.clone()));
        Ok(Ok(self.table_mut().push_child(stream, &body)?))
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Resource<FutureTrailers>> {
        let IncomingBody { source, .. } = self.table_mut().delete(body)?;
        Ok(self.table_mut().push(FutureTrailers { source, is_taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table_mut().delete(body)?;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {
        match &self.0 {
            BodySource::Client(scope) => {
                if let Some(exchange) = scope.exchange() {
                    exchange.readable().await;
                }
            }
            BodySource::Upstream(received) => received.readable().await,
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for BodyStream {
    fn read(&mut self, max: usize) -> StreamResult<Bytes> {
        if max == 0 {
            return Ok(Bytes::new());
        }
        let read = match &self.0 {
            BodySource::Client(scope) => {
                let Some(exchange) = scope.exchange() else { return Err(StreamError::Closed) };
                exchange.try_read(max).map(|read| read.map_err(ErrorCode::from))
            }
            BodySource::Upstream(received) => received.try_read(max),
        };
        match read {
            None => Ok(Bytes::new()),
            Some(Ok(Some(piece))) => Ok(piece),
            Some(Ok(None)) => Err(StreamError::Closed),
            Some(Err(error)) => Err(StreamError::LastOperationFailed(StreamFailure(error).into())),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureTrailers {
    /// Trailers come after the body: what the guest has left of that is dropped.
    async fn ready(&mut self) {
        match &self.source {
            BodySource::Client(scope) => {
                if let Some(exchange) = scope.exchange() {
                    while let Ok(Some(_)) = exchange.read(usize::MAX).await {}
                }
            }
            BodySource::Upstream(received) => received.ended().await,
        }
    }
}

impl GuestState {
    /// Gives trailers to the guest. `too_large` if it has too many fields.
    fn push_trailers(
        &mut self,
        trailers: Option<Fields>,
        too_large: ErrorCode,
    ) -> wasmtime::Result<Result<Option<Resource<GuestFields>>, ErrorCode>> {
        let Some(trailers) = trailers else { return Ok(Ok(None)) };
        match self.http_mut().field_bytes.count(trailers) {
            Ok(fields) => Ok(Ok(Some(self.table_mut().push(GuestFields::fixed(fields))?))),
            Err(_) => Ok(Err(too_large)),
        }
    }
}

/// What `future-trailers.get` returns.
type Trailers = Option<Result<Result<Option<Resource<GuestFields>>, ErrorCode>, ()>>;

impl types::HostFutureTrailers for GuestState {
    fn subscribe(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table_mut(), trailers)
    }

    fn get(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<Trailers> {
        let future = self.table_mut().get_mut(&trailers)?;
        if future.is_taken {
            return Ok(Some(Err(())));
        }
        let scope = match &future.source {
            BodySource::Client(scope) => scope,
            BodySource::Upstream(received) => {
                let end = loop {
                    match received.try_read(usize::MAX) {
                        None => return Ok(None),
                        Some(Ok(Some(_))) => {}
                        Some(Ok(None)) => break Ok(received.trailers()),
                        Some(Err(code)) => break Err(code),
                    }
                };
                future.is_taken = true;
                return Ok(Some(Ok(match end {
                    Ok(trailers) => self.push_trailers(trailers, ErrorCode::HttpResponseTrailerSectionSize(None))?,
                    Err(code) => Err(code),
                })));
            }
        };
        let Some((exchange, visible)) = scope.request_fields() else {
            return Ok(Some(Ok(Err(ErrorCode::ConnectionTerminated))));
        };
        // Takes what is left of the body, as far as it has come.
        let end = loop {
            match exchange.try_read(usize::MAX) {
                None => return Ok(None),
                Some(Ok(Some(_))) => {}
                Some(Ok(None)) => break Ok(()),
                Some(Err(error)) => break Err(error),
            }
        };
        future.is_taken = true;
        Ok(Some(Ok(match end {
            Ok(()) => {
                let trailers = exchange.take_request_trailers().map(|trailers| {
                    let mut trailers = lower_case(&trailers);
                    visible.remove_from(&mut trailers);
                    trailers
                });
                self.push_trailers(trailers, ErrorCode::HttpRequestTrailerSectionSize(None))?
            }
            Err(error) => Err(error.into()),
        })))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table_mut().delete(trailers)?;
        Ok(())
    }
}
