//! Which invocations count for the quarantine of their route or middleware, and the requests that it refuses.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::host_response::HostResponse;
use crate::exchange::Exchange;
use crate::guest::{CallError, Outcome};
use crate::http::head::RequestHead;
use crate::options::Options;
use crate::quarantine::{QuarantineRefusal, QuarantineStatus};
use crate::routes::{LoadedMiddleware, Route, RouteTable};
use crate::text::{excerpt, printable};
use crate::worker::Worker;

#[cfg(test)]
mod tests;

/// The most bytes of a failure that are quoted.
const MAX_REASON_BYTES: usize = 256;

/// What can be in quarantine: the target of a route, or a middleware.
#[derive(Clone, Copy)]
pub(super) struct Subject<'s> {
    kind: &'static str,
    name: &'s str,
    options: &'s Arc<Options>,
}

/// The requests that are let through to see whether a quarantine can end. When it is dropped, those that have told nothing
/// do not count.
pub(super) type Probes = Option<Box<SmallVec<[Probe; 1]>>>;

/// A request that is let through.
#[derive(Debug)]
pub(super) struct Probe {
    options: Arc<Options>,
    number: u64,
}

/// A request that a quarantine refuses.
pub(super) struct QuarantinedSubject<'s> {
    subject: Subject<'s>,
    refusal: QuarantineRefusal,
}

impl<'s> Subject<'s> {
    pub(super) fn target(route: &'s Route) -> Self {
        Self { kind: "handler", name: &route.mount.name, options: &route.options }
    }

    pub(super) fn middleware(middleware: &'s LoadedMiddleware) -> Self {
        Self { kind: "middleware", name: &middleware.name, options: &middleware.options }
    }

    /// What an exchange runs at this moment: a middleware of the route, or its target.
    fn running(route: &'s Route, exchange: &Exchange) -> Self {
        let name = exchange.middleware();
        let links = route.chain.iter().map(|link| &*link.middleware);
        let running = name.and_then(|name| links.into_iter().find(|middleware| middleware.name == name));
        running.map_or_else(|| Self::target(route), Self::middleware)
    }

    /// Lets an invocation for this client through, or refuses it.
    fn admit(self, client: impl FnOnce() -> u64, probes: &mut Probes) -> Result<(), QuarantinedSubject<'s>> {
        let quarantine = &self.options.quarantine;
        if quarantine.is_healthy() {
            return Ok(());
        }
        match quarantine.admit(client(), Instant::now()) {
            Ok(None) => {}
            Ok(Some(number)) => {
                probes.get_or_insert_default().push(Probe { options: self.options.clone(), number });
            }
            Err(refusal) => return Err(QuarantinedSubject { subject: self, refusal }),
        }
        Ok(())
    }

    /// Counts an invocation that has ended by itself.
    #[inline]
    pub(super) fn succeeded(self, exchange: &Exchange) {
        if !self.options.quarantine.is_healthy() {
            let change = self.options.quarantine.succeeded(client(exchange));
            change.into_iter().for_each(|change| change.log(self.kind, self.name));
        }
    }

    /// Counts an invocation of a route's target that has returned this. What opens a WebSocket does not count, as its messages
    /// are what may fail.
    #[inline]
    pub(super) fn returned(self, exchange: &Exchange, outcome: &Outcome) {
        if *outcome != Outcome::Manual || !self.options.settings.websocket {
            self.succeeded(exchange);
        }
    }

    /// Counts an invocation that has failed, if its own code is the reason.
    pub(super) fn failed(self, exchange: &Exchange, error: &CallError) {
        match verdict(exchange, error) {
            Some(true) => self.succeeded(exchange),
            Some(false) => {
                let reason = || {
                    let text = error.to_string();
                    printable(&excerpt(text.lines().next().unwrap_or_default(), MAX_REASON_BYTES))
                };
                let change = self.options.quarantine.failed(client(exchange), reason, Instant::now());
                change.into_iter().for_each(|change| change.log(self.kind, self.name));
            }
            None => {}
        }
    }
}

/// Counts a failure for what the exchange runs.
pub(super) fn count_failure(route: &Route, exchange: &Exchange, error: &CallError) {
    Subject::running(route, exchange).failed(exchange, error);
}

/// Whether an invocation with this error has ended by itself. `None` if it says nothing about its code.
fn verdict(exchange: &Exchange, error: &CallError) -> Option<bool> {
    match error {
        CallError::Trap { .. } | CallError::ProcessorTime { .. } => Some(false),
        CallError::NoResponse(reason) => reason.is_broken().map(|is_broken| !is_broken),
        // It was ended because of its client.
        CallError::Deadline { .. } if exchange.client_loss().is_some() => None,
        CallError::Deadline { .. } => Some(false),
        // It works, and says so.
        CallError::Failed(_) => Some(true),
        CallError::Busy(_) | CallError::NoMemory(_) | CallError::Quarantined => None,
    }
}

fn client(exchange: &Exchange) -> u64 {
    exchange.request().map_or(u64::MAX, |request| request.peer.client())
}

/// Lets a request for the target of a route through, or refuses it.
pub(super) fn admit_to_target<'r>(
    route: &'r Route,
    client: impl FnOnce() -> u64,
    probes: &mut Probes,
) -> Result<(), QuarantinedSubject<'r>> {
    Subject::target(route).admit(client, probes)
}

/// Lets a request for this path through the middleware of a route, or refuses it.
pub(super) fn admit_to_chain<'r>(
    route: &'r Route,
    path: &str,
    client: u64,
    probes: &mut Probes,
) -> Result<(), QuarantinedSubject<'r>> {
    let mut links = route.chain.iter().filter(|link| link.is_for(path));
    links.try_for_each(|link| Subject::middleware(&link.middleware).admit(|| client, probes))
}

impl QuarantinedSubject<'_> {
    /// The response to the request. In development mode it says why.
    #[cold]
    pub(super) fn response(&self, worker: &Worker, head: &RequestHead) -> HostResponse<'static> {
        let seconds = self.refusal.retry_after.as_secs_f64().ceil().to_string();
        let response = HostResponse::new(503, "the route is in quarantine, because it has failed again and again");
        let response = response.with_value("Retry-After", seconds);
        match worker.dev().and_then(|_| self.subject.options.quarantine.status()) {
            Some(status) => {
                let Subject { kind, name, .. } = self.subject;
                response.explained(describe(&format!("{kind} {name}"), &status)).live(worker, head)
            }
            None => response,
        }
    }
}

/// What is in quarantine of the routes and their middleware: a text of a line each.
pub(super) fn all(table: &RouteTable) -> BTreeSet<String> {
    let routes = table.routes().iter().map(|mounted| &*mounted.route);
    let subjects = routes.flat_map(|route| {
        let chain = route.chain.iter().map(|link| Subject::middleware(&link.middleware));
        [Subject::target(route)].into_iter().chain(chain)
    });
    let summary = |subject: Subject<'_>| {
        let status = subject.options.quarantine.status()?;
        Some(format!("{} {} {}", subject.kind, subject.name, status.summary()))
    };
    subjects.filter_map(summary).collect()
}

/// A quarantine, for a page of development mode.
fn describe(subject: &str, status: &QuarantineStatus) -> String {
    format!(
        "{subject} {}\nWhen its file changes, it is called again at once. With the option `quarantine = 0` it always is.",
        status.summary()
    )
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.options.quarantine.abandon(self.number, Instant::now());
    }
}
