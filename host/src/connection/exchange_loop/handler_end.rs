//! What happens when a handler ends: how its response ends, and the last piece of the body.

use bytes::{Buf, Bytes};

use super::state::{ExchangeLoop, HandlerEnd};
use crate::clock;
use crate::config::ErrorDetail;
use crate::connection::dev_pages::{has_script, of_handler_page};
use crate::connection::error_page::Details;
use crate::connection::failure::trace_id;
use crate::guest::{CallError, Outcome};
use crate::metrics::FailureKind;
use crate::response::SelectedRange;
use crate::worker::Worker;

impl<G> ExchangeLoop<'_, G> {
    /// Decides how the response ends. Logs a failure.
    pub(super) fn classify(&self, end: Result<Outcome, CallError>) -> HandlerEnd {
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
                    let (route, request, trace) = (self.name(), self.id(), trace_id(&self.exchange));
                    if self.may_log() {
                        tracing::info!(target: "handler", route, request, trace, "handler {route} did not get its whole request: {failed}");
                    }
                    HandlerEnd::Failed(failed.status(), None)
                }
                None => {
                    self.log_failure(&error);
                    self.count_failure(&error);
                    let report = self.explain_failure(&error);
                    HandlerEnd::Failed(error.status(), report)
                }
            },
            Ok(outcome) => {
                self.count_success(&outcome);
                match failed {
                    Some(error)
                        if building
                            && matches!(outcome, Outcome::Body(_))
                            && self.exchange.response(|response| response.head().status()) < 400 =>
                    {
                        HandlerEnd::Failed(error.status(), None)
                    }
                    Some(_) | None => HandlerEnd::Returned(outcome),
                }
            }
        }
    }

    /// Ends the response.
    pub(super) fn finish_with(&mut self, ending: HandlerEnd) {
        match ending {
            HandlerEnd::Failed(code, report) => self.fail(code, report.as_ref()),
            HandlerEnd::Returned(Outcome::Close) => self.exchange.close(),
            HandlerEnd::Returned(Outcome::Manual) => self.leave_open(),
            HandlerEnd::Returned(Outcome::Body(body)) => {
                let body = match self.caller.as_ref().filter(|caller| caller.worker.dev().is_some()) {
                    Some(caller) => self.with_reload_script(caller.worker, body),
                    None => body,
                };
                self.send_last_piece(body);
            }
        }
    }

    /// The last piece of the body, with the script that reloads the page, if one is added to it.
    fn with_reload_script(&self, worker: &Worker, body: Bytes) -> Bytes {
        let Some(request) = self.exchange.request().filter(|_| !has_script(&body)) else { return body };
        match self.exchange.response(|response| of_handler_page(worker, &request.head, response)) {
            Some(script) => [body.as_ref(), script.as_bytes()].concat().into(),
            None => body,
        }
    }

    /// Begins to send the last piece of the body, or the whole body.
    fn send_last_piece(&mut self, body: Bytes) {
        let body = match self.select_range(body.len()) {
            None => return self.fail_over_length(body.len()),
            Some(SelectedRange::Whole) => body,
            Some(SelectedRange::Part(range)) => body.slice(range),
            Some(SelectedRange::Unsatisfiable(told)) => {
                return self.respond_with_page(416, Details::None, Some(("Content-Range", &told)));
            }
        };
        let length = body.len() as u64;
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

    /// What is sent of a whole body of `length` bytes. `None` if the handler has declared another length.
    fn select_range(&self, length: usize) -> Option<SelectedRange> {
        self.exchange.response(|response| match self.exchange.request() {
            _ if response.contradicts(length as u64) => None,
            Some(request) => Some(response.select_range(&request.head, length, clock::date())),
            None => Some(SelectedRange::Whole),
        })
    }

    /// Ends the response of a handler that has returned another length than it has declared.
    fn fail_over_length(&mut self, length: usize) {
        let (route, request, trace) = (self.name(), self.id(), trace_id(&self.exchange));
        let counters = self.caller.as_ref().and_then(|caller| caller.worker.route_metrics(Some(caller.route)));
        counters.into_iter().for_each(|counters| counters.count_failure(FailureKind::WrongLength));
        let entry = format!("handler {route} returned {length} bytes against its content-length");
        if self.may_log() {
            if let Some(caller) = &self.caller {
                caller.worker.keep_failure(route, None, request, &entry);
            }
            tracing::error!(target: "handler", route, request, trace, "{entry}");
        }
        let report = (self.io.error_detail == ErrorDetail::Development).then(|| entry.into());
        self.fail(500, report.as_ref());
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
}
