//! Quarantine: a route or a middleware whose invocations fail again and again is not called for a while.
//!
//! It begins when nearly all invocations of some seconds have failed. After a pause one request is let through, the probe:
//! if that succeeds, the quarantine ends, and if it fails, the next pause is twice as long. If only one or two clients have
//! seen failures, the quarantine is for them alone, because one odd request may be what fails, and others do not send it.
//!
//! A success of a healthy route only reads one atomic, which nobody writes.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

#[cfg(test)]
mod tests;

/// Failures count together if they are within this time.
const WINDOW: Duration = Duration::from_secs(10);

/// The least time between the first and the last of them: invocations that run at once may fail for one reason that has
/// passed.
const MIN_SPAN: Duration = Duration::from_secs(1);

/// For each success there have to be at least this many failures.
const FAILURES_FOR_EACH_SUCCESS: u32 = 10;

/// From this many clients with failures on, the quarantine is for all.
const MANY_CLIENTS: usize = 3;

/// The first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// If a probe takes longer than this, another request is let through.
const PROBE_WAIT: Duration = Duration::from_secs(5);

/// Successes are counted, because there was a failure.
const WATCHED: u8 = 1;
/// The quarantine is for [`Quarantine::clients`].
const FOR_CLIENTS: u8 = 2;
/// The quarantine is for all clients.
const FOR_ALL: u8 = 4;

/// What is known of the failures of one route or middleware, and whether it is in quarantine.
#[derive(Debug)]
pub struct Quarantine {
    /// The failures after which it begins; 0: it never does.
    failures: u32,
    mode: AtomicU8,
    /// The clients that a quarantine of the mode [`FOR_CLIENTS`] is for. If it is one, it is there twice.
    clients: [AtomicU64; MANY_CLIENTS - 1],
    state: Mutex<QuarantineState>,
}

#[derive(Debug, Default)]
struct QuarantineState {
    window: Option<FailureWindow>,
    current: Option<CurrentQuarantine>,
    counts: QuarantineCounts,
}

/// What has happened since a failure.
#[derive(Debug)]
struct FailureWindow {
    first: Instant,
    failures: u32,
    successes: u32,
    /// The clients that have seen the failures: those of the first [`MANY_CLIENTS`].
    clients: SmallVec<[u64; MANY_CLIENTS]>,
}

/// A quarantine that has begun.
#[derive(Debug)]
struct CurrentQuarantine {
    status: QuarantineStatus,
    pause: Duration,
    /// When the next request is let through.
    next_probe: Instant,
    /// How many requests were let through.
    probes: u64,
    /// The number of the probe whose end is not known yet.
    running_probe: Option<u64>,
}

/// A quarantine, for the log and for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineStatus {
    /// When it has begun.
    pub since: Instant,
    /// Whether it is for all clients, and not only for those that have seen the failures.
    pub is_for_all: bool,
    /// How many invocations had failed when it began.
    pub failures: u32,
    /// How many had not failed meanwhile.
    pub successes: u32,
    /// Within which time.
    pub within: Duration,
    /// The beginning of the last failure: one line.
    pub reason: String,
    /// How many invocations it has refused.
    pub refused: u64,
}

/// What the quarantines of a route have come to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuarantineCounts {
    /// How often one has begun.
    pub begun: u64,
    /// How many invocations were refused.
    pub refused: u64,
}

/// What an invocation is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRefusal {
    /// When to try again: at least 1 s.
    pub retry_after: Duration,
}

/// A change that the log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuarantineChange {
    /// It has begun, or is now for all clients.
    Begun(QuarantineStatus),
    /// It has ended.
    Ended(QuarantineStatus),
}

impl Quarantine {
    /// The quarantine of something that gets into it after this many failures. If that is 0, it never does.
    #[must_use]
    pub fn after(failures: u32) -> Self {
        Self { failures, mode: AtomicU8::new(0), clients: Default::default(), state: Mutex::default() }
    }

