//! The response of another server: the resources `incoming-response` and `future-incoming-response`.

use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::HeaderMap;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::super::state::GuestState;
use super::super::upstream_call::UpstreamCall;
use super::RequestScope;
use super::bindings::wasi::http::types::{self, ErrorCode};
use super::error_code::of_upstream;
use super::fields::{GuestFields, too_many};
use super::request::IncomingBody;
use crate::http::fields::Fields;

/// `incoming-response`
#[derive(Debug)]
pub struct IncomingResponse {
    received: UpstreamReply,
    is_consumed: bool,
}

/// `future-incoming-response`
#[derive(Debug)]
pub struct FutureIncomingResponse {
    received: UpstreamReply,
    is_taken: bool,
}

impl FutureIncomingResponse {
    pub(super) fn new(received: UpstreamReply) -> Self {
        Self { received, is_taken: false }
    }
}

/// What comes of another server: a request to it, and the request of its invocation.
#[derive(Debug, Clone)]
pub(super) struct UpstreamReply {
    pub(super) call: Arc<UpstreamCall>,
    pub(super) scope: Arc<RequestScope>,
}

impl types::HostIncomingResponse for GuestState {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        let call = self.table_mut().get(&response)?.received.call.clone();
        // A response of an invocation that has ended has none.
        Ok(call.response(|response| response.status()).and_then(Result::ok).unwrap_or_default())
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<Resource<GuestFields>> {
        let call = self.table_mut().get(&response)?.received.call.clone();
        let fields = call.response(|response| fields_of(response.fields())).and_then(Result::ok).unwrap_or_default();
        let fields = self.http_mut().field_bytes.count(fields).map_err(too_many)?;
        Ok(self.table_mut().push(GuestFields::fixed(fields))?)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        let response = self.table_mut().get_mut(&response)?;
        if std::mem::replace(&mut response.is_consumed, true) {
            return Ok(Err(()));
        }
        let body = IncomingBody::of_response(response.received.clone());
        Ok(Ok(self.table_mut().push(body)?))
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        self.table_mut().delete(response)?;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureIncomingResponse {
    async fn ready(&mut self) {
        self.received.responded().await;
    }
}

impl UpstreamReply {
    /// Waits for the head of the response.
    async fn responded(&self) {
        if let Some(exchange) = self.scope.exchange() {
            self.call.responded(&exchange).await;
        }
    }

    /// Waits for a piece of the body, or its end.
    pub(super) async fn readable(&self) {
        if let Some(exchange) = self.scope.exchange() {
            self.call.readable(&exchange).await;
        }
    }

    /// Waits for the end of the body, and drops what is left of it.
    pub(super) async fn ended(&self) {
        loop {
            self.readable().await;
            if !matches!(self.call.try_read(usize::MAX), Some(Ok(Some(_)))) {
                return;
            }
        }
    }

    /// A piece of the body, if it is there. `None` at its end.
    pub(super) fn try_read(&self, max: usize) -> Option<Result<Option<Bytes>, ErrorCode>> {
        // What has come is taken, though nobody has waited for it.
        let _ = self.call.poll_received(&mut Context::from_waker(Waker::noop()));
        let read = self.call.try_read(max)?;
        Some(read.map_err(|failure| of_upstream(&failure)))
    }

    /// The trailers, after the end of the body.
    pub(super) fn trailers(&self) -> Option<Fields> {
        self.call
            .response(|response| response.take_trailers())
            .and_then(Result::ok)?
            .map(|trailers| fields_of(&trailers))
    }
}

/// What `future-incoming-response.get` returns.
type GivenResponse = Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>;

impl types::HostFutureIncomingResponse for GuestState {
    fn subscribe(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table_mut(), response)
    }

    fn get(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<GivenResponse> {
        let future = self.table_mut().get_mut(&response)?;
        if future.is_taken {
            return Ok(Some(Err(())));
        }
        // It may have come, though nobody has waited for it.
        let _ = future.received.call.poll_response(&mut Context::from_waker(Waker::noop()));
        let Some(responded) = future.received.call.response(|_| ()) else { return Ok(None) };
        future.is_taken = true;
        let received = future.received.clone();
        Ok(Some(Ok(match responded {
            Ok(()) => Ok(self.table_mut().push(IncomingResponse { received, is_consumed: false })?),
            Err(failure) => Err(of_upstream(&failure)),
        })))
    }

    fn drop(&mut self, response: Resource<FutureIncomingResponse>) -> wasmtime::Result<()> {
        self.table_mut().delete(response)?;
        Ok(())
    }
}

/// Fields of another server as a guest sees them. What could not be a field of this host is left out.
fn fields_of(map: &HeaderMap) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in map {
        let _ = fields.append(name.as_str(), value.as_bytes());
    }
    fields
}
