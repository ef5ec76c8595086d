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
use crate::exchange::Request;

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
    scope: Arc<RequestScope>,
    has_stream: bool,
}

/// `future-trailers`
#[derive(Debug)]
pub struct FutureTrailers {
    scope: Arc<RequestScope>,
    is_taken: bool,
}

/// The stream of an `incoming-body`.
struct BodyStream(Arc<RequestScope>);

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

    fn scheme(&mut self, _: Resource<IncomingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Ok(Some(Scheme::Http))
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
        let body = IncomingBody { scope: request.scope.clone(), has_stream: false };
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
        let stream: DynInputStream = Box::new(BodyStream(incoming.scope.clone()));
        Ok(Ok(self.table_mut().push_child(stream, &body)?))
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Resource<FutureTrailers>> {
        let IncomingBody { scope, .. } = self.table_mut().delete(body)?;
        Ok(self.table_mut().push(FutureTrailers { scope, is_taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table_mut().delete(body)?;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {
        if let Some(exchange) = self.0.exchange() {
            exchange.readable().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for BodyStream {
    fn read(&mut self, max: usize) -> StreamResult<Bytes> {
        let Some(exchange) = self.0.exchange() else { return Err(StreamError::Closed) };
        if max == 0 {
            return Ok(Bytes::new());
        }
        match exchange.try_read(max) {
            None => Ok(Bytes::new()),
            Some(Ok(Some(piece))) => Ok(piece),
            Some(Ok(None)) => Err(StreamError::Closed),
            Some(Err(error)) => Err(StreamError::LastOperationFailed(StreamFailure(error.into()).into())),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureTrailers {
    /// Trailers come after the body: what the guest has left of that is dropped.
    async fn ready(&mut self) {
        if let Some(exchange) = self.scope.exchange() {
            while let Ok(Some(_)) = exchange.read(usize::MAX).await {}
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
        let Some((exchange, visible)) = future.scope.request_fields() else {
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
            Ok(()) => match exchange.take_request_trailers() {
                Some(trailers) => {
                    let mut trailers = lower_case(&trailers);
                    visible.remove_from(&mut trailers);
                    match self.http_mut().field_bytes.count(trailers) {
                        Ok(fields) => Ok(Some(self.table_mut().push(GuestFields::fixed(fields))?)),
                        Err(_) => Err(ErrorCode::HttpRequestTrailerSectionSize(None)),
                    }
                }
                None => Ok(None),
            },
            Err(error) => Err(error.into()),
        })))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table_mut().delete(trailers)?;
        Ok(())
    }
}
