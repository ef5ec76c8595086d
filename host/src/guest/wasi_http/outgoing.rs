//! Requests to other servers. No route may send one, so each is denied; a component that only imports them runs.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::super::state::GuestState;
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{self, ErrorCode, Method, Scheme};
use super::counted_fields::CountedFields;
use super::fields::{GuestFields, too_many};
use super::request::IncomingBody;
use super::response::OutgoingBody;
use crate::http::grammar::is_token;

/// `outgoing-request`
#[derive(Debug)]
pub struct OutgoingRequest {
    method: Method,
    path_with_query: Option<String>,
    scheme: Option<Scheme>,
    authority: Option<String>,
    fields: CountedFields,
    has_body: bool,
}

/// `request-options`
#[derive(Debug, Default)]
pub struct RequestOptions {
    connect_timeout: Option<u64>,
    first_byte_timeout: Option<u64>,
    between_bytes_timeout: Option<u64>,
}

/// `incoming-response`. There is none.
#[derive(Debug)]
pub enum IncomingResponse {}

/// `future-incoming-response`. There is none.
#[derive(Debug)]
pub enum FutureIncomingResponse {}

impl outgoing_handler::Host for GuestState {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<FutureIncomingResponse>, ErrorCode>> {
        self.table_mut().delete(request)?;
        if let Some(options) = options {
            self.table_mut().delete(options)?;
        }
        Ok(Err(ErrorCode::HttpRequestDenied))
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
            has_body: false,
        };
        Ok(self.table_mut().push(request)?)
    }

    fn body(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let request = self.table_mut().get_mut(&request)?;
        if std::mem::replace(&mut request.has_body, true) {
            return Ok(Err(()));
        }
        Ok(Ok(self.table_mut().push(OutgoingBody::Request { has_stream: false })?))
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

impl types::HostIncomingResponse for GuestState {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        match *self.table_mut().get(&response)? {}
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<Resource<GuestFields>> {
        match *self.table_mut().get(&response)? {}
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        match *self.table_mut().get(&response)? {}
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        match self.table_mut().delete(response)? {}
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureIncomingResponse {
    async fn ready(&mut self) {
        match *self {}
    }
}

/// What `future-incoming-response.get` returns.
type Received = Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>;

impl types::HostFutureIncomingResponse for GuestState {
    fn subscribe(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table_mut(), response)
    }

    fn get(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<Received> {
        match *self.table_mut().get(&response)? {}
    }

    fn drop(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<()> {
        match self.table_mut().delete(response)? {}
    }
}
