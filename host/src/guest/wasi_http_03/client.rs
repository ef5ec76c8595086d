//! Requests to other servers: `wasi:http/client` 0.3, which is granted as in all worlds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

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
type StartedCall = (Arc<UpstreamCall>, Arc<Exchange>);

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
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<StartedCall, Error> {
        let (context, exchange) = self.invocation.as_ref().ok_or(Error::HttpRequestDenied)?;
        // Without a grant it is denied, whatever it is like.
        let denied = |invalid| if context.grants_requests() { invalid } else { Error::HttpRequestDenied };
        let request = upstream_request(request, options).map_err(denied)?;
        let call = self.calls.call(context, request).map_err(|failure| error(&failure))?;
        Ok((call, exchange.clone()))
    }
}

/// Waits for the response of a call.
pub(super) async fn response((call, exchange): StartedCall) -> Result<Response<WasiBody>, Error> {
    call.responded(&exchange).await;
    let head = call.response(|response| (response.status(), response.fields().clone()));
    let (status, fields) = head.unwrap_or(Err(UpstreamFailure::Ended)).map_err(|failure| error(&failure))?;
    let mut response = Response::new(ReceivedBody { call, exchange, wait: None }.boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Error::HttpProtocolError)?;
    *response.headers_mut() = fields;
    Ok(response)
}

/// A request as it is sent.
fn upstream_request(request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<UpstreamRequest, Error> {
    let (head, body) = request.into_parts();
    if head.method == http::Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let authority = head.uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let separator = if path.starts_with('/') { "" } else { "/" };
    let url = format!("{}://{authority}{separator}{path}", head.uri.scheme_str().unwrap_or("https"));
    let target = url.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
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
            Some(Err(failure)) => Some(Err(error(&failure))),
            Some(Ok(None)) => {
                let trailers = self.call.response(|response| response.take_trailers());
                trailers.and_then(Result::ok).flatten().map(|trailers| Ok(Frame::trailers(trailers)))
            }
        })
    }
}

/// A failure as the guest is told of it.
fn error(failure: &UpstreamFailure) -> Error {
    match failure {
        UpstreamFailure::Denied => Error::HttpRequestDenied,
        UpstreamFailure::AddressProhibited(_) => Error::DestinationIpProhibited,
        UpstreamFailure::Lookup(reason) => Error::DnsError { rcode: Some(reason.clone()), info_code: None },
        UpstreamFailure::Refused => Error::ConnectionRefused,
        UpstreamFailure::Unreachable(_) => Error::DestinationUnavailable,
        UpstreamFailure::ConnectTimeout(_) => Error::ConnectionTimeout,
        UpstreamFailure::Certificate(_) => Error::TlsCertificateError,
        UpstreamFailure::TlsAlert { number, text } => {
            Error::TlsAlertReceived { alert_id: Some(*number), alert_message: Some(text.clone()) }
        }
        UpstreamFailure::Tls(_) => Error::TlsProtocolError,
        UpstreamFailure::FirstByteTimeout(_) => Error::HttpResponseTimeout,
        UpstreamFailure::ReadTimeout(_) => Error::ConnectionReadTimeout,
        UpstreamFailure::WriteTimeout(_) => Error::ConnectionWriteTimeout,
        UpstreamFailure::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        UpstreamFailure::BodyTooLarge(max) => Error::HttpResponseBodySize(Some(*max)),
        UpstreamFailure::TooManyCalls(_) => Error::ConnectionLimitReached,
        UpstreamFailure::Closed | UpstreamFailure::Ended => Error::ConnectionTerminated,
        UpstreamFailure::Incomplete => Error::HttpResponseIncomplete,
        UpstreamFailure::Protocol(_) => Error::HttpProtocolError,
        UpstreamFailure::Invalid(_) => Error::HttpRequestUriInvalid,
        UpstreamFailure::RequestLength => Error::HttpRequestBodySize(None),
        UpstreamFailure::Internal(reason) => Error::InternalError(Some(reason.clone())),
    }
}
