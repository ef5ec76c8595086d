//! What servers log, kept for tests to look at.

use std::io;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::TIMEOUT;

/// Lines as they come; an event of several lines is one. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    came: Condvar,
}

/// What the servers of this process log, those of other tests too: look for a name that only your test has.
/// The level is `debug` for the host.
pub fn log() -> &'static Lines {
    static LOG: LazyLock<Lines> = LazyLock::new(|| {
        let lines = Lines::default();
        let filter = EnvFilter::new("info,host=debug");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(lines.clone()).init();
        lines
    });
    &LOG
}

impl Lines {
    /// Adds one.
    pub fn push(&self, line: &str) {
        self.lock().push(line.to_owned());
        self.0.came.notify_all();
    }

    /// Waits for the first line that has all of `parts` in it.
    #[track_caller]
    pub fn wait_for(&self, parts: &[&str]) -> String {
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| has_all(line, parts));
        let waited = self.0.came.wait_timeout_while(self.lock(), TIMEOUT, missing);
        let (lines, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = lines.iter().find(|line| has_all(line, parts)).cloned();
        let shown = if timeout.timed_out() { lines.concat() } else { String::new() };
        drop(lines);
        found.unwrap_or_else(|| panic!("no line has all of {parts:?} in it:\n{shown}"))
    }

    /// Waits until more than `before` lines have all of `parts` in them.
    #[track_caller]
    pub fn wait_for_another(&self, parts: &[&str], before: usize) {
        let missing = |lines: &mut Vec<String>| lines.iter().filter(|line| has_all(line, parts)).count() <= before;
        let waited = self.0.came.wait_timeout_while(self.lock(), TIMEOUT, missing);
        let (lines, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "no other line has all of {parts:?} in it:\n{}", lines.concat());
    }

    /// Waits for a line, without its end, that is as `wanted` says; `name` names it where it does not come.
    #[track_caller]
    pub fn wait_until(&self, name: &str, wanted: impl Fn(&str) -> bool) {
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| wanted(line.trim_end()));
        let waited = self.0.came.wait_timeout_while(self.lock(), TIMEOUT, missing);
        let (lines, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{name}\nis not in the log:\n{}", lines.concat());
    }

    /// The lines so far that have all of `parts` in them.
    pub fn with(&self, parts: &[&str]) -> Vec<String> {
        self.lock().iter().filter(|line| has_all(line, parts)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        // A test that failed meanwhile has not broken a line.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_all(line: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| line.contains(part))
}

/// The subscriber writes each event whole.
impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
