//! Requests to other servers: `outgoing-handler`, and the resources of a request.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::super::state::GuestState;
use super::super::upstream_call::header_map;
use super::RequestScope;
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{self, ErrorCode, Method, Scheme};
use super::counted_fields::CountedFields;
use super::error_code::{StreamFailure, of_upstream};
use super::fields::{GuestFields, too_many};
use super::incoming_response::{FutureIncomingResponse, UpstreamReply};
use super::response::OutgoingBody;
use crate::http::fields::Fields;
use crate::http::grammar::is_token;
use crate::outbound::{
    BodyWriter, CallTimeouts, Scheme as OriginScheme, UpstreamBody, UpstreamFailure, UpstreamRequest,
};

/// `outgoing-request`
#[derive(Debug)]
pub struct OutgoingRequest {
    method: Method,
    path_with_query: Option<String>,
    scheme: Option<Scheme>,
    authority: Option<String>,
    fields: CountedFields,
    /// The body, once the guest has asked for it.
    body: Option<SharedBody>,
    /// What is sent of it.
    unsent: Option<UpstreamBody>,
}

/// `request-options`
#[derive(Debug, Default)]
pub struct RequestOptions {
    connect_timeout: Option<u64>,
    first_byte_timeout: Option<u64>,
    between_bytes_timeout: Option<u64>,
}

/// The body of a request to another server, from the guest's first write to its end.
#[derive(Debug)]
pub struct SentBody {
    /// `None` once it is finished.
    writer: Option<Arc<BodyWriter>>,
    /// Whether its request is sent.
    is_sent: bool,
    scope: Option<Arc<RequestScope>>,
}

/// A body that its request, its `outgoing-body` and its stream share.
pub(super) type SharedBody = Arc<Mutex<SentBody>>;

fn lock(body: &SharedBody) -> MutexGuard<'_, SentBody> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the body of a request to another server.
pub(super) fn finish(body: &SharedBody, trailers: Option<&Fields>) -> Result<(), ErrorCode> {
    let writer = lock(body).writer.take().and_then(Arc::into_inner);
    match writer {
        Some(writer) => writer.finish(trailers.map(header_map)).map_err(|failure| of_upstream(&failure)),
        None => Err(ErrorCode::ConnectionTerminated),
    }
}

/// The guest has dropped the body of a request. If it was not finished, the request fails.
pub(super) fn drop_unfinished(body: &SharedBody) {
    let writer = lock(body).writer.take();
    drop(writer);
}

impl outgoing_handler::Host for GuestState {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<FutureIncomingResponse>, ErrorCode>> {
        let request = self.table_mut().delete(request)?;
        let options = options.map(|options| self.table_mut().delete(options)).transpose()?.unwrap_or_default();
        let Some(scope) = self.http_mut().scope.clone() else { return Ok(Err(ErrorCode::HttpRequestDenied)) };
        let request = match upstream_request(request, &options) {
            Ok(request) => request,
            // Without a grant it is denied, whatever it is like.
            Err(_) if self.grants().is_none_or(|grants| grants.http.is_none()) => {
                return Ok(Err(ErrorCode::HttpRequestDenied));
            }
            Err(code) => return Ok(Err(code)),
        };
        match self.start_upstream(request) {
            Ok(call) => {
                let future = FutureIncomingResponse::new(UpstreamReply { call, scope });
                Ok(Ok(self.table_mut().push(future)?))
            }
            Err(failure) => Ok(Err(of_upstream(&failure))),
        }
    }
}

