//! Failures of a handler or middleware: what is logged, and what the client gets.

use bytes::Bytes;
use tracing::field::DisplayValue;

use super::dev_pages::LiveReload;
use super::error_page::{Details, ErrorPage, RETRY};
use crate::config::ErrorDetail;
use crate::exchange::{ClientLoss, Exchange};
use crate::failure_report::{FailureReport, HandlerFailure};
use crate::guest::CallError;
use crate::http::status;
use crate::metrics::FailureKind;
use crate::routes::Route;
use crate::trace::TraceId;
use crate::worker::Worker;

/// The approximate number of bytes that a line about a handler uses of the log quota.
pub(super) const LINE: usize = 128;

/// Logs why a guest has failed, with its backtrace. Repeated failures are counted and logged later as one line, except
/// in development mode.
pub(super) fn log_failure(worker: &Worker, failed: &Route, request: u64, exchange: &Exchange, error: &CallError) {
    let (route, quota, error_detail) = (&*failed.mount.name, &failed.options.log, worker.error_detail());
    if let (CallError::Deadline { backtrace }, Some(loss)) = (error, exchange.client_loss()) {
        if quota.admit(route, LINE + backtrace.len()) {
            log_client_loss(route, request, exchange, loss, backtrace);
        }
        return;
    }
    if let Some(counters) = worker.route_metrics(Some(failed)) {
        counters.count_failure(kind(error));
    }
    if error_detail == ErrorDetail::Public && !quota.admit_failure(route, request, error) {
        return;
    }
    let who = who(route, exchange);
    let entry = match error_detail {
        ErrorDetail::Public => format!("{who} {error}"),
        ErrorDetail::Logged | ErrorDetail::Development => report(&who, exchange, error).log_entry(&who),
    };
    let (middleware, trace) = (exchange.middleware(), trace_id(exchange));
    worker.keep_failure(route, middleware.as_deref(), request, &entry);
    match middleware {
        Some(middleware) => tracing::error!(target: "handler", route, %middleware, request, trace, "{entry}"),
        None => tracing::error!(target: "handler", route, request, trace, "{entry}"),
    }
}

/// How a failure counts.
fn kind(error: &CallError) -> FailureKind {
    match error {
        CallError::Busy(_) => FailureKind::NoInstance,
        CallError::NoMemory(_) => FailureKind::NoMemory,
        CallError::Quarantined => FailureKind::Quarantine,
        CallError::Deadline { .. } => FailureKind::Timeout,
        CallError::ProcessorTime { .. } => FailureKind::Cpu,
        CallError::Trap { limit, .. } if !limit.is_empty() => FailureKind::MemoryLimit,
        CallError::Trap { .. } => FailureKind::Trap,
        CallError::NoResponse(_) => FailureKind::NoResponse,
        CallError::Failed(_) => FailureKind::Failed,
    }
}

/// The id of the trace of a request, for the log.
pub(super) fn trace_id(exchange: &Exchange) -> Option<DisplayValue<TraceId>> {
    exchange.trace().map(|trace| tracing::field::display(trace.id()))
}

/// What has failed.
fn who(route: &str, exchange: &Exchange) -> String {
    match exchange.middleware() {
        Some(middleware) => format!("middleware {middleware} of {route}"),
        None => format!("handler {route}"),
    }
}

fn report(who: &str, exchange: &Exchange, error: &CallError) -> FailureReport {
    let may_be_printed = match error {
        CallError::Trap { .. } | CallError::NoResponse(_) => true,
        CallError::Busy(_)
        | CallError::NoMemory(_)
        | CallError::Quarantined
        | CallError::Deadline { .. }
        | CallError::ProcessorTime { .. }
        | CallError::Failed(_) => false,
    };
    FailureReport::new(HandlerFailure { who, reason: &error.to_string(), may_be_printed }, &exchange.printed())
}

/// Logs that a guest was ended because of its client. This is not a failure of the guest.
fn log_client_loss(route: &str, request: u64, exchange: &Exchange, loss: ClientLoss, backtrace: &str) {
    let trace = trace_id(exchange);
    match loss {
        ClientLoss::Gone => {
            tracing::info!(target: "handler", route, request, trace, "handler {route} was ended: its client has gone{backtrace}");
        }
        ClientLoss::StoppedReading => {
            tracing::info!(
                target: "handler",
                route,
                request,
                trace,
                "handler {route} passed its timeout after its client had stopped reading{backtrace}"
            );
        }
        ClientLoss::HalfClosed => {
            tracing::info!(
                target: "handler",
                route,
                request,
                trace,
                "handler {route} was ended: its client has sent its last byte, and was sent nothing within \
                 --half-close-timeout{backtrace}"
            );
        }
    }
}

/// The failure for the error page, in development mode only.
pub(super) fn explain(
    error_detail: ErrorDetail,
    route: &str,
    exchange: &Exchange,
    error: &CallError,
) -> Option<FailureReport> {
    match error_detail {
        ErrorDetail::Public | ErrorDetail::Logged => None,
        ErrorDetail::Development => Some(report(&who(route, exchange), exchange, error)),
    }
}

/// Remembers a failure, in development mode.
pub(super) fn remember_failure(worker: &Worker, route: &str, request: u64, report: Option<&FailureReport>) {
    if let (Some(dev), Some(report)) = (worker.dev(), report) {
        dev.note_failure(route, request, &report.text());
    }
}

/// Replaces the response with the error response for a failure, and returns its body.
pub(super) fn substitute(
    worker: Option<&Worker>,
    exchange: &Exchange,
    request: u64,
    code: u16,
    report: Option<&FailureReport>,
) -> Bytes {
    let fields: &[(&str, &str)] = if code == 503 { &[RETRY] } else { &[] };
    let asked = exchange.request().map(|request| request.head.values("accept"));
    let head = exchange.request().map(|request| &request.head);
    let live = worker.and_then(|worker| LiveReload::of_host_page(worker, head));
    let details = report.map_or(Details::None, Details::Failure);
    let page = ErrorPage {
        status: code,
        text: status::reason(code),
        details,
        request: Some(request),
        trace: exchange.trace().map(|trace| trace.id()),
        live,
    };
    let written = page.write(asked, fields);
    exchange.clear_unsealed();
    exchange.response(|response| {
        if response.fields_mut().is_ok() {
            // This cannot fail: the head is not sent, and the fields are the host's own.
            let _ = written.describe(response);
        }
    });
    written.text.into()
}
