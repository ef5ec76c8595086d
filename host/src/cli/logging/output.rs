//! The bounded queue between the log and stderr, and the thread that empties it.
//!
//! Output of handlers may fill only half of the queue, so that a route that floods the log does not displace messages
//! of the host.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::io;
use std::panic::PanicHookInfo;
use std::time::Duration;

use host::line_writer::{Capacity, Destination, LineQueue, LineWriter, Trouble};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Capacity of the queue.
const CAPACITY: Capacity = Capacity { records: 16_384, bytes: 4 * 1024 * 1024 };

/// The log target of handlers' output.
const GUEST: &str = "guest";

/// How long a panicking thread waits for its message to be written, because the process may end with it.
const PANIC_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

thread_local! {
    /// The messages of the thread that writes the log. They bypass the queue.
    static OWN_LINES: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The output of the log. Clones share one queue.
#[derive(Debug, Clone)]
pub(super) struct LogOutput(LineQueue<String>);

/// Writes one event to the queue.
#[derive(Debug)]
pub(super) struct EventWriter<'w> {
    queue: &'w LineQueue<String>,
    /// It may fill one part in this many of the queue.
    parts: usize,
}

impl LogOutput {
    pub(super) fn start() -> io::Result<(Self, LineWriter<String>)> {
        let (queue, writer) = LineQueue::start("log", Destination::Stderr, CAPACITY, report_trouble)?;
        Ok((Self(queue), writer))
    }

    /// Logs panics. The standard library's hook would block on a slow reader of stderr.
    pub(super) fn log_panics(&self) {
        let queue = self.0.clone();
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            queue.flush(PANIC_FLUSH_TIMEOUT);
        }));
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let (name, message) = (thread.name().unwrap_or("without a name"), panic.payload_as_str().unwrap_or("no message"));
    let location = panic.location().map_or_else(String::new, |location| format!(" at {location}"));
    let backtrace = Backtrace::capture();
    let message = match backtrace.status() {
        BacktraceStatus::Captured => format!("{message}\n{backtrace}"),
        _ => message.to_owned(),
    };
    tracing::error!(target: "log", thread = name, "a thread of the host has panicked{location}: {message}");
}

/// Reports a problem of the log as a line of the log.
fn report_trouble(trouble: Trouble<'_>) -> Option<String> {
    match trouble {
        Trouble::Dropped(lines) => {
            OWN_LINES.set(Some(String::new()));
            tracing::warn!(target: "log", lines, "lines of the log were dropped: they could not be written fast enough");
            OWN_LINES.take()
        }
        // There is nowhere to report it.
        Trouble::Failing(_) | Trouble::NotReopened(..) => None,
    }
}

impl<'w> MakeWriter<'w> for LogOutput {
    type Writer = EventWriter<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        EventWriter { queue: &self.0, parts: 1 }
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Self::Writer {
        EventWriter { queue: &self.0, parts: if event.target() == GUEST { 2 } else { 1 } }
    }
}

/// The subscriber writes each event in one call.
impl io::Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let is_own = OWN_LINES.with_borrow_mut(|own| own.as_mut().map(|own| own.push_str(&text)).is_some());
        if !is_own {
            self.queue.push_within(text.into_owned(), self.parts);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_line_of_the_log() {
        let logged = Logged::default();
        let writer = logged.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        std::panic::set_hook(Box::new(log_panic));
        let ended =
            tracing::subscriber::with_default(log, || std::panic::catch_unwind(|| panic!("it is {}", "broken")));
        drop(std::panic::take_hook());
        assert!(ended.is_err());
        let line = String::from_utf8(logged.0.lock().expect("nobody panics with it").clone()).expect("it is text");
        for part in
            [" ERROR ", "a thread of the host has panicked at ", "logging/output.rs:", ": it is broken", " thread="]
        {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
}