/// A request as it is sent.
fn upstream_request(request: OutgoingRequest, options: &RequestOptions) -> Result<UpstreamRequest, ErrorCode> {
    let OutgoingRequest { method, path_with_query, scheme, authority, fields, body, unsent, .. } = request;
    let method = http::Method::from_bytes(method_name(&method).as_bytes()).ok();
    let method = method.filter(|method| *method != http::Method::CONNECT).ok_or(ErrorCode::HttpRequestMethodInvalid)?;
    let scheme = match scheme {
        None | Some(Scheme::Https) => OriginScheme::Https,
        Some(Scheme::Http) => OriginScheme::Http,
        Some(Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
    };
    let authority = authority.ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let path = path_with_query.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    let url = format!("{}://{authority}{}{path}", scheme.name(), if path.starts_with('/') { "" } else { "/" });
    let target = url.parse().map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    if let Some(body) = &body {
        lock(body).is_sent = true;
    }
    let time = |time: Option<u64>| time.map(Duration::from_nanos);
    let timeouts = CallTimeouts {
        connect: time(options.connect_timeout),
        first_byte: time(options.first_byte_timeout),
        between_bytes: time(options.between_bytes_timeout),
    };
    let fields = header_map(&fields);
    Ok(UpstreamRequest { method, target, fields, body: unsent.unwrap_or(UpstreamBody::Empty), timeouts })
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

impl types::HostOutgoingRequest for GuestState {
    fn new(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        let fields = self.take_lines(fields)?;
        let request = OutgoingRequest {
            method: Method::Get,
            path_with_query: None,
            scheme: None,
            authority: None,
            fields,
            body: None,
            unsent: None,
        };
        Ok(self.table_mut().push(request)?)
    }

    fn body(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let scope = self.http_mut().scope.clone();
        let request = self.table_mut().get_mut(&request)?;
        if request.body.is_some() {
            return Ok(Err(()));
        }
        let (writer, unsent) = UpstreamBody::written(request.fields.content_length());
        let body = Arc::new(Mutex::new(SentBody { writer: Some(Arc::new(writer)), is_sent: false, scope }));
        (request.body, request.unsent) = (Some(body.clone()), Some(unsent));
        Ok(Ok(self.table_mut().push(OutgoingBody::Request { body, has_stream: false })?))
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Method> {
        Ok(self.table_mut().get(&request)?.method.clone())
    }

    fn set_method(&mut self, request: Resource<OutgoingRequest>, method: Method) -> wasmtime::Result<Result<(), ()>> {
        if matches!(&method, Method::Other(name) if !is_token(name.as_bytes())) {
            return Ok(Err(()));
        }
        self.table_mut().get_mut(&request)?.method = method;
        Ok(Ok(()))
    }

    fn path_with_query(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.table_mut().get(&request)?.path_with_query.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        path: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        if path.as_ref().is_some_and(|path| !is_uri_text(path)) {
            return Ok(Err(()));
        }
        self.table_mut().get_mut(&request)?.path_with_query = path;
        Ok(Ok(()))
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Ok(self.table_mut().get(&request)?.scheme.clone())
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        if matches!(&scheme, Some(Scheme::Other(name)) if !is_scheme(name)) {
            return Ok(Err(()));
        }
        self.table_mut().get_mut(&request)?.scheme = scheme;
        Ok(Ok(()))
    }

    fn authority(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.table_mut().get(&request)?.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        if authority.as_ref().is_some_and(|authority| !is_uri_text(authority) || authority.contains('/')) {
            return Ok(Err(()));
        }
        self.table_mut().get_mut(&request)?.authority = authority;
        Ok(Ok(()))
    }

    fn headers(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Resource<GuestFields>> {
        let fields = self.table_mut().get(&request)?.fields.try_clone().map_err(too_many)?;
        Ok(self.table_mut().push(GuestFields::fixed(fields))?)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        self.table_mut().delete(request)?;
        Ok(())
    }
}

/// Whether a text is of visible ASCII characters, as every part of a URI is (RFC 3986 section 2).
fn is_uri_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a scheme (RFC 3986 section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

impl types::HostRequestOptions for GuestState {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Ok(self.table_mut().push(RequestOptions::default())?)
    }

    fn connect_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table_mut().get(&options)?.connect_timeout)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table_mut().get_mut(&options)?.connect_timeout = timeout;
        Ok(Ok(()))
    }

    fn first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table_mut().get(&options)?.first_byte_timeout)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table_mut().get_mut(&options)?.first_byte_timeout = timeout;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table_mut().get(&options)?.between_bytes_timeout)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table_mut().get_mut(&options)?.between_bytes_timeout = timeout;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table_mut().delete(options)?;
        Ok(())
    }
}

/// The stream of a request to another server.
pub(super) struct RequestStream(pub(super) SharedBody);

impl RequestStream {
    /// The writer. `None` once the body is finished.
    fn writer(&self) -> Option<Arc<BodyWriter>> {
        lock(&self.0).writer.clone()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for RequestStream {
    async fn ready(&mut self) {
        let (writer, is_sent, exchange) = {
            let body = lock(&self.0);
            let exchange = body.scope.as_ref().and_then(|scope| scope.exchange());
            // A strong reference would keep the guest from finishing its body, if this wait is one of several.
            (body.writer.as_ref().map(Arc::downgrade), body.is_sent, exchange)
        };
        let (Some(writer), Some(exchange)) = (writer, exchange) else { return };
        let waits = |writer: &Weak<BodyWriter>| writer.upgrade().is_some_and(|writer| writer.room() == Ok(0));
        if !waits(&writer) {
            return;
        }
        if !is_sent {
            // Another of the things that the guest waits for may let it send its request.
            exchange.wait_for_itself().await;
        }
        let writable = poll_fn(|cx| writer.upgrade().map_or(Poll::Ready(()), |writer| writer.poll_writable(cx)));
        exchange.wait_for_upstream(writable).await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for RequestStream {
    fn check_write(&mut self) -> StreamResult<usize> {
        let writer = self.writer().ok_or(StreamError::Closed)?;
        writer.room().map_err(|_| StreamError::Closed)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let writer = self.writer().ok_or(StreamError::Closed)?;
        match writer.write(&bytes) {
            Ok(taken) if taken == bytes.len() => Ok(()),
            Ok(_) => Err(StreamError::trap("it has written more than `check-write` allows")),
            Err(UpstreamFailure::Closed) => Err(StreamError::Closed),
            Err(failure) => Err(StreamError::LastOperationFailed(StreamFailure(of_upstream(&failure)).into())),
        }
    }

    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let room = self.write_ready().await?;
            self.write(bytes.split_to(bytes.len().min(room)))?;
        }
        Ok(())
    }

    /// What is written goes out by itself.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
}
