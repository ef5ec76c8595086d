//! The page at `/`: the routes, the last requests, the last failure, and what is being compiled or built.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use maud::{Markup, html};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::live_reload::LiveReload;
use crate::connection::quarantine;
use crate::dev::{BuildReport, DevState, RecentFailure, RecentRequest};
use crate::exchange::ExchangeEnd;
use crate::page::page_with_icon;
use crate::routes::{MountedRoute, RouteTable};
use crate::text::{date_and_time, printable};

/// The most routes and the most reports that the page shows.
const MAX_ROUTES: usize = 500;
const MAX_REPORTS: usize = 50;

/// What a link must not have in its path. A browser takes `\` for `/`.
const NOT_IN_PATH: AsciiSet =
    CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'`');

/// What the page shows.
pub(super) struct Overview {
    routes: Vec<RouteLine>,
    more_routes: usize,
    loading: Vec<String>,
    /// What is in quarantine.
    quarantines: Vec<String>,
    reports: Vec<String>,
    more_reports: usize,
    failure: Option<RecentFailure>,
    requests: Vec<RecentRequest>,
    build: Option<BuildReport>,
}

/// A route at one of its patterns.
struct RouteLine {
    methods: String,
    pattern: String,
    /// Where a person can try it: it takes GET, and its pattern is a path.
    link: Option<String>,
    file: String,
}

impl RouteLine {
    fn of(route: &MountedRoute, pattern: &str) -> Self {
        let mount = &route.route.mount;
        let takes_get = mount.methods.is_empty() || mount.methods.iter().any(|method| method == "GET");
        // What begins with two slashes is a link to another host.
        let is_path = !pattern.contains(['{', '}']) && !pattern.starts_with("//");
        // A link leads to the site of the page, which is the default one on this machine.
        let site = mount.key.site().name();
        let is_path = is_path && site.is_none();
        let link = (takes_get && is_path).then(|| utf8_percent_encode(pattern, &NOT_IN_PATH).to_string());
        let methods = if mount.methods.is_empty() { "any".to_owned() } else { mount.methods.join(", ") };
        let file = printable(&mount.key.path().to_string_lossy());
        let pattern = printable(&format!("{}{pattern}", site.unwrap_or_default()));
        Self { methods, pattern, link, file }
    }
}

impl Overview {
    pub(super) fn new(table: &RouteTable, dev: &DevState) -> Self {
        let routes =
            || table.routes().iter().flat_map(|route| route.patterns.iter().map(move |pattern| (route, pattern)));
        let mut lines: Vec<RouteLine> =
            routes().take(MAX_ROUTES).map(|(route, pattern)| RouteLine::of(route, pattern)).collect();
        lines.sort_by(|one, other| one.pattern.cmp(&other.pattern));
        let report = table.load_report();
        Self {
            routes: lines,
            more_routes: routes().count().saturating_sub(MAX_ROUTES),
            loading: report
                .loading
                .iter()
                .take(MAX_REPORTS)
                .map(|key| printable(&key.path().to_string_lossy()))
                .collect(),
            quarantines: quarantine::all(table).into_iter().take(MAX_REPORTS).collect(),
            reports: report.diagnostics.iter().take(MAX_REPORTS).map(ToString::to_string).collect(),
            more_reports: report.diagnostics.len().saturating_sub(MAX_REPORTS),
            failure: dev.last_failure(),
            requests: dev.recent_requests(),
            build: dev.build(),
        }
    }

    pub(super) fn html(&self, live: &LiveReload, now: SystemTime) -> String {
        let content = html! {
            main.wide {
                h1 { "Vibrato" }
                @if let Some((_, told)) = live.build() { p { (told) } }
                (live.build_failure())
                @if !self.loading.is_empty() { p { "Being compiled: " (self.loading.join(", ")) } }
                (self.reports_html())
                h2 { "Routes" }
                (self.routes_html())
                @if let Some(failure) = &self.failure { (failure_html(failure, now)) }
                h2 { "Last requests" }
                (self.requests_html(now))
            }
            (live)
        };
        page_with_icon("Vibrato", content)
    }

