//! The request as the library takes it, and its body, read from the exchange.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Frame;
use wasmtime_wasi_http::p3::Request as GuestRequest;
use wasmtime_wasi_http::{Error, FieldMap, FieldMapError};

use super::super::request_fields::VisibleFields;
use super::super::wasi_http::{NoResponse, RequestScope};
use super::error_code;
use crate::exchange::{Request, RequestScheme};
use crate::http::fields::Fields;

/// The request of an exchange.
///
/// # Errors
/// The library has no word for it: what a client sends may be longer than it takes.
pub(super) fn of(scope: &Arc<RequestScope>) -> Result<GuestRequest, NoResponse> {
    const NO_REQUEST: NoResponse = NoResponse::NotCalled("there is no request");
    let (exchange, visible) = scope.request_fields().ok_or(NO_REQUEST)?;
    let request = exchange.request().ok_or(NO_REQUEST)?;
    let head = &request.head;
    let target = match head.query() {
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", head.path())),
        None => PathAndQuery::try_from(head.path()),
    };
    let target = target.map_err(|_| NoResponse::NotCalled("wasi:http 0.3 has no such target"))?;
    let method = Method::from_bytes(head.method().as_bytes());
    let method = method.map_err(|_| NoResponse::NotCalled("wasi:http 0.3 has no such method"))?;
    let authority = request.authority().and_then(|authority| Authority::try_from(authority).ok());
    let fields = fields(request, &visible).map_err(|_| NoResponse::NotCalled("its request has too many fields"))?;
    let body = RequestBody { scope: scope.clone(), wait: None, is_over: false };
    let scheme = match request.scheme {
        RequestScheme::Http => Scheme::HTTP,
        RequestScheme::Https => Scheme::HTTPS,
    };
    let (request, _) = GuestRequest::new(method, Some(scheme), authority, Some(target), fields, None, body);
    Ok(request)
}

/// The fields that the guest sees, which it cannot change.
fn fields(request: &Request, visible: &VisibleFields) -> Result<FieldMap, FieldMapError> {
    // They are bounded by the limits of a head.
    let mut fields = FieldMap::new_mutable(usize::MAX);
    let mut added = Ok(false);
    visible.for_each(request, |name, value| {
        if let (true, Ok(name), Ok(value)) = (added.is_ok(), HeaderName::try_from(name), HeaderValue::from_bytes(value))
        {
            added = fields.append_raw(name, value);
        }
    });
    added?;
    fields.set_immutable();
    Ok(fields)
}

/// The body of the request. After the invocation it has ended.
struct RequestBody {
    scope: Arc<RequestScope>,
    /// The wait for the next piece. It counts as one of the handler as long as it is here.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    is_over: bool,
}

impl RequestBody {
    fn end(&mut self, frame: Option<Result<Frame<Bytes>, Error>>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.is_over = true;
        Poll::Ready(frame)
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            let Some((exchange, visible)) = self.scope.request_fields() else {
                self.wait = None;
                return self.end(None);
            };
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            match exchange.try_read(usize::MAX) {
                Some(Ok(Some(piece))) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(Ok(None)) => {
                    let trailers = exchange.take_request_trailers().map(|mut trailers| {
                        visible.remove_from(&mut trailers);
                        Ok(Frame::trailers(header_map(&trailers)))
                    });
                    return self.end(trailers);
                }
                Some(Err(error)) => return self.end(Some(Err(error_code::of_body(error)))),
                None => self.wait = Some(Box::pin(async move { exchange.readable().await })),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields.all() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            // They are bounded, far below what the map takes.
            let _ = map.try_append(name, value);
        }
    }
    map
}
