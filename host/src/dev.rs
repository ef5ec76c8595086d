//! What development mode remembers, to show it on pages: the last requests, the last failure of a handler, and the last
//! build.
//!
//! All of it is bounded. Without development mode there is none, so that no request takes its lock.

mod build;
mod file_origins;
mod recent;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::observe::EndedRequest;
use crate::text::excerpt;

pub use build::{BuildReport, BuildStage};
pub use file_origins::{FileOrigin, FileOrigins};
pub use recent::{RecentFailure, RecentRequest};

/// How many requests are remembered.
const MAX_RECENT: usize = 50;

/// The most bytes of a failure that are remembered.
const MAX_FAILURE_BYTES: usize = 16 * 1024;

/// What development mode remembers.
#[derive(Debug)]
pub struct DevState {
    /// Differs from that of any other run of the host.
    run: String,
    /// Whether pages of handlers are reloaded too.
    reloads_handler_pages: bool,
    origins: Arc<FileOrigins>,
    records: Mutex<DevRecords>,
    requests: AtomicU64,
    builds: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Default)]
struct DevRecords {
    /// The last first.
    requests: VecDeque<RecentRequest>,
    failure: Option<RecentFailure>,
    build: Option<BuildReport>,
}

impl DevState {
    /// Nothing is remembered yet. `reloads_handler_pages` says whether a script is added to pages of handlers.
    #[must_use]
    pub fn new(reloads_handler_pages: bool) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            run: format!("{process:x}-{started:x}-{number:x}"),
            reloads_handler_pages,
            origins: Arc::default(),
            records: Mutex::default(),
            requests: AtomicU64::new(0),
            builds: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    /// A name of this run of the host: letters, digits and `-`.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether pages of handlers are reloaded too.
    #[must_use]
    pub fn reloads_handler_pages(&self) -> bool {
        self.reloads_handler_pages
    }

    /// Where what is served was copied from.
    #[must_use]
    pub fn origins(&self) -> &Arc<FileOrigins> {
        &self.origins
    }

    /// Remembers a request that has ended.
    pub fn note_request(&self, request: &EndedRequest) {
        let mut records = self.records();
        records.requests.truncate(MAX_RECENT - 1);
        records.requests.push_front(RecentRequest::of(request));
        self.requests.fetch_add(1, Ordering::AcqRel);
        drop(records);
        self.changed.notify_waiters();
    }

    /// Remembers why a handler has failed.
    pub fn note_failure(&self, route: &str, request: u64, reason: &str) {
        let (route, reason) = (route.into(), excerpt(reason, MAX_FAILURE_BYTES).into());
        self.records().failure = Some(RecentFailure { time: SystemTime::now(), route, request, reason });
    }

    /// Replaces what is known of the last build.
    pub fn set_build(&self, report: BuildReport) {
        let mut records = self.records();
        records.build = Some(report);
        self.builds.fetch_add(1, Ordering::AcqRel);
        drop(records);
        self.changed.notify_waiters();
    }

    /// The last requests, the last first.
    #[must_use]
    pub fn recent_requests(&self) -> Vec<RecentRequest> {
        self.records().requests.iter().cloned().collect()
    }

    /// The last failure of a handler.
    #[must_use]
    pub fn last_failure(&self) -> Option<RecentFailure> {
        self.records().failure.clone()
    }

    /// The last build, if the host builds what it serves.
    #[must_use]
    pub fn build(&self) -> Option<BuildReport> {
        self.records().build.clone()
    }

    /// How many requests have ended, and how often the build has changed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Acquire), self.builds.load(Ordering::Acquire))
    }

    /// Waits until `differ` is true of the [counts](Self::counts).
    pub async fn changed(&self, differ: impl Fn((u64, u64)) -> bool) {
        loop {
            let changed = self.changed.notified();
            if differ(self.counts()) {
                return;
            }
            changed.await;
        }
    }

    fn records(&self) -> MutexGuard<'_, DevRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
