//! What happens when a handler ends: how its response ends, and the last piece of the body.

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::ExchangeLoop;
use crate::clock;
use crate::config::ErrorDetail;
use crate::connection::error_page::{ErrorPage, RETRY};
use crate::connection::failure::{LINE, explain, tell};
use crate::guest::{CallError, Outcome};
use crate::http::status;

/// How a response ends after its handler.
#[derive(Debug)]
pub(super) enum HandlerEnd {
    /// With the outcome that the handler has returned.
    Returned(Outcome),
    /// With an error response with this status, if the head is not sent. The details are shown in development mode.
    Failed(u16, String),
}

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// Handles the end of the handler.
    pub(super) fn on_handler_done(&mut self, end: Result<Outcome, CallError>) {
        let ending = self.classify(end);
        match self.gate {
            Some(_) => self.review_or_finish(ending),
            None => self.finish_with(ending),
        }
    }

    /// Whether the log quota allows another line about the route.
    pub(super) fn may_tell(&self) -> bool {
        self.caller.as_ref().is_none_or(|caller| caller.route.options.log.admit(caller.name(), LINE))
    }

    /// Logs why a guest has failed.
    pub(super) fn tell(&self, error: &CallError) {
        if let Some(caller) = &self.caller {
            tell(caller.name(), &caller.route.options.log, self.io.error_detail, caller.id, &self.exchange, error);
        }
    }

    /// Decides how the response ends. Logs a failure.
    fn classify(&self, end: Result<Outcome, CallError>) -> HandlerEnd {
        let building = self.exchange.response(|response| response.is_building());
        let failed = self.exchange.body_error();
        let end = match (end, self.exchange.take_failure()) {
            (Ok(_), Some(reason)) => Err(CallError::Failed(reason)),
            (end, Some(_) | None) => end,
        };
        match end {
            Err(error) => match failed {
                // The client has caused this, so the handler's failure is not logged.
                Some(failed) => {
                    let (route, request) = (self.name(), self.id());
                    if self.may_tell() {
                        tracing::info!(target: "handler", route, request, "handler {route} did not get its whole request: {failed}");
                    }
                    HandlerEnd::Failed(failed.status(), String::new())
                }
                None => {
                    self.tell(&error);
                    let details = explain(self.io.error_detail, self.name(), &self.exchange, &error);
                    HandlerEnd::Failed(error.status(), details)
                }
            },
            Ok(outcome) => match failed {
                Some(error)
                    if building
                        && matches!(outcome, Outcome::Body(_))
                        && self.exchange.response(|response| response.head().status()) < 400 =>
                {
                    HandlerEnd::Failed(error.status(), String::new())
                }
                Some(_) | None => HandlerEnd::Returned(outcome),
            },
        }
    }

    /// Ends the response.
    pub(super) fn finish_with(&mut self, ending: HandlerEnd) {
        match ending {
            HandlerEnd::Failed(code, details) => self.fail(code, &details),
            HandlerEnd::Returned(Outcome::Close) => self.exchange.close(),
            HandlerEnd::Returned(Outcome::Manual) => self.leave_open(),
            HandlerEnd::Returned(Outcome::Body(body)) => self.send_last_piece(body),
        }
    }

    /// Begins to send the last piece of the body, or the whole body.
    fn send_last_piece(&mut self, body: Bytes) {
        let length = body.len() as u64;
        if self.exchange.response(|response| response.contradicts(length)) {
            let (route, request) = (self.name(), self.id());
            if self.may_tell() {
                tracing::error!(target: "handler", route, request, "handler {route} returned {length} bytes against its content-length");
            }
            let details = match self.io.error_detail {
                ErrorDetail::Public => String::new(),
                ErrorDetail::Development => {
                    format!("handler {route} returned {length} bytes against its content-length")
                }
            };
            return self.fail(500, &details);
        }
        let drains = self.body_reader.abandon(self.io.input);
        self.exchange.response(|response| {
            if response.is_over() {
                return;
            }
            if !drains {
                response.forbid_keep_alive();
            }
            if self.exchange.meter().is_some() {
                self.exchange.tell_timing(response);
            }
            // This cannot fail, because the response is not over.
            let _ = response.begin(Some(length), clock::date());
            if length == 0 {
                let _ = response.finish(clock::date());
            } else {
                self.last_piece = body;
            }
        });
    }

    /// Encodes as much of the last piece as there is room for. Returns true while some of it is left.
    pub(super) fn encode_last_piece(&mut self) -> bool {
        if self.last_piece.is_empty() {
            return false;
        }
        let tail = &mut self.last_piece;
        self.exchange.response(|response| {
            match self.exchange.write_available(response, tail) {
                Ok(written) => tail.advance(written),
                // The piece exceeds the declared length, and the head is sent. The rest is dropped.
                Err(_) => tail.clear(),
            }
            if tail.is_empty() && !response.is_over() {
                // This cannot fail, because the response is not over.
                let _ = response.finish(clock::date());
            }
        });
        !self.last_piece.is_empty()
    }

    /// Ends the response of a handler that has failed: with an error response if the head is not sent, and truncated
    /// otherwise.
    pub(super) fn fail(&mut self, code: u16, details: &str) {
        let timing = self.exchange.server_timing();
        let drains = self.body_reader.abandon(self.io.input);
        self.exchange.clear_unsealed();
        self.exchange.response(|response| {
            if !response.is_building() {
                return response.truncate();
            }
            if !drains {
                response.forbid_keep_alive();
            }
            let retry = (code == 503).then_some(RETRY);
            let timing = timing.as_deref().map(|value| ("Server-Timing", value));
            let fields: SmallVec<[(&str, &str); 2]> = retry.into_iter().chain(timing).collect();
            let asked = self.exchange.request().map(|request| request.head.values("accept"));
            let page = ErrorPage { status: code, text: status::reason(code), details, request: Some(self.id()) };
            page.write(asked, &fields).answer(response);
        });
    }
}
