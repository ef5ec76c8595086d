//! Failures of a handler or middleware: what is logged, and what the client gets.

use std::sync::Arc;

use bytes::Bytes;

use super::error_page::{ErrorPage, RETRY};
use crate::config::ErrorDetail;
use crate::exchange::{ClientLoss, Exchange};
use crate::guest::CallError;
use crate::http::status;
use crate::log_quota::LogQuota;

/// The approximate number of bytes that a line about a handler uses of the log quota.
pub(super) const LINE: usize = 128;

/// Logs why a guest has failed, with its backtrace. Repeated failures are counted and logged later as one line, except
/// in development mode.
pub(super) fn log_failure(
    route: &str,
    quota: &Arc<LogQuota>,
    error_detail: ErrorDetail,
    request: u64,
    exchange: &Exchange,
    error: &CallError,
) {
    if let (CallError::Deadline { backtrace }, Some(loss)) = (error, exchange.client_loss()) {
        if quota.admit(route, LINE + backtrace.len()) {
            log_client_loss(route, request, loss, backtrace);
        }
        return;
    }
    if error_detail == ErrorDetail::Public && !quota.admit_failure(route, request, error) {
        return;
    }
    match exchange.middleware() {
        Some(middleware) => {
            tracing::error!(target: "handler", route, %middleware, request, "middleware {middleware} of {route} {error}");
        }
        None => tracing::error!(target: "handler", route, request, "handler {route} {error}"),
    }
}

/// Logs that a guest was ended because of its client. This is not a failure of the guest.
fn log_client_loss(route: &str, request: u64, loss: ClientLoss, backtrace: &str) {
    match loss {
        ClientLoss::Gone => {
            tracing::info!(target: "handler", route, request, "handler {route} was ended: its client has gone{backtrace}");
        }
        ClientLoss::StoppedReading => {
            tracing::info!(
                target: "handler",
                route,
                request,
                "handler {route} passed its timeout after its client had stopped reading{backtrace}"
            );
        }
        ClientLoss::HalfClosed => {
            tracing::info!(
                target: "handler",
                route,
                request,
                "handler {route} was ended: its client has sent its last byte, and was sent nothing within \
                 --half-close-timeout{backtrace}"
            );
        }
    }
}

/// The failure as text for the error page in development mode, with the last lines that the guest has printed. It is
/// empty otherwise.
pub(super) fn explain(error_detail: ErrorDetail, route: &str, exchange: &Exchange, error: &CallError) -> String {
    let told = match (error_detail, exchange.middleware()) {
        (ErrorDetail::Public, _) => return String::new(),
        (ErrorDetail::Development, Some(middleware)) => format!("middleware {middleware} of {route} {error}"),
        (ErrorDetail::Development, None) => format!("handler {route} {error}"),
    };
    let printed = exchange.printed();
    if printed.is_empty() {
        return told;
    }
    format!("{told}\n\nIt had printed:\n  {}", printed.join("\n  "))
}

/// Replaces the response with the error response for a failure, and returns its body.
pub(super) fn substitute(exchange: &Exchange, request: u64, code: u16, details: &str) -> Bytes {
    let fields: &[(&str, &str)] = if code == 503 { &[RETRY] } else { &[] };
    let asked = exchange.request().map(|request| request.head.values("accept"));
    let page = ErrorPage { status: code, text: status::reason(code), details, request: Some(request) };
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
