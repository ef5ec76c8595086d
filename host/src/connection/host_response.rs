//! The responses that the host sends instead of a handler, and when it does.

use std::sync::Arc;

use super::error_page::{Details, ErrorPage, RETRY, RenderedPage};
use super::suggestions::{near_routes, routes_for_others};
use crate::close_reason::CloseReason;
use crate::config::ErrorDetail;
use crate::http::head::RequestHead;
use crate::routes::{Lookup, Params, Route, RouteTable};

/// A response of the host's own.
#[derive(Debug)]
pub(super) struct HostResponse<'r> {
    pub(super) status: u16,
    /// A field in addition to those of every response.
    field: Option<(&'r str, &'r str)>,
    text: String,
    /// Details that are shown in development mode only.
    details: String,
    /// Why the connection closes after the response. It is set if the bytes after the request cannot be trusted.
    pub(super) last: Option<CloseReason>,
}

impl<'r> HostResponse<'r> {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, field: None, text: text.into(), details: String::new(), last: None }
    }

    /// The response to the request with this number. `head` is its head, if it could be parsed.
    pub(super) fn write(&self, head: Option<&RequestHead>, id: u64) -> RenderedPage<'r> {
        let page = ErrorPage { status: self.status, text: &self.text, details: self.details(), request: Some(id) };
        // If the request cannot be trusted, its `Accept` is ignored and the response is plain text.
        let asked = head.filter(|_| self.last.is_none()).map(|head| head.values("accept"));
        page.write(asked, self.field.as_slice())
    }

    pub(super) fn with(self, field: (&'r str, &'r str)) -> Self {
        Self { field: Some(field), ..self }
    }

    fn details(&self) -> Details<'_> {
        if self.details.is_empty() { Details::None } else { Details::Text(&self.details) }
    }

    fn explained(self, details: String) -> Self {
        Self { details, ..self }
    }

    pub(super) fn last(self, reason: CloseReason) -> Self {
        Self { last: Some(reason), ..self }
    }

    /// The response to a request whose end cannot be determined.
    pub(super) fn of_wrong(status: u16, error: &impl std::fmt::Display) -> Self {
        Self::new(status, error.to_string()).last(CloseReason::Refused)
    }
}

/// A request without a route.
pub(super) struct NoRoute<'t> {
    /// The host's response.
    pub(super) refusal: HostResponse<'t>,
    /// The first of the routes for its path, if there are any.
    pub(super) first: Option<&'t Arc<Route>>,
}

/// The route for a request, or the host's response if there is none.
pub(super) fn find<'t>(
    table: &'t RouteTable,
    head: &RequestHead,
    error_detail: ErrorDetail,
) -> Result<(Arc<Route>, Params), NoRoute<'t>> {
    let explain = |explain: fn(&RouteTable, &RequestHead) -> String| match error_detail {
        ErrorDetail::Development => explain(table, head),
        ErrorDetail::Public | ErrorDetail::Logged => String::new(),
    };
    if head.is_for_server() {
        return Err(NoRoute { refusal: HostResponse::new(204, "").with(("Allow", table.allow_all())), first: None });
    }
    let refusal = match table.lookup(head.method(), head.path()) {
        Lookup::Found { route, params } => return Ok((Arc::clone(route), params)),
        Lookup::Options { allow, first } => {
            return Err(NoRoute { refusal: HostResponse::new(204, "").with(("Allow", allow)), first: Some(first) });
        }
        Lookup::MethodNotAllowed { allow, first } => {
            let text = format!("{} is not allowed for {} (allowed: {allow})", head.method(), head.path());
            let refusal = HostResponse::new(405, text).with(("Allow", allow)).explained(explain(routes_for_others));
            return Err(NoRoute { refusal, first: Some(first) });
        }
        Lookup::NotImplemented => HostResponse::new(501, format!("no route takes the method {}", head.method())),
        Lookup::NotFound => {
            HostResponse::new(404, format!("there is no route at {}", head.path())).explained(explain(near_routes))
        }
        Lookup::BadPath => HostResponse::new(400, "the path is not valid percent-encoded UTF-8"),
        Lookup::Pending => HostResponse::new(503, "the route is still being loaded").with(RETRY),
    };
    Err(NoRoute { refusal, first: None })
}