    fn reports_html(&self) -> Markup {
        html! {
            @if !self.reports.is_empty() || !self.quarantines.is_empty() { h2 { "What is wrong" } }
            @for report in self.quarantines.iter().chain(&self.reports) { pre { (report) } }
            @if self.more_reports > 0 { p { "And " (self.more_reports) " more: " code { "host check" } " prints them." } }
        }
    }

    fn routes_html(&self) -> Markup {
        html! {
            @if self.routes.is_empty() { p { "There are none yet." } } @else {
                table {
                    tr { th { "Path" } th { "Methods" } th { "File" } }
                    @for route in &self.routes {
                        tr {
                            td {
                                @if let Some(link) = &route.link { a href=(link) { (route.pattern) } }
                                @else { (route.pattern) }
                            }
                            td { (route.methods) }
                            td { (route.file) }
                        }
                    }
                }
            }
            @if self.more_routes > 0 { p { "And " (self.more_routes) " more: " code { "host routes" } " prints them." } }
        }
    }

    fn requests_html(&self, now: SystemTime) -> Markup {
        html! {
            @if self.requests.is_empty() { p { "There were none yet." } } @else {
                table {
                    tr { th { "Request" } th { "Status" } th { "Took" } th { "Cost" } th { "When" } }
                    @for request in &self.requests {
                        tr {
                            td { (asked(request)) }
                            td { (status(request)) }
                            td { (milliseconds(request.took)) }
                            td { (cost(request)) }
                            td { (ago(request.time, now)) }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn plain(&self, now: SystemTime) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if let Some(failure) = self.build.as_ref().and_then(BuildReport::failure) {
            let _ = writeln!(text, "The last build has failed:\n{failure}\n");
        }
        if !self.loading.is_empty() {
            let _ = writeln!(text, "Being compiled: {}\n", self.loading.join(", "));
        }
        for report in self.quarantines.iter().chain(&self.reports) {
            let _ = writeln!(text, "{report}\n");
        }
        text += "Routes:\n";
        for RouteLine { methods, pattern, file, .. } in &self.routes {
            let _ = writeln!(text, "  {methods} {pattern} ({file})");
        }
        if self.more_routes > 0 {
            let _ = writeln!(text, "  and {} more", self.more_routes);
        }
        if let Some(RecentFailure { time, request, reason, .. }) = &self.failure {
            let _ = writeln!(text, "\nThe last failure, in request {request}, {}:\n{reason}", ago(*time, now));
        }
        text += "\nLast requests:\n";
        for request in &self.requests {
            let (asked, status, took) = (asked(request), status(request), milliseconds(request.took));
            let _ = writeln!(text, "  {asked} {status} {took} {}", ago(request.time, now));
        }
        text
    }
}

fn failure_html(failure: &RecentFailure, now: SystemTime) -> Markup {
    html! {
        h2 { "The last failure" }
        p { "Of " (failure.route) ", in request " (failure.request) ", " (ago(failure.time, now)) "." }
        pre { (failure.reason) }
    }
}

fn asked(request: &RecentRequest) -> String {
    request.asked.as_ref().map_or_else(
        || "(not understood)".to_owned(),
        |(method, target)| format!("{} {}", printable(method), printable(target)),
    )
}

fn status(request: &RecentRequest) -> String {
    let status = request.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    if request.end == ExchangeEnd::Complete { status } else { format!("{status} {}", request.end.name()) }
}

/// What the handler has cost. Empty if the host has answered.
fn cost(request: &RecentRequest) -> String {
    if request.route.is_none() {
        return String::new();
    }
    let cost = &request.cost;
    let (instantiate, run, memory) = (milliseconds(cost.instantiate), milliseconds(cost.run), cost.memory >> 10);
    format!("instance {instantiate}, run {run}, {memory} KiB")
}

fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

/// When something happened: how long ago, or, if the clock was set, the time in UTC.
fn ago(time: SystemTime, now: SystemTime) -> String {
    match now.duration_since(time).map(|age| age.as_secs()) {
        Ok(seconds @ 0..60) => format!("{seconds} s ago"),
        Ok(seconds @ 60..3600) => format!("{} min ago", seconds / 60),
        _ => date_and_time(time),
    }
}
