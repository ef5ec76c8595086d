//! Requests to other servers: `wasi:http/client` 0.3, which is granted as in all worlds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::uri::PathAndQuery;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::component::{Access, Accessor, Resource};
use wasmtime_wasi_http::p3::bindings::http::types::{
    DnsErrorPayload, ErrorCode, Request, Response, TlsAlertReceivedPayload,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpView as _};

use super::super::state::GuestState;
use super::super::upstream_call::{CallContext, UpstreamCall, UpstreamCalls};
use crate::exchange::Exchange;
use crate::outbound::{CallTimeouts, UpstreamBody, UpstreamFailure, UpstreamRequest};

/// What the guest of an invocation needs to call other servers.
#[derive(Debug, Default)]
pub(super) struct ClientCalls {
    invocation: Option<(CallContext, Arc<Exchange>)>,
    calls: UpstreamCalls,
}

/// A call that is on its way.
pub(super) type StartedCall = (Arc<UpstreamCall>, Arc<Exchange>);

impl ClientCalls {
    /// The guest is called.
    pub(super) fn begin(&mut self, context: CallContext, exchange: Arc<Exchange>) {
        self.invocation = Some((context, exchange));
    }

    /// The invocation has ended: its requests are given up.
    pub(super) fn end(&mut self) {
        self.invocation = None;
        self.calls.end_invocation();
    }

    /// Sends a request.
    pub(super) fn start(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<StartedCall, ErrorCode> {
        let (context, exchange) = self.invocation.as_ref().ok_or(ErrorCode::HttpRequestDenied)?;
        // Without a grant it is denied, whatever it is like.
        let denied = |invalid| if context.grants_requests() { invalid } else { ErrorCode::HttpRequestDenied };
        let request = upstream_request(request, options).map_err(denied)?;
        let call = self.calls.call(context, request).map_err(|failure| code(&failure))?;
        Ok((call, exchange.clone()))
    }
}

/// What the function `send` gives the guest.
type Sent = wasmtime::Result<(Result<Resource<Response>, ErrorCode>,)>;

/// The function `send` of `wasi:http/client`. That of the library tells a guest that a request was transmitted also if it was
/// not, and refuses one without a path.
pub(super) fn send(
    accessor: &Accessor<GuestState>,
    (request,): (Resource<Request>,),
) -> Pin<Box<dyn Future<Output = Sent> + Send + '_>> {
    Box::pin(async move {
        let (outcome, told) = oneshot::channel();
        let started = accessor.with(|store| start(store, request, told))?;
        let responded = match started {
            Ok(call) => response(call).await,
            Err(code) => Err(code),
        };
        // If the guest has dropped the future, nobody is told.
        let _ = outcome.send(responded.as_ref().map(drop).map_err(ErrorCode::clone));
        let response = match responded {
            Ok(response) => response,
            Err(code) => return Ok((Err(code),)),
        };
        let response = accessor.with(|mut store| {
            let (table, hooks) = store.data_mut().table_and_hooks();
            // What is left of the transfer is in its body.
            let (response, _) = Response::from_http(hooks, response);
            table.push(response)
        })?;
        Ok((Ok(response),))
    })
}

/// Starts a call. `outcome` is how it has ended, as the guest is told once the body of the request has ended too.
fn start(
    mut store: Access<'_, GuestState>,
    request: Resource<Request>,
    outcome: oneshot::Receiver<Result<(), ErrorCode>>,
) -> wasmtime::Result<Result<StartedCall, ErrorCode>> {
    let (body_end, body_sent) = oneshot::channel();
    let transmitted = async {
        outcome.await.unwrap_or(Err(ErrorCode::ConnectionTerminated))?;
        body_sent.await.map_err(|_| Error::ConnectionTerminated)
    };
    let mut request = store.data_mut().table_and_hooks().0.delete(request)?;
    request.path_with_query.get_or_insert(PathAndQuery::from_static("/"));
    let (request, options) = match request.into_http_with_getter(&mut store, transmitted, GuestState::http) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error.downcast()?)),
    };
    let request = request.map(|body| TransmittedBody { body, end: Some(body_end) }.boxed_unsync());
    let hooks = store.data_mut().table_and_hooks().1;
    Ok(hooks.start_call(request, options.as_deref().copied()))
}

/// The body of a request, which reports when all of it was taken.
struct TransmittedBody {
    body: WasiBody,
    /// It is dropped unused if the body is given up before its end.
    end: Option<oneshot::Sender<()>>,
}

impl TransmittedBody {
    fn note_end(&mut self) {
        if let Some(end) = self.end.take() {
            // If the guest has dropped the future, nobody is told.
            let _ = end.send(());
        }
    }
}

impl Body for TransmittedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.note_end(),
            Some(Ok(_)) if self.body.is_end_stream() => self.note_end(),
            Some(Ok(_)) => {}
            Some(Err(_)) => self.end = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TransmittedBody {
    fn drop(&mut self) {
        // A body of a declared length is not asked for its end.
        if self.body.is_end_stream() || self.body.size_hint().exact() == Some(0) {
            self.note_end();
        }
    }
}