    /// Whether there was no failure lately. Then there is nothing to count and to refuse.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.mode() == 0
    }

    /// Whether an invocation for this client may begin. If it is a probe, its number is returned: see [`Self::abandon`].
    ///
    /// # Errors
    /// When to try again.
    pub fn admit(&self, client: u64, now: Instant) -> Result<Option<u64>, QuarantineRefusal> {
        if !self.is_for(client) {
            return Ok(None);
        }
        let state = &mut *self.lock();
        let Some(current) = &mut state.current else { return Ok(None) };
        if now < current.next_probe {
            current.status.refused += 1;
            state.counts.refused += 1;
            let retry_after = current.next_probe.duration_since(now).max(Duration::from_secs(1));
            return Err(QuarantineRefusal { retry_after });
        }
        current.probes += 1;
        current.running_probe = Some(current.probes);
        current.next_probe = now + PROBE_WAIT;
        Ok(Some(current.probes))
    }

    /// An invocation for this client has ended by itself.
    pub fn succeeded(&self, client: u64) -> Option<QuarantineChange> {
        let is_for_client = self.is_for(client);
        if !is_for_client && self.mode() & WATCHED == 0 {
            return None;
        }
        let state = &mut *self.lock();
        let mut ended = None;
        if is_for_client {
            // What was running before it began says nothing.
            ended = state.current.take_if(|current| current.probes > 0);
            if ended.is_some() {
                state.window = None;
            }
        } else if let Some(window) = &mut state.window {
            window.successes += 1;
            if window.successes >= self.failures {
                state.window = None;
            }
        }
        self.show(state);
        ended.map(|ended| QuarantineChange::Ended(ended.status))
    }

    /// An invocation for this client has failed at `now`.
    pub fn failed(&self, client: u64, reason: impl FnOnce() -> String, now: Instant) -> Option<QuarantineChange> {
        if self.failures == 0 {
            return None;
        }
        let is_for_client = self.is_for(client);
        let state = &mut *self.lock();
        if let Some(current) = state.current.as_mut().filter(|_| is_for_client) {
            // What was running before it began says nothing.
            if current.probes > 0 {
                current.pause = (current.pause * 2).min(MAX_PAUSE);
                current.next_probe = now + current.pause;
                current.running_probe = None;
                current.status.reason = reason();
            }
            return None;
        }
        let window = state.window.take_if(|window| now.saturating_duration_since(window.first) <= WINDOW);
        let mut window = window.unwrap_or_else(|| FailureWindow::new(now));
        window.count_failure(client);
        if !window.is_enough(self.failures, now) {
            state.window = Some(window);
            self.show(state);
            return None;
        }
        // If those to whom it did not apply fail too, it is for all.
        let is_for_all = window.clients.len() >= MANY_CLIENTS || state.current.is_some();
        for (index, slot) in self.clients.iter().enumerate() {
            let client = window.clients.get(index).or(window.clients.first());
            slot.store(client.copied().unwrap_or_default(), Ordering::Relaxed);
        }
        let status = QuarantineStatus {
            since: now,
            is_for_all,
            failures: window.failures,
            successes: window.successes,
            within: now.saturating_duration_since(window.first),
            reason: reason(),
            refused: state.current.as_ref().map_or(0, |current| current.status.refused),
        };
        state.counts.begun += 1;
        state.window = None;
        state.current = Some(CurrentQuarantine {
            status: status.clone(),
            pause: FIRST_PAUSE,
            next_probe: now + FIRST_PAUSE,
            probes: 0,
            running_probe: None,
        });
        self.show(state);
        Some(QuarantineChange::Begun(status))
    }

    /// The probe of this number has ended and has told nothing, such as one whose client has gone. The next request is
    /// let through.
    pub fn abandon(&self, probe: u64, now: Instant) {
        if let Some(current) = &mut self.lock().current
            && current.running_probe == Some(probe)
        {
            current.running_probe = None;
            current.next_probe = now;
        }
    }

    /// Takes over the counts of `before`, whose route or middleware has a new version, and ends its quarantine.
    pub fn replace(&self, before: &Self) -> Option<QuarantineChange> {
        let (counts, ended) = {
            let state = &mut *before.lock();
            let ended = state.current.take();
            before.show(state);
            (state.counts, ended)
        };
        self.lock().counts = counts;
        ended.map(|ended| QuarantineChange::Ended(ended.status))
    }

    /// The quarantine that it is in.
    #[must_use]
    pub fn status(&self) -> Option<QuarantineStatus> {
        if self.mode() & (FOR_CLIENTS | FOR_ALL) == 0 {
            return None;
        }
        self.lock().current.as_ref().map(|current| current.status.clone())
    }

    /// What its quarantines have come to so far.
    #[must_use]
    pub fn counts(&self) -> QuarantineCounts {
        self.lock().counts
    }

    /// Whether there is a quarantine for this client.
    fn is_for(&self, client: u64) -> bool {
        let mode = self.mode();
        mode & FOR_ALL != 0
            || (mode & FOR_CLIENTS != 0 && self.clients.iter().any(|slot| slot.load(Ordering::Relaxed) == client))
    }

    fn mode(&self) -> u8 {
        self.mode.load(Ordering::Relaxed)
    }

    /// Shows what has changed to those who read the mode alone.
    fn show(&self, state: &QuarantineState) {
        let watched = if state.window.is_some() { WATCHED } else { 0 };
        let scope = match &state.current {
            None => 0,
            Some(current) if current.status.is_for_all => FOR_ALL,
            Some(_) => FOR_CLIENTS,
        };
        self.mode.store(watched | scope, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, QuarantineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QuarantineStatus {
    /// What has led to it, as text behind the name of what is in quarantine.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { failures, successes, within, reason, .. } = self;
        let (scope, all) = (self.scope(), failures + successes);
        format!(
            "is in quarantine{scope}: {failures} of {all} invocations failed within {within:.1?}; the last time it {reason}"
        )
    }

    fn scope(&self) -> &'static str {
        if self.is_for_all { "" } else { " for the clients that have seen it fail" }
    }
}

