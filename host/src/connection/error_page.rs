//! The text and the HTML of the host's own responses. Nothing from a client or a guest becomes markup.

use maud::html;
use smallvec::SmallVec;

use super::dev_pages::{CONTENT_POLICY, LiveReload};
use crate::clock;
use crate::failure_report::FailureReport;
use crate::http::accept::BodyForm;
use crate::http::status;
use crate::page::{page, page_with_icon};
use crate::response::{Response, ResponseError};
use crate::trace::TraceId;

#[cfg(test)]
mod tests;

/// The field that tells a cache that the response has two forms.
const VARY: (&str, &str) = ("Vary", "Accept");

/// The field of a 503: there may be room as soon as another request ends.
pub(super) const RETRY: (&str, &str) = ("Retry-After", "1");

/// A response of the host's own.
#[derive(Debug, Clone, Default)]
pub(super) struct ErrorPage<'p> {
    /// The status.
    pub(super) status: u16,
    /// What is wrong, as a clause without a full stop. If it is empty, the response has no body.
    pub(super) text: &'p str,
    /// What is shown in development mode only.
    pub(super) details: Details<'p>,
    /// The number of the request in the logs, if it has one.
    pub(super) request: Option<u64>,
    /// The id of its trace, if requests are traced.
    pub(super) trace: Option<TraceId>,
    /// The script that reloads the page, in development mode.
    pub(super) live: Option<LiveReload>,
}

/// What a page shows in development mode only.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Details<'p> {
    /// Nothing, as always in any other mode.
    #[default]
    None,
    /// Lines.
    Text(&'p str),
    /// Why the handler has failed.
    Failure(&'p FailureReport),
}

/// A response as it is sent.
#[derive(Debug)]
pub(super) struct RenderedPage<'f> {
    status: u16,
    fields: SmallVec<[(&'f str, &'f str); 4]>,
    /// Whether a cache has to know that other clients get another form of the response.
    varies: bool,
    /// The body.
    pub(super) text: String,
}

impl RenderedPage<'_> {
    /// Content of any type that is served in development mode.
    pub(super) fn of_dev_content(status: u16, content_type: &'static str, text: String) -> Self {
        let fields = [("Content-Type", content_type), CONTENT_POLICY, ("Cache-Control", "no-store")];
        Self { status, fields: fields.into_iter().collect(), varies: false, text }
    }

    /// What shows a certificate authority that a name leads here (RFC 8555 section 8.3).
    pub(super) fn of_challenge(status: u16, text: String) -> Self {
        let fields = [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")];
        Self { status, fields: fields.into_iter().collect(), varies: false, text }
    }

    /// Makes it the response, and removes what was set before. The head must not be sent yet.
    pub(super) fn replace(self, response: &mut Response) {
        // `fields_mut` fails only if the head is sent, and the callers have checked that it is not.
        if let Ok(fields) = response.fields_mut() {
            fields.clear();
        }
        self.answer(response);
    }

    /// Makes it the response, and keeps the fields that are set. The head must not be sent yet.
    pub(super) fn answer(mut self, response: &mut Response) {
        if self.varies {
            self.fields.push(VARY);
        }
        // This cannot fail: the callers have checked that the head is not sent, and the fields are the host's own.
        let answered = response.answer(self.status, &self.fields, &self.text, clock::date());
        debug_assert_eq!(answered, Ok(()));
    }

    /// Sets its head, and keeps the fields that are set. The caller sends its text as the body.
    ///
    /// # Errors
    /// As [`Response::describe`].
    pub(super) fn describe(&self, response: &mut Response) -> Result<(), ResponseError> {
        response.describe(self.status, &self.fields, &self.text)?;
        if self.varies {
            // A `Vary` that was set before has to stay, so this is appended.
            response.fields_mut()?.append(VARY.0, VARY.1.as_bytes())?;
        }
        Ok(())
    }
}

/// Whether a cache may keep a response with this status without an explicit lifetime (RFC 9110 section 15.1). If so, it
/// has to know that other clients get another form of the response.
fn is_cacheable(status: u16) -> bool {
    matches!(status, 404 | 405 | 410 | 414 | 501)
}

impl ErrorPage<'_> {
    /// Renders it in the form that the client prefers. `asked` are the values of `Accept`. If it is `None`, because the
    /// request was not understood, the form is plain text. `fields` are the host's own.
    pub(super) fn write<'f, 'v>(
        &self,
        asked: Option<impl Iterator<Item = &'v [u8]>>,
        fields: &[(&'f str, &'f str)],
    ) -> RenderedPage<'f> {
        let chosen = if self.text.is_empty() { None } else { asked.map(BodyForm::preferred) };
        let form = chosen.unwrap_or(BodyForm::Plain);
        let content_type = (form == BodyForm::Html).then_some(("Content-Type", form.content_type()));
        let policy = self.live.as_ref().and_then(|_| content_type.map(|_| CONTENT_POLICY));
        RenderedPage {
            status: self.status,
            fields: content_type.into_iter().chain(policy).chain(fields.iter().copied()).collect(),
            varies: chosen.is_some() && is_cacheable(self.status),
            text: self.render(form),
        }
    }

    /// The body. It is empty if there is no text.
    fn render(&self, form: BodyForm) -> String {
        match (self.text, form) {
            ("", BodyForm::Plain | BodyForm::Html) => String::new(),
            (_, BodyForm::Plain) => self.plain(),
            (_, BodyForm::Html) => self.html(),
        }
    }

    fn plain(&self) -> String {
        let mut text = format!("{}\n", self.text);
        match self.details {
            Details::None => return text,
            Details::Text(details) => text += &format!("\n{details}\n"),
            Details::Failure(report) => text += &format!("\n{}\n", report.text()),
        }
        if let Some(request) = self.request {
            text += &format!("\nrequest {request}\n");
        }
        if let Some(trace) = self.trace {
            text += &format!("trace {trace}\n");
        }
        text
    }

    fn html(&self) -> String {
        let reason = status::reason(self.status);
        let title = format!("{} {reason}", self.status);
        let explanation = match self.details {
            Details::None | Details::Text(_) => explanation(self.status),
            // It is for those who know what a status is.
            Details::Failure(_) => "",
        };
        let content = html! {
            h1 { (title) }
            @if !explanation.is_empty() { p { (explanation) } }
            @if self.text != reason { p { (self.text) "." } }
            @match self.details {
                Details::None => {},
                Details::Text(details) => pre { (details) },
                Details::Failure(report) => (report.markup()),
            }
            @if let Some(live) = &self.live { (live.build_failure()) p { "This page reloads itself when something changes." } }
            @if let Some(request) = self.request {
                p { small { "Request " (request) @if let Some(trace) = self.trace { ", trace " (trace) } } }
            }
            @if let Some(live) = &self.live { (live) }
        };
        match self.live {
            Some(_) => page_with_icon(&title, content),
            None => page(&title, content),
        }
    }
}

/// An explanation of a status for a person who does not know HTTP.
fn explanation(status: u16) -> &'static str {
    match status {
        404 => "There is nothing at this address. It may have moved, or the link to it may be wrong.",
        405 | 501 => "What is at this address does not take a request of this kind.",
        408 => "The request took too long to arrive. Please try again.",
        413 => "What was sent is larger than what is taken here.",
        500 => "Something went wrong on this side; it is nothing that you did. The request was not completed.",
        503 => "This server is busy at the moment. Please try again soon.",
        504 => "This took longer than it may. Please try again later.",
        400..=499 => "The request was not understood.",
        _ => "",
    }
}
