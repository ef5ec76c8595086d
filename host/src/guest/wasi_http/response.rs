//! The resources of the response: `outgoing-response`, `outgoing-body`, its stream, and `response-outparam`; and how the end
//! of a handler ends the response.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::super::Outcome;
use super::super::state::GuestState;
use super::bindings::wasi::http::types::{self, ErrorCode};
use super::counted_fields::CountedFields;
use super::fields::{GuestFields, too_many};
use super::outgoing::{self, RequestStream, SharedBody};
use super::response_body::{ResponseBody, never_set};
use super::{NoResponse, RequestScope};
use crate::http::fields::TRAILER;
use crate::response::ResponseError;

/// `response-outparam`
#[derive(Debug)]
pub struct ResponseOutparam(Arc<RequestScope>);

impl ResponseOutparam {
    pub(super) fn new(scope: Arc<RequestScope>) -> Self {
        Self(scope)
    }
}

/// `outgoing-response`
#[derive(Debug)]
pub struct OutgoingResponse {
    /// The status, if the guest has set one.
    status: Option<u16>,
    fields: CountedFields,
    /// The body, once the guest has asked for it.
    body: Option<Arc<ResponseBody>>,
}

/// `outgoing-body`
#[derive(Debug)]
pub enum OutgoingBody {
    /// That of a response.
    Response {
        /// The body, which its stream writes too.
        body: Arc<ResponseBody>,
        /// Whether the guest has taken the stream.
        has_stream: bool,
    },
    /// That of a request to another server.
    Request {
        /// The body, which its request and its stream have too.
        body: SharedBody,
        /// Whether the guest has taken the stream.
        has_stream: bool,
    },
}

/// What a guest has given to `response-outparam.set`.
#[derive(Debug)]
pub(super) enum SetResponse {
    /// A response, with a body if the guest has asked for one.
    Response(Option<Arc<ResponseBody>>),
    /// An error.
    Failed(ErrorCode),
    /// A response whose head cannot be sent.
    Refused(ResponseError),
    /// A response whose body was made for another request.
    OfAnotherRequest,
}

/// How a handler that has returned ends its response.
pub(super) fn outcome(set: Option<SetResponse>) -> Result<Outcome, NoResponse> {
    let body = match set {
        None => return Err(NoResponse::NeverSet),
        Some(SetResponse::Failed(code)) => {
            return Err(NoResponse::of_code(&code));
        }
        Some(SetResponse::Refused(error)) => return Err(NoResponse::Refused(error)),
        Some(SetResponse::OfAnotherRequest) => {
            return Err(NoResponse::Unfinished("it has made the body for another request"));
        }
        Some(SetResponse::Response(None)) => return Ok(Outcome::Body(Bytes::new())),
        Some(SetResponse::Response(Some(body))) => body,
    };
    body.outcome()
}

impl types::HostOutgoingResponse for GuestState {
    fn new(&mut self, fields: Resource<GuestFields>) -> wasmtime::Result<Resource<OutgoingResponse>> {
        let mut fields = self.take_lines(fields)?;
        // A response has no `host` (RFC 9110 section 7.2), but guests give a proxied request's fields back. Its `trailer` is for
        // the host to send.
        if ["host", TRAILER].iter().any(|name| fields.contains(name)) {
            let _ = fields.change(|fields| {
                fields.remove("host");
                fields.remove(TRAILER);
                Ok(())
            });
        }
        Ok(self.table_mut().push(OutgoingResponse { status: None, fields, body: None })?)
    }

