//! What the host answers in a handler's place, and when.
//!
//! It must not know how an answer is sent.

use std::sync::Arc;

use super::drive::RETRY;
use super::near::{near_routes, routes_for_others};
use super::page::{Page, Written};
use crate::close_reason::CloseReason;
use crate::config::Audience;
use crate::http::head::RequestHead;
use crate::routes::{Lookup, Params, Route, RouteTable};

/// An answer of the host's own.
#[derive(Debug)]
pub(super) struct Refusal<'r> {
    pub(super) status: u16,
    /// A field besides those that any answer has.
    field: Option<(&'r str, &'r str)>,
    text: String,
    /// What only those who develop are told.
    details: String,
    /// Why the connection ends with it, where nothing after it can be trusted to be a request.
    pub(super) last: Option<CloseReason>,
}

impl<'r> Refusal<'r> {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, field: None, text: text.into(), details: String::new(), last: None }
    }

    /// Its answer to a request with this head, where it could be read, and this number.
    pub(super) fn write(&self, head: Option<&RequestHead>, id: u64) -> Written<'r> {
        let page = Page { status: self.status, text: &self.text, details: &self.details, request: Some(id) };
        // What is wrong with a request that cannot be trusted is told in the form that anybody reads.
        let asked = head.filter(|_| self.last.is_none()).map(|head| head.values("accept"));
        page.write(asked, self.field.as_slice())
    }

    pub(super) fn with(self, field: (&'r str, &'r str)) -> Self {
        Self { field: Some(field), ..self }
    }

    fn explained(self, details: String) -> Self {
        Self { details, ..self }
    }

    pub(super) fn last(self, reason: CloseReason) -> Self {
        Self { last: Some(reason), ..self }
    }

    /// Of a request whose end cannot be known.
    pub(super) fn of_wrong(status: u16, error: &impl std::fmt::Display) -> Self {
        Self::new(status, error.to_string()).last(CloseReason::Refused)
    }
}

/// A request that no route answers.
pub(super) struct Unanswered<'t> {
    /// What the host answers.
    pub(super) refusal: Refusal<'t>,
    /// The first of the routes at its path, where there are any.
    pub(super) first: Option<&'t Arc<Route>>,
}

/// The route that answers a request; or what the host does in its place.
pub(super) fn find<'t>(
    table: &'t RouteTable,
    head: &RequestHead,
    audience: Audience,
) -> Result<(Arc<Route>, Params), Unanswered<'t>> {
    let explain = |explain: fn(&RouteTable, &RequestHead) -> String| match audience {
        Audience::Developers => explain(table, head),
        Audience::Strangers => String::new(),
    };
    if head.is_for_server() {
        return Err(Unanswered { refusal: Refusal::new(204, "").with(("Allow", table.allow_all())), first: None });
    }
    let refusal = match table.lookup(head.method(), head.path()) {
        Lookup::Found { route, params } => return Ok((Arc::clone(route), params)),
        Lookup::Options { allow, first } => {
            return Err(Unanswered { refusal: Refusal::new(204, "").with(("Allow", allow)), first: Some(first) });
        }
        Lookup::MethodNotAllowed { allow, first } => {
            let text = format!("{} does not take {}; it takes {allow}", head.path(), head.method());
            let refusal = Refusal::new(405, text).with(("Allow", allow)).explained(explain(routes_for_others));
            return Err(Unanswered { refusal, first: Some(first) });
        }
        Lookup::NotImplemented => Refusal::new(501, format!("no route takes the method {}", head.method())),
        Lookup::NotFound => {
            Refusal::new(404, format!("there is no route at {}", head.path())).explained(explain(near_routes))
        }
        Lookup::BadPath => Refusal::new(400, "the path does not decode to text"),
        Lookup::Awaited => Refusal::new(503, "the route is still being loaded").with(RETRY),
    };
    Err(Unanswered { refusal, first: None })
}
