//! Failures of an exchange: the log line about a guest, and the error response.

use smallvec::SmallVec;

use super::state::ExchangeLoop;
use crate::connection::dev_pages::LiveReload;
use crate::connection::error_page::{Details, ErrorPage, RETRY};
use crate::connection::failure::{LINE, explain, log_failure, remember_failure};
use crate::connection::quarantine::{self, Subject};
use crate::failure_report::FailureReport;
use crate::guest::{CallError, Outcome};
use crate::http::status;

impl<G> ExchangeLoop<'_, G> {
    /// Whether the log quota allows another line about the route.
    pub(super) fn may_log(&self) -> bool {
        self.caller.as_ref().is_none_or(|caller| caller.route.options.log.admit(caller.name(), LINE))
    }

    /// Logs why a guest has failed.
    pub(super) fn log_failure(&self, error: &CallError) {
        if let Some(caller) = &self.caller {
            log_failure(caller.worker, caller.route, caller.id, &self.exchange, error);
        }
    }

    /// Counts the failure of a guest for the quarantine.
    pub(super) fn count_failure(&self, error: &CallError) {
        if let Some(caller) = &self.caller {
            quarantine::count_failure(caller.route, &self.exchange, error);
        }
    }

    /// Counts the end of the route's target. If there is a chain, that does so, as it knows what has ended.
    pub(super) fn count_success(&self, outcome: &Outcome) {
        if let Some(caller) = self.caller.as_ref().filter(|caller| !caller.is_behind_chain) {
            Subject::target(caller.route).returned(&self.exchange, outcome);
        }
    }

    /// Why a guest has failed, for the error page in development mode, which remembers it.
    pub(super) fn explain_failure(&self, error: &CallError) -> Option<FailureReport> {
        let report = explain(self.io.error_detail, self.name(), &self.exchange, error);
        if let Some(caller) = &self.caller {
            remember_failure(caller.worker, caller.name(), caller.id, report.as_ref());
        }
        report
    }

    /// Ends the response of a handler that has failed: with an error response if the head is not sent, and truncated
    /// otherwise.
    pub(super) fn fail(&mut self, code: u16, report: Option<&FailureReport>) {
        let retry = (code == 503).then_some(RETRY);
        self.respond_with_page(code, report.map_or(Details::None, Details::Failure), retry);
    }

    /// Ends the response with an error page and one more field, in place of what the handler has made.
    pub(super) fn respond_with_page(&mut self, code: u16, details: Details<'_>, field: Option<(&str, &str)>) {
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
            let timing = timing.as_deref().map(|value| ("Server-Timing", value));
            let fields: SmallVec<[(&str, &str); 2]> = field.into_iter().chain(timing).collect();
            let asked = self.exchange.request().map(|request| request.head.values("accept"));
            let live = self.caller.as_ref().and_then(|caller| {
                let head = self.exchange.request().map(|request| &request.head);
                LiveReload::of_host_page(caller.worker, head)
            });
            let (request, trace) = (Some(self.id()), self.exchange.trace().map(|trace| trace.id()));
            let page = ErrorPage { status: code, text: status::reason(code), details, request, trace, live };
            page.write(asked, &fields).answer(response);
        });
    }
}