    fn status_code(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<u16> {
        let status = self.table_mut().get(&response)?.status;
        Ok(status.or_else(|| self.options().map(|options| options.settings.status)).unwrap_or(200))
    }

    fn set_status_code(
        &mut self,
        response: Resource<OutgoingResponse>,
        status: u16,
    ) -> wasmtime::Result<Result<(), ()>> {
        if !(200..=599).contains(&status) {
            return Ok(Err(()));
        }
        self.table_mut().get_mut(&response)?.status = Some(status);
        Ok(Ok(()))
    }

    fn headers(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<Resource<GuestFields>> {
        let fields = self.table_mut().get(&response)?.fields.try_clone().map_err(too_many)?;
        Ok(self.table_mut().push(GuestFields::fixed(fields))?)
    }

    fn body(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let scope = self.http_mut().scope.clone();
        let response = self.table_mut().get_mut(&response)?;
        if response.body.is_some() {
            return Ok(Err(()));
        }
        let body = ResponseBody::new(scope);
        response.body = Some(body.clone());
        Ok(Ok(self.table_mut().push(OutgoingBody::Response { body, has_stream: false })?))
    }

    fn drop(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<()> {
        let response = self.table_mut().delete(response)?;
        if let Some(body) = response.body {
            // Nobody can set it any more.
            body.drop_unfinished();
        }
        Ok(())
    }
}

impl types::HostResponseOutparam for GuestState {
    fn send_informational(
        &mut self,
        _: Resource<ResponseOutparam>,
        _: u16,
        fields: Resource<GuestFields>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        self.table_mut().delete(fields)?;
        Ok(Err(ErrorCode::InternalError(Some("this host sends no informational responses".to_owned()))))
    }

    fn set(
        &mut self,
        out: Resource<ResponseOutparam>,
        response: Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> wasmtime::Result<()> {
        let ResponseOutparam(scope) = self.table_mut().delete(out)?;
        let mut response = match response {
            Ok(response) => self.table_mut().delete(response)?,
            Err(code) => {
                self.set_response(&scope, SetResponse::Failed(code));
                return Ok(());
            }
        };
        let Some(exchange) = scope.exchange() else { return Ok(()) };
        if response.body.as_ref().is_some_and(|body| !body.is_of(&scope)) {
            self.set_response(&scope, SetResponse::OfAnotherRequest);
            return Ok(());
        }
        if response.body.is_none() && !response.fields.contains("content-length") {
            // If the fields are at their bounds, the body is an empty one in the chunked coding.
            let _ = response.fields.change(|fields| fields.set("content-length", b"0"));
        }
        let set = match exchange.set_head(response.status, &response.fields) {
            // If a middleware has sent the head, what the handler writes follows what that has written.
            Ok(()) | Err(ResponseError::HeadSent) => {
                match &response.body {
                    Some(body) => body.send(&exchange),
                    // If the chain has to see the head first, or if the head promises a body, the response is finished when
                    // the handler has returned.
                    None if exchange.response(|response| response.contradicts(0)) => {}
                    None => drop(exchange.write(b"", &mut 0)),
                }
                SetResponse::Response(response.body)
            }
            // The client has gone: what is written says so.
            Err(ResponseError::Closed) => {
                if let Some(body) = &response.body {
                    body.send(&exchange);
                }
                SetResponse::Response(None)
            }
            Err(error) => SetResponse::Refused(error),
        };
        self.set_response(&scope, set);
        Ok(())
    }

    fn drop(&mut self, out: Resource<ResponseOutparam>) -> wasmtime::Result<()> {
        self.table_mut().delete(out)?;
        Ok(())
    }
}

impl GuestState {
    /// Keeps what a guest has set for the invocation that it belongs to.
    fn set_response(&mut self, scope: &Arc<RequestScope>, set: SetResponse) {
        let http = self.http_mut();
        if http.scope.as_ref().is_some_and(|current| Arc::ptr_eq(current, scope)) {
            http.response = Some(set);
        }
    }
}

impl types::HostOutgoingBody for GuestState {
    fn write(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let response = match self.table_mut().get_mut(&body)? {
            OutgoingBody::Response { has_stream: true, .. } | OutgoingBody::Request { has_stream: true, .. } => {
                return Ok(Err(()));
            }
            OutgoingBody::Response { body, has_stream } => {
                *has_stream = true;
                body.clone()
            }
            OutgoingBody::Request { body: sent, has_stream } => {
                *has_stream = true;
                let stream: DynOutputStream = Box::new(RequestStream(sent.clone()));
                return Ok(Ok(self.table_mut().push_child(stream, &body)?));
            }
        };
        let stream: DynOutputStream = Box::new(ResponseStream::new(response.clone()));
        let stream = self.table_mut().push_child(stream, &body)?;
        self.http_mut().add_stream(stream.rep(), response);
        Ok(Ok(stream))
    }

    async fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<GuestFields>>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let mut trailers = trailers.map(|trailers| self.take_lines(trailers)).transpose()?;
        let body = match self.table_mut().delete(body)? {
            OutgoingBody::Response { body, .. } => body,
            OutgoingBody::Request { body, .. } => return Ok(outgoing::finish(&body, trailers.as_deref())),
        };
        loop {
            match body.finish(&mut trailers) {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => body.writable().await.map_err(|_| never_set())?,
                Err(code) => return Ok(Err(code)),
            }
        }
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        match self.table_mut().delete(body)? {
            OutgoingBody::Response { body, .. } => body.drop_unfinished(),
            OutgoingBody::Request { body, .. } => outgoing::drop_unfinished(&body),
        }
        Ok(())
    }
}

/// The stream of a response's body.
struct ResponseStream(Arc<ResponseBody>);

impl ResponseStream {
    fn new(body: Arc<ResponseBody>) -> Self {
        body.set_has_stream(true);
        Self(body)
    }
}

impl Drop for ResponseStream {
    fn drop(&mut self) {
        self.0.set_has_stream(false);
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ResponseStream {
    async fn ready(&mut self) {
        if self.0.writable().await.is_ok() {
            return;
        }
        if let Some(exchange) = self.0.exchange_of_request() {
            // Another of the things that the guest waits for may let it set its response.
            exchange.wait_for_itself().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for ResponseStream {
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(self.0.room()?)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.0.write(&bytes, &mut 0)? {
            true => Ok(()),
            false => Err(StreamError::trap("it has written more than `check-write` allows")),
        }
    }

    async fn write_ready(&mut self) -> StreamResult<usize> {
        loop {
            match self.0.room()? {
                0 => self.0.writable().await?,
                bytes => return Ok(bytes),
            }
        }
    }

    /// What is written goes out as soon as the guest waits.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
}
