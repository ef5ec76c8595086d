//! The responses that the host sends instead of a handler, and when it does.

use std::borrow::Cow;
use std::sync::Arc;

use super::dev_pages::{LiveReload, overview};
use super::error_page::{Details, ErrorPage, RETRY, RenderedPage};
use super::suggestions::{loading, near_routes, routes_for_others, why_not_loaded};
use crate::close_reason::CloseReason;
use crate::dev::{BuildReport, BuildStage};
use crate::http::head::RequestHead;
use crate::http::loopback;
use crate::routes::{Lookup, Params, Route, RouteTable, UnservedRoute};
use crate::trace::TraceId;
use crate::worker::Worker;

/// The text of a response for a route that is being loaded, which takes long only if it is compiled.
const BEING_COMPILED: &str = "the route is still being compiled";

/// The most characters of a host name that a response quotes.
pub(super) const MAX_HOST_CHARS: usize = 255;

/// A response of the host's own.
#[derive(Debug)]
pub(super) struct HostResponse<'r> {
    pub(super) status: u16,
    /// A field in addition to those of every response.
    field: Option<(&'r str, Cow<'r, str>)>,
    text: String,
    /// Details that are shown in development mode only.
    details: String,
    special: Option<Box<SpecialContent>>,
    /// Why the connection closes after the response. It is set if the bytes after the request cannot be trusted.
    pub(super) last: Option<CloseReason>,
}

/// What a response has beside a text about its status, or in place of that.
#[derive(Debug)]
enum SpecialContent {
    /// In development mode the script that reloads it, if it is sent as a page.
    Reload(LiveReload),
    /// In development mode this content of this type.
    Dev(&'static str, String),
    /// What a certificate authority has asked for.
    Challenge(String),
}

impl<'r> HostResponse<'r> {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, field: None, text: text.into(), details: String::new(), special: None, last: None }
    }

    /// Content that is served in development mode, and is neither cached nor logged.
    pub(super) fn dev_content(content_type: &'static str, content: String) -> Self {
        Self { special: Some(Box::new(SpecialContent::Dev(content_type, content))), ..Self::new(200, "") }
    }

    /// The content of a challenge of a certificate authority.
    pub(super) fn challenge(content: String) -> Self {
        Self { special: Some(Box::new(SpecialContent::Challenge(content))), ..Self::new(200, "") }
    }

    /// Whether the request is logged.
    pub(super) fn is_logged(&self) -> bool {
        !matches!(self.special.as_deref(), Some(SpecialContent::Dev(..)))
    }

    /// The response to the request with this number. `head` is its head, if it could be parsed.
    pub(super) fn write(&self, head: Option<&RequestHead>, id: u64, trace: Option<TraceId>) -> RenderedPage<'_> {
        let live = match self.special.as_deref() {
            Some(SpecialContent::Dev(content_type, content)) => {
                return RenderedPage::of_dev_content(self.status, content_type, content.clone());
            }
            Some(SpecialContent::Challenge(content)) => {
                return RenderedPage::of_challenge(self.status, content.clone());
            }
            Some(SpecialContent::Reload(live)) => Some(live.clone()),
            None => None,
        };
        let page = ErrorPage {
            status: self.status,
            text: &self.text,
            details: self.details(),
            request: Some(id),
            trace,
            live,
        };
        // If the request cannot be trusted, its `Accept` is ignored and the response is plain text.
        let asked = head.filter(|_| self.last.is_none()).map(|head| head.values("accept"));
        let field = self.field.as_ref().map(|(name, value)| (*name, &**value));
        page.write(asked, field.as_slice())
    }

    pub(super) fn with(self, field: (&'r str, &'r str)) -> Self {
        Self { field: Some((field.0, field.1.into())), ..self }
    }

    pub(super) fn with_value(self, name: &'r str, value: String) -> Self {
        Self { field: Some((name, value.into())), ..self }
    }

    fn details(&self) -> Details<'_> {
        if self.details.is_empty() { Details::None } else { Details::Text(&self.details) }
    }

    pub(super) fn explained(self, details: String) -> Self {
        Self { details, ..self }
    }

    /// The same, as a page that is reloaded in development mode.
    pub(super) fn live(self, worker: &Worker, head: &RequestHead) -> Self {
        let live = LiveReload::of_host_page(worker, Some(head));
        Self { special: live.map(|live| Box::new(SpecialContent::Reload(live))), ..self }
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
    worker: &Worker,
) -> Result<(Arc<Route>, Params), NoRoute<'t>> {
    let dev = worker.dev();
    let explain = |explain: fn(&RouteTable, &RequestHead) -> String| match dev {
        Some(_) => explain(table, head),
        None => String::new(),
    };
    if head.is_for_server() {
        let refusal = match table.allow_all(head) {
            Some(allow) => HostResponse::new(204, "").with(("Allow", allow)),
            None => misdirected(head),
        };
        return Err(NoRoute { refusal, first: None });
    }
    let lookup = table.lookup(head);
    let is_free = matches!(lookup, Lookup::NotFound | Lookup::Pending | Lookup::Unserved(_) | Lookup::Misdirected);
    if let Some(dev) = dev.filter(|_| is_free && head.path() == "/" && matches!(head.method(), "GET" | "HEAD")) {
        return Err(NoRoute { refusal: overview(worker, dev, table, head), first: None });
    }
    let refusal = match lookup {
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
        Lookup::Misdirected => misdirected(head),
        Lookup::BadPath => HostResponse::new(400, "the path is not valid percent-encoded UTF-8"),
        Lookup::Pending => HostResponse::new(503, BEING_COMPILED).with(RETRY).explained(explain(loading)),
        Lookup::Unserved(UnservedRoute { is_loading: true, .. }) => {
            HostResponse::new(503, BEING_COMPILED).with(RETRY).explained(explain(loading))
        }
        Lookup::Unserved(unserved) if dev.is_some() => {
            let details = why_not_loaded(table, unserved);
            HostResponse::new(503, "the route could not be loaded").with(RETRY).explained(details)
        }
        Lookup::NotFound | Lookup::Unserved(_) => match dev.and_then(|dev| dev.build()) {
            Some(build) if table.routes().is_empty() && table.load_report().diagnostics.is_empty() => unbuilt(&build),
            _ => {
                HostResponse::new(404, format!("there is no route at {}", head.path())).explained(explain(near_routes))
            }
        },
    };
    Err(NoRoute { refusal: refusal.live(worker, head), first: None })
}

/// The response to a request for a name that no site has.
fn misdirected<'r>(head: &RequestHead) -> HostResponse<'r> {
    let text = match head.authority() {
        Some(authority) => {
            let host: String = loopback::host(authority).chars().take(MAX_HOST_CHARS).collect();
            format!("there is no site {host} here")
        }
        None => "the request names no host, and there is no default site".to_owned(),
    };
    HostResponse::new(421, text)
}

/// The response while there is no version of what the host builds.
fn unbuilt<'r>(build: &BuildReport) -> HostResponse<'r> {
    let text = match &build.stage {
        BuildStage::Running | BuildStage::Succeeded(_) => format!("{} is being built", build.project),
        BuildStage::Failed(_) => format!("{} could not be built", build.project),
    };
    HostResponse::new(503, text).with(RETRY).explained(build.failure().unwrap_or_default().to_owned())
}
