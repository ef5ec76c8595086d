//! How a response ends: what a handler's end comes to, and the last piece of the body.

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::ExchangeLoop;
use crate::clock;
use crate::config::ErrorDetail;
use crate::connection::error_page::{ErrorPage, RETRY};
use crate::connection::failure::{LINE, explain, tell};
use crate::guest::{CallError, Outcome};
use crate::http::status;

/// How the handler's end ends the response.
#[derive(Debug)]
pub(super) enum HandlerEnd {
    /// As it has returned.
    Returned(Outcome),
    /// With this status, if the head is not sent, and with these details in development.
    Failed(u16, String),
}

impl<G> ExchangeLoop<'_, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// The handler has ended: what becomes of the response.
    pub(super) fn on_handler_done(&mut self, end: Result<Outcome, CallError>) {
        let ending = self.classify(end);
        match self.gate {
            Some(_) => self.review_or_finish(ending),
            None => self.finish_with(ending),
        }
    }

    /// Whether the log may take another line about the route.
    pub(super) fn may_tell(&self) -> bool {
        self.caller.as_ref().is_none_or(|caller| caller.route.options.log.admit(caller.name(), LINE))
    }

    /// Tells the log why a guest gave no outcome.
    pub(super) fn tell(&self, error: &CallError) {
        if let Some(caller) = &self.caller {
            tell(caller.name(), &caller.route.options.log, self.io.error_detail, caller.id, &self.exchange, error);
        }
    }

    /// What the handler's end comes to. Its failure is told.
    fn classify(&self, end: Result<Outcome, CallError>) -> HandlerEnd {
        let building = self.exchange.response(|response| response.is_building());
        let failed = self.exchange.body_error();
        let end = match (end, self.exchange.take_failure()) {
            (Ok(_), Some(reason)) => Err(CallError::Failed(reason)),
            (end, Some(_) | None) => end,
        };
        match end {
            Err(error) => match failed {
                // The client is at fault: what the handler made of it is no news.
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

    /// Ends the response as the handler's end has it.
    pub(super) fn finish_with(&mut self, ending: HandlerEnd) {
        match ending {
            HandlerEnd::Failed(code, details) => self.fail(code, &details),
            HandlerEnd::Returned(Outcome::Close) => self.exchange.close(),
            HandlerEnd::Returned(Outcome::Manual) => self.leave_open(),
            HandlerEnd::Returned(Outcome::Body(body)) => self.send_last_piece(body),
        }
    }

    /// The last piece of the body, or all of it.
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
            // A response that is not over can begin, and end.
            let _ = response.begin(Some(length), clock::date());
            if length == 0 {
                let _ = response.finish(clock::date());
            } else {
                self.last_piece = body;
            }
        });
    }

    /// Encodes as much of the last piece as there is room for. True while some is left.
    pub(super) fn encode_last_piece(&mut self) -> bool {
        if self.last_piece.is_empty() {
            return false;
        }
        let tail = &mut self.last_piece;
        self.exchange.response(|response| {
            match self.exchange.write_available(response, tail) {
                Ok(written) => tail.advance(written),
                // It is longer than the length in the head that was sent. The rest is dropped.
                Err(_) => tail.clear(),
            }
            if tail.is_empty() && !response.is_over() {
                // It is not over, so it can end.
                let _ = response.finish(clock::date());
            }
        });
        !self.last_piece.is_empty()
    }

    /// The handler failed: a status if the head is not sent, and else a response that is truncated.
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