impl QuarantineChange {
    /// Logs it. `kind` and `name` are those of what is in quarantine.
    pub fn log(&self, kind: &str, name: &str) {
        match self {
            Self::Begun(status) => {
                let (scope, reason) = (status.scope(), &*status.reason);
                let QuarantineStatus { failures, successes, within, .. } = status;
                let invocations = failures + successes;
                tracing::error!(
                    target: "handler",
                    route = name,
                    failures,
                    invocations,
                    "{kind} {name} is in quarantine{scope}: {failures} of {invocations} invocations failed within \
                     {within:.1?}; the last time it {reason}; requests get 503 until it works again or its file changes"
                );
            }
            Self::Ended(status) => {
                let (seconds, refused) = (status.since.elapsed().as_secs(), status.refused);
                tracing::warn!(
                    target: "handler",
                    route = name,
                    refused,
                    "{kind} {name} has left quarantine after {seconds} s; {refused} invocations were refused"
                );
            }
        }
    }
}

impl FailureWindow {
    fn new(now: Instant) -> Self {
        Self { first: now, failures: 0, successes: 0, clients: SmallVec::new() }
    }

    fn count_failure(&mut self, client: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.clients.len() < MANY_CLIENTS && !self.clients.contains(&client) {
            self.clients.push(client);
        }
    }

    fn is_enough(&self, failures: u32, now: Instant) -> bool {
        self.failures >= failures
            && now.saturating_duration_since(self.first) >= MIN_SPAN
            && self.successes.saturating_mul(FAILURES_FOR_EACH_SUCCESS) <= self.failures
    }
}
