//! What development mode serves beside the routes: the page at `/`, and pages that are reloaded when what they show has
//! changed.
//!
//! A page has a script, which asks for changes with a request that waits for them. The paths of both are reserved in
//! development mode.

mod live_reload;
mod overview;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

pub(super) use live_reload::{LiveReload, has_script, of_handler_page};

use super::client::Client;
use super::host_response::HostResponse;
use super::next::Next;
use super::reply::reply;
use super::request_terms::RequestTerms;
use super::wait_for_route::wait_for;
use crate::close_reason::CloseReason;
use crate::dev::DevState;
use crate::http::accept::BodyForm;
use crate::http::head::RequestHead;
use crate::routes::RouteTable;
use crate::worker::Worker;
use live_reload::{SeenVersions, WatchTarget};

/// Paths that begin with this are reserved.
const RESERVED: &str = "/__dev/";
const SCRIPT_PATH: &str = "/__dev/reload.js";
const CHANGES_PATH: &str = "/__dev/changes";

const SCRIPT: &str = include_str!("dev_pages/reload.js");

/// How long a request waits for a change.
const CHANGE_WAIT: Duration = Duration::from_secs(25);

/// The policy of pages of the host in development mode: they load their script and ask this host alone.
pub(super) const CONTENT_POLICY: (&str, &str) = (
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Whether a path is reserved in development mode.
pub(super) fn is_reserved(path: &str) -> bool {
    path.starts_with(RESERVED)
}

/// Serves a request for a reserved path.
pub(super) async fn serve(client: &mut Client, terms: RequestTerms, head: RequestHead) -> Result<Next, CloseReason> {
    let response = match (head.method(), head.path()) {
        ("GET" | "HEAD", SCRIPT_PATH) => HostResponse::dev_content("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        ("GET" | "HEAD", CHANGES_PATH) => changes(client, &head).await?,
        (_, SCRIPT_PATH | CHANGES_PATH) => {
            let text = format!("{} is not allowed for {} (allowed: GET, HEAD)", head.method(), head.path());
            HostResponse::new(405, text).with(("Allow", "GET, HEAD"))
        }
        _ => HostResponse::new(404, format!("there is no route at {}", head.path())),
    };
    reply(client, &terms, Some(&head), response).await
}

/// Waits until something is other than the page has seen, and says what is to be done about it.
async fn changes(client: &mut Client, head: &RequestHead) -> Result<HostResponse<'static>, CloseReason> {
    let (watch, seen) = live_reload::parse_query(head.query().unwrap_or_default());
    let worker = client.worker.clone();
    let Some(dev) = worker.dev() else { return Ok(HostResponse::new(404, "")) };
    let changed = async {
        let Some(seen) = &seen else { return };
        let (routes, requests_or_builds) =
            (worker.routes_changed(seen.routes), dev.changed(|counts| seen.differs_in_counts(counts, watch)));
        if seen.run == dev.run() {
            tokio::select! {
                () = routes => {}
                () = requests_or_builds => {}
            }
        }
    };
    wait_for(client, changed, Instant::now() + CHANGE_WAIT).await?;
    let now = SeenVersions::now(&worker, dev);
    let reload = seen.as_ref().is_none_or(|seen| seen.is_outdated(&now, watch));
    let failure = dev.build().and_then(|build| build.failure().map(str::to_owned));
    let told = json!({ "seen": now.to_string(), "reload": reload, "failure": failure });
    Ok(HostResponse::dev_content("application/json", told.to_string()))
}

/// The page at `/`, in the form that the client prefers.
pub(super) fn overview<'r>(
    worker: &Worker,
    dev: &DevState,
    table: &RouteTable,
    head: &RequestHead,
) -> HostResponse<'r> {
    let live = LiveReload::new(worker, dev, WatchTarget::Overview);
    let overview = overview::Overview::new(table, dev);
    let form = BodyForm::preferred(head.values("accept"));
    let content = match form {
        BodyForm::Html => overview.html(&live, SystemTime::now()),
        BodyForm::Plain => overview.plain(SystemTime::now()),
    };
    HostResponse::dev_content(form.content_type(), content)
}
