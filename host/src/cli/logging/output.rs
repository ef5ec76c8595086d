//! Between the log and stderr: a bounded queue, and the thread behind it.
//!
//! Owns which lines may take all of the queue: what handlers print may take half of it, so that a route that floods the
//! log does not keep out what the host has to say.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::io;
use std::panic::PanicHookInfo;
use std::time::Duration;

use host::line_writer::{Capacity, Destination, LineQueue, LineWriter, Trouble};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// What may wait for whoever reads the log.
const CAPACITY: Capacity = Capacity { records: 16_384, bytes: 4 * 1024 * 1024 };

/// Where what handlers print comes from.
const GUEST: &str = "guest";

/// How long a thread that panics waits for its line to be written, as the process may end with it.
const PANIC_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

thread_local! {
    /// What the thread that writes the log has to say itself, which does not queue.
    static OWN_LINES: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where the log goes. A clone goes there too.
#[derive(Debug, Clone)]
pub(super) struct LogOutput(LineQueue<String>);

/// Takes one event.
#[derive(Debug)]
pub(super) struct EventWriter<'w> {
    queue: &'w LineQueue<String>,
    /// Of so many parts of the queue it may take one.
    parts: usize,
}

impl LogOutput {
    pub(super) fn start() -> io::Result<(Self, LineWriter<String>)> {
        let (queue, writer) = LineQueue::start("log", Destination::Stderr, CAPACITY, tell)?;
        Ok((Self(queue), writer))
    }

    /// Has panics be lines of the log. What the standard library does waits for whoever reads stderr.
    pub(super) fn tell_panics(&self) {
        let queue = self.0.clone();
        std::panic::set_hook(Box::new(move |panic| {
            tell_panic(panic);
            queue.flush(PANIC_FLUSH_TIMEOUT);
        }));
    }
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let (name, message) = (thread.name().unwrap_or("without a name"), panic.payload_as_str().unwrap_or("no message"));
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    let backtrace = Backtrace::capture();
    let message = match backtrace.status() {
        BacktraceStatus::Captured => format!("{message}\n{backtrace}"),
        _ => message.to_owned(),
    };
    tracing::error!(target: "log", thread = name, "a thread of the host has panicked{place}: {message}");
}

/// What becomes of the log is a line of it.
fn tell(trouble: Trouble<'_>) -> Option<String> {
    match trouble {
        Trouble::Dropped(lines) => {
            OWN_LINES.set(Some(String::new()));
            tracing::warn!(target: "log", lines, "lines of the log were dropped: they could not be written fast enough");
            OWN_LINES.take()
        }
        // There is nowhere else to say it.
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

/// The subscriber writes each event whole.
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
        std::panic::set_hook(Box::new(tell_panic));
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
