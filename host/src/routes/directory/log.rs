//! The log lines about routes.

use super::progress::ProgressReport;
use crate::diagnostic::{Diagnostic, Severity};
use crate::routes::changes::changes;
use crate::routes::table::RouteTable;

/// The most changes of one table that are logged one by one.
const MAX_LOGGED_CHANGES: usize = 50;

/// Logs a diagnostic.
pub(super) fn diagnostic(diagnostic: &Diagnostic) {
    match diagnostic.severity {
        Severity::Error => tracing::error!(target: "routes", "{}", diagnostic.unlabelled()),
        Severity::Warning => tracing::warn!(target: "routes", "{}", diagnostic.unlabelled()),
    }
}

/// Logs which routes were added, changed and removed, a line each.
pub(super) fn changed(before: &RouteTable, after: &RouteTable) {
    let changes = changes(before, after);
    let more = changes.len().saturating_sub(MAX_LOGGED_CHANGES);
    for change in changes.into_iter().take(MAX_LOGGED_CHANGES) {
        let (kind, methods, path, file) =
            (change.kind.name(), &change.methods, &change.pattern, change.key.short_location());
        tracing::info!(target: "routes", change = kind, methods, path, file, "{change}");
    }
    if more > 0 {
        tracing::info!(target: "routes", more, "and {more} more: `host routes` prints them all");
    }
}

/// Logs the progress of a load.
pub(super) fn progress(report: &ProgressReport) {
    let (done, total) = (report.done, report.total);
    tracing::info!(target: "routes", done, total, "{report}");
}
