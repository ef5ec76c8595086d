//! How a page learns that what it shows has changed: its script has the versions that it has seen.

use std::fmt;
use std::str::FromStr;

use maud::{Markup, Render, html};
use memchr::memmem;
use percent_encoding::percent_decode_str;

use super::SCRIPT_PATH;
use crate::dev::{BuildReport, BuildStage, DevState};
use crate::http::head::RequestHead;
use crate::response::Response;
use crate::worker::Worker;

/// What makes a page outdated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchTarget {
    /// A page of a handler: the routes. A failed build is shown over it.
    HandlerPage,
    /// A page of the host: the routes, and builds.
    HostPage,
    /// The page at `/`: the routes, builds, and each request.
    Overview,
}

/// The versions of what pages show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenVersions {
    /// The run of the host.
    pub(super) run: String,
    /// The changes of routes.
    pub(super) routes: u64,
    /// The ended requests.
    requests: u64,
    /// The changes of builds. `None` for a page that has seen none.
    builds: Option<u64>,
}

/// The script of a page that was made from these versions, and what the page says of the build.
#[derive(Debug, Clone)]
pub(in crate::connection) struct LiveReload {
    watch: WatchTarget,
    seen: SeenVersions,
    build: Option<BuildReport>,
}

impl WatchTarget {
    const ALL: [Self; 3] = [Self::HandlerPage, Self::HostPage, Self::Overview];

    fn name(self) -> &'static str {
        match self {
            Self::HandlerPage => "handler",
            Self::HostPage => "page",
            Self::Overview => "overview",
        }
    }
}

impl SeenVersions {
    /// Those of now.
    pub(super) fn now(worker: &Worker, dev: &DevState) -> Self {
        let (requests, builds) = dev.counts();
        Self { run: dev.run().to_owned(), routes: worker.route_changes(), requests, builds: Some(builds) }
    }

    /// Whether a page has to learn of these counts of requests and builds.
    pub(super) fn differs_in_counts(&self, (requests, builds): (u64, u64), watch: WatchTarget) -> bool {
        self.builds != Some(builds) || (watch == WatchTarget::Overview && self.requests != requests)
    }

    /// Whether a page that has seen these is to be reloaded.
    pub(super) fn is_outdated(&self, now: &Self, watch: WatchTarget) -> bool {
        let builds_differ = self.builds != now.builds;
        self.run != now.run
            || self.routes != now.routes
            || match watch {
                WatchTarget::HandlerPage => false,
                WatchTarget::HostPage => builds_differ,
                WatchTarget::Overview => builds_differ || self.requests != now.requests,
            }
    }
}

/// `RUN.ROUTES.REQUESTS.BUILDS`
impl fmt::Display for SeenVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.", self.run, self.routes, self.requests)?;
        self.builds.map_or(Ok(()), |builds| write!(f, "{builds}"))
    }
}

impl FromStr for SeenVersions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(());
        let (run, routes, requests, builds) = (part()?.to_owned(), part()?, part()?, part()?);
        let number = |text: &str| text.parse().map_err(|_| ());
        let builds = if builds.is_empty() { None } else { Some(number(builds)?) };
        Ok(Self { run, routes: number(routes)?, requests: number(requests)?, builds })
    }
}

/// What a page watches and has seen. A page that has seen nothing that can be understood is outdated.
pub(super) fn parse_query(query: &str) -> (WatchTarget, Option<SeenVersions>) {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let watch = value("watch").and_then(|name| WatchTarget::ALL.into_iter().find(|watch| watch.name() == name));
    let seen = value("seen").and_then(|seen| percent_decode_str(seen).decode_utf8().ok()?.parse().ok());
    (watch.unwrap_or(WatchTarget::HostPage), seen.filter(|_| watch.is_some()))
}

impl LiveReload {
    pub(super) fn new(worker: &Worker, dev: &DevState, watch: WatchTarget) -> Self {
        Self { watch, seen: SeenVersions::now(worker, dev), build: dev.build() }
    }

    /// That of a page of the host, in development mode. A page that answers anything but GET is not asked for again.
    pub(in crate::connection) fn of_host_page(worker: &Worker, head: Option<&RequestHead>) -> Option<Self> {
        let dev = worker.dev()?;
        head.filter(|head| head.method() == "GET").map(|_| Self::new(worker, dev, WatchTarget::HostPage))
    }

    /// What the page says of the build: nothing, unless it has failed.
    pub(in crate::connection) fn build_failure(&self) -> Markup {
        let failure = self.build.as_ref().and_then(BuildReport::failure);
        html! {
            @if let Some(failure) = failure {
                h2 { "The last build has failed" }
                pre { (failure) }
            }
        }
    }

    /// The build, as the page tells of it.
    pub(super) fn build(&self) -> Option<(&BuildReport, String)> {
        let build = self.build.as_ref()?;
        let told = match &build.stage {
            BuildStage::Running => "is being built".to_owned(),
            BuildStage::Succeeded(took) => format!("was built in {:.1} s", took.as_secs_f64()),
            BuildStage::Failed(_) => "could not be built".to_owned(),
        };
        Some((build, format!("{} {told} ({})", build.project, build.command)))
    }
}

/// The element of the script.
impl Render for LiveReload {
    fn render(&self) -> Markup {
        html! { script src=(SCRIPT_PATH) data-watch=(self.watch.name()) data-seen=(self.seen) {} }
    }
}

/// The script to add to the end of a handler's page, if pages of handlers are reloaded and the response is one: text of HTML
/// as a whole, whose length the handler has not declared.
pub(in crate::connection) fn of_handler_page(
    worker: &Worker,
    head: &RequestHead,
    response: &Response,
) -> Option<String> {
    let dev = worker.dev().filter(|dev| dev.reloads_handler_pages())?;
    if head.method() != "GET" || head.values("range").next().is_some() || response.is_over() || !response.has_body() {
        return None;
    }
    let is_html = |value: &[u8]| {
        let value = value.to_ascii_lowercase();
        value.starts_with(b"text/html") && memmem::find(&value, b"utf-16").is_none()
    };
    let mut content_type = None;
    for (name, value) in response.fields() {
        match name {
            _ if name.eq_ignore_ascii_case("content-type") => content_type = Some(is_html(value)),
            _ if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("content-encoding") => {
                return None;
            }
            _ => {}
        }
    }
    // It has not seen the last build, so that it asks at once whether that has failed.
    let seen = SeenVersions { builds: None, ..SeenVersions::now(worker, dev) };
    let live = LiveReload { watch: WatchTarget::HandlerPage, seen, build: None };
    content_type?.then(|| live.render().into_string())
}

/// Whether a page has the script already.
pub(in crate::connection) fn has_script(page: &[u8]) -> bool {
    memmem::find(page, SCRIPT_PATH.as_bytes()).is_some()
}