/// Waits for the response of a call.
async fn response((call, exchange): StartedCall) -> Result<http::Response<WasiBody>, ErrorCode> {
    call.responded(&exchange).await;
    let head = call.response(|response| (response.status(), response.fields().clone()));
    let (status, fields) = head.unwrap_or(Err(UpstreamFailure::Ended)).map_err(|failure| code(&failure))?;
    let mut response = http::Response::new(ReceivedBody { call, exchange, wait: None }.boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| ErrorCode::HttpProtocolError)?;
    *response.headers_mut() = fields;
    Ok(response)
}

/// A request as it is sent.
fn upstream_request(
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<UpstreamRequest, ErrorCode> {
    let (head, body) = request.into_parts();
    if head.method == http::Method::CONNECT {
        return Err(ErrorCode::HttpRequestMethodInvalid);
    }
    let authority = head.uri.authority().ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let separator = if path.starts_with('/') { "" } else { "/" };
    let url = format!("{}://{authority}{separator}{path}", head.uri.scheme_str().unwrap_or("https"));
    let target = url.parse().map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let body = match body.is_end_stream() {
        true => UpstreamBody::Empty,
        // What the guest has broken off is no whole body.
        false => UpstreamBody::Stream(body.map_err(|_| UpstreamFailure::RequestLength).boxed_unsync()),
    };
    let timeouts = options.map_or_else(CallTimeouts::default, |options| CallTimeouts {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
    });
    Ok(UpstreamRequest { method: head.method, target, fields: head.headers, body, timeouts })
}

/// The body of a response. After the invocation it has failed.
struct ReceivedBody {
    call: Arc<UpstreamCall>,
    exchange: Arc<Exchange>,
    /// The wait for the next piece. It counts as one of the handler as long as it is here.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.wait.is_none() {
            let (call, exchange) = (self.call.clone(), self.exchange.clone());
            self.wait = Some(Box::pin(async move { call.readable(&exchange).await }));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
        }
        self.wait = None;
        Poll::Ready(match self.call.try_read(usize::MAX) {
            None => None,
            Some(Ok(Some(piece))) => Some(Ok(Frame::data(piece))),
            Some(Err(failure)) => Some(Err(code(&failure).into())),
            Some(Ok(None)) => {
                let trailers = self.call.response(|response| response.take_trailers());
                trailers.and_then(Result::ok).flatten().map(|trailers| Ok(Frame::trailers(trailers)))
            }
        })
    }
}

/// A failure as the guest is told of it.
fn code(failure: &UpstreamFailure) -> ErrorCode {
    match failure {
        UpstreamFailure::Denied => ErrorCode::HttpRequestDenied,
        UpstreamFailure::AddressProhibited(_) => ErrorCode::DestinationIpProhibited,
        UpstreamFailure::Lookup(reason) => {
            ErrorCode::DnsError(DnsErrorPayload { rcode: Some(reason.clone()), info_code: None })
        }
        UpstreamFailure::Refused => ErrorCode::ConnectionRefused,
        UpstreamFailure::Unreachable(_) => ErrorCode::DestinationUnavailable,
        UpstreamFailure::ConnectTimeout(_) => ErrorCode::ConnectionTimeout,
        UpstreamFailure::Certificate(_) => ErrorCode::TlsCertificateError,
        UpstreamFailure::TlsAlert { number, text } => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: Some(*number),
            alert_message: Some(text.clone()),
        }),
        UpstreamFailure::Tls(_) => ErrorCode::TlsProtocolError,
        UpstreamFailure::FirstByteTimeout(_) => ErrorCode::HttpResponseTimeout,
        UpstreamFailure::ReadTimeout(_) => ErrorCode::ConnectionReadTimeout,
        UpstreamFailure::WriteTimeout(_) => ErrorCode::ConnectionWriteTimeout,
        UpstreamFailure::HeadTooLarge => ErrorCode::HttpResponseHeaderSectionSize(None),
        UpstreamFailure::BodyTooLarge(max) => ErrorCode::HttpResponseBodySize(Some(*max)),
        UpstreamFailure::TooManyCalls(_) => ErrorCode::ConnectionLimitReached,
        UpstreamFailure::Closed | UpstreamFailure::Ended => ErrorCode::ConnectionTerminated,
        UpstreamFailure::Incomplete => ErrorCode::HttpResponseIncomplete,
        UpstreamFailure::Protocol(_) => ErrorCode::HttpProtocolError,
        UpstreamFailure::Invalid(_) => ErrorCode::HttpRequestUriInvalid,
        UpstreamFailure::RequestLength => ErrorCode::HttpRequestBodySize(None),
        UpstreamFailure::Internal(reason) => ErrorCode::InternalError(Some(reason.clone())),
    }
}
