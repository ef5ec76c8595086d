//! Suggestions of routes, for the error page in development mode.

use crate::diagnostic::Diagnostic;
use crate::http::head::RequestHead;
use crate::routes::{MountedRoute, RouteTable, Similarity, UnservedRoute, suggest};
use crate::text::printable;

/// The most components that are named as being loaded.
const MAX_LOADING: usize = 20;

/// The routes that are similar to the path of a request without a route, one on each line.
pub(super) fn near_routes(table: &RouteTable, head: &RequestHead) -> String {
    let patterns: Vec<(&str, &MountedRoute)> = patterns(table, head).collect();
    let near = suggest(patterns.iter().map(|(pattern, _)| *pattern), head.path());
    if near.is_empty() {
        let count = patterns.len();
        return format!("Of the {count} paths that have a route none is like it; `host routes` prints them.");
    }
    let lines = near.into_iter().map(|(place, nearness)| {
        let (pattern, mounted) = patterns[place];
        let how = match nearness {
            Similarity::Form => "but for a slash at the end or the case of letters".to_owned(),
            Similarity::Spelling(1) => "one letter is different".to_owned(),
            Similarity::Spelling(letters) => format!("{letters} letters are different"),
            Similarity::FirstSegment => "it begins in the same way".to_owned(),
        };
        line(pattern, mounted) + ": " + &how
    });
    lines.fold("Routes that are near:".to_owned(), |text, line| text + "\n  " + &line)
}

/// The routes for the path of a request whose method none of them accepts, one on each line.
pub(super) fn routes_for_others(table: &RouteTable, head: &RequestHead) -> String {
    let here = patterns(table, head)
        .filter(|(pattern, _)| suggest([*pattern].into_iter(), head.path()) == [(0, Similarity::Form)]);
    here.fold("The routes there:".to_owned(), |text, (pattern, mounted)| text + "\n  " + &line(pattern, mounted))
}

/// The components that are being loaded.
pub(super) fn loading(table: &RouteTable, _: &RequestHead) -> String {
    let loading = &table.load_report().loading;
    let names = loading.iter().take(MAX_LOADING).map(|key| printable(&key.path().to_string_lossy()));
    let names = names.fold("Being compiled:".to_owned(), |text, name| text + "\n  " + &name);
    match loading.len().saturating_sub(MAX_LOADING) {
        0 => names,
        more => format!("{names}\n  and {more} more"),
    }
}

/// What is wrong with a component that could not be loaded.
pub(super) fn why_not_loaded(table: &RouteTable, unserved: &UnservedRoute) -> String {
    let key = &unserved.key;
    let of_key = |report: &&Diagnostic| report.location == key.location() || report.location == key.route_file();
    let reports = table.load_report().diagnostics.iter().filter(of_key);
    reports.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The patterns of the site that a request is for.
fn patterns<'t>(table: &'t RouteTable, head: &RequestHead) -> impl Iterator<Item = (&'t str, &'t MountedRoute)> {
    let site = table.site(head);
    let of_site = table.routes().iter().filter(move |mounted| Some(mounted.route.mount.key.site()) == site);
    of_site.flat_map(|mounted| mounted.patterns.iter().map(move |pattern| (pattern.as_str(), mounted)))
}

fn line(pattern: &str, mounted: &MountedRoute) -> String {
    let mount = &mounted.route.mount;
    let methods = if mount.methods.is_empty() { String::new() } else { mount.methods.join(",") + " " };
    format!("{methods}{pattern} ({})", printable(mount.key.location()))
}
