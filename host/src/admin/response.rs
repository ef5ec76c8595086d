//! The responses of the admin listener.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};

use super::AdminState;
use super::dashboard::{DASHBOARD, Dashboard};
use super::details;
use super::events::Viewer;
use super::guard::{check_host, check_site};
use crate::metrics::TextFormat;

const TEXT: &str = "text/plain; charset=utf-8";

/// What a response may do that is opened as a page: nothing.
const CONTENT_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Fields of each response.
const FIELDS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
];

/// The body of a response.
#[derive(Debug)]
pub(super) enum AdminBody {
    /// All of it. `None` once it was taken.
    Whole(Option<Bytes>),
    /// Live figures.
    Events(Viewer),
}

/// Answers a request. `is_local` is whether it came over a Unix socket, which no page of a site can open.
pub(super) fn respond<B>(state: &AdminState, request: &Request<B>, is_local: bool) -> Response<AdminBody> {
    let checked = match is_local {
        true => Ok(()),
        false => check_host(request.uri(), request.headers(), &state.settings.hosts)
            .and_then(|()| check_site(request.headers())),
    };
    if let Err((status, text)) = checked {
        return told(status, text);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = told(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => dashboard(),
        "/healthz" => health(state),
        "/readyz" => readiness(state),
        "/metrics" => {
            let format = TextFormat::preferred(accepted(request.headers()));
            whole(StatusCode::OK, format.content_type(), state.monitor.snapshot().to_text(format))
        }
        "/stats.json" => whole(StatusCode::OK, "application/json", state.monitor.snapshot().to_json()),
        "/stats/events" => events(state),
        "/routes.json" => whole(StatusCode::OK, "application/json", details::routes(&state.monitor.routes())),
        "/failures.json" => {
            whole(StatusCode::OK, "application/json", details::failures(&state.monitor.last_failures()))
        }
        _ => told(StatusCode::NOT_FOUND, "there is nothing at this path; see /".to_owned()),
    }
}

fn health(state: &AdminState) -> Response<AdminBody> {
    let max_stall = state.settings.max_stall;
    let stalled = state.monitor.stalled_workers(max_stall);
    if stalled.is_empty() {
        return told(StatusCode::OK, "ok".to_owned());
    }
    let names: Vec<String> = stalled.iter().map(|worker| format!("worker-{worker}")).collect();
    told(StatusCode::SERVICE_UNAVAILABLE, format!("took no turn for {max_stall:?}: {}", names.join(", ")))
}

fn readiness(state: &AdminState) -> Response<AdminBody> {
    let monitor = &state.monitor;
    let reason = match (monitor.is_draining(), monitor.is_loaded()) {
        (true, _) => "the host stops",
        (false, false) => "routes are being loaded",
        (false, true) => return told(StatusCode::OK, "ready".to_owned()),
    };
    told(StatusCode::SERVICE_UNAVAILABLE, reason.to_owned())
}

fn events(state: &AdminState) -> Response<AdminBody> {
    match state.events.subscribe() {
        Some(viewer) => response(StatusCode::OK, "text/event-stream", AdminBody::Events(viewer)),
        None => {
            let text = format!("there are {} viewers, and no more are served", super::MAX_VIEWERS);
            let mut response = told(StatusCode::SERVICE_UNAVAILABLE, text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}

/// The page at `/`, with a policy of its own.
fn dashboard() -> Response<AdminBody> {
    let Dashboard { page, policy } = &*DASHBOARD;
    let mut response = response(StatusCode::OK, "text/html; charset=utf-8", AdminBody::Whole(Some(page.clone())));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    response
}

fn accepted(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok())
}

/// A response of one line.
fn told(status: StatusCode, text: String) -> Response<AdminBody> {
    whole(status, TEXT, text + "\n")
}

fn whole(status: StatusCode, content_type: &'static str, text: String) -> Response<AdminBody> {
    response(status, content_type, AdminBody::Whole(Some(text.into())))
}

fn response(status: StatusCode, content_type: &'static str, body: AdminBody) -> Response<AdminBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = FIELDS.into_iter().chain([(CONTENT_TYPE, content_type)]);
    fields.for_each(|(name, value)| _ = response.headers_mut().insert(name, HeaderValue::from_static(value)));
    response
}

impl Body for AdminBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let data = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::Events(viewer) => Pin::new(viewer).poll_next(cx),
        };
        data.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
