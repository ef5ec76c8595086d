//! The access log: a line for each [`EndedRequest`], written by a thread of its own ([`crate::line_writer`]).

mod format;
#[cfg(test)]
mod tests;

use std::io;

pub use format::Format;

use crate::line_writer::{Capacity, Destination, LineQueue, LineWriter, LogRecord, Trouble};
use crate::observe::EndedRequest;

/// What may wait for the writer.
const CAPACITY: Capacity = Capacity { records: 4096, bytes: 16 * 1024 * 1024 };

/// Where requests are logged. A clone logs to the same place.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: Format,
    queue: LineQueue<AccessLogLine>,
}

/// What is written to an access log.
#[derive(Debug)]
pub enum AccessLogLine {
    /// A request.
    Entry(Format, Box<EndedRequest>),
    /// Something else, with the end of its line.
    Text(String),
}

impl AccessLog {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Where the file cannot be opened, or the thread not be started.
    pub fn start(format: Format, destination: Destination) -> io::Result<(Self, LineWriter<AccessLogLine>)> {
        let (queue, writer) = LineQueue::start("access-log", destination, CAPACITY, tell)?;
        Ok((Self { format, queue }, writer))
    }

    /// Logs a request. It never waits: where the writer is behind by as many lines as it may, this one is dropped.
    pub fn log(&self, entry: EndedRequest) {
        self.queue.push(AccessLogLine::Entry(self.format, Box::new(entry)));
    }

    /// Writes another line in its turn, which ends in a line break.
    pub fn line(&self, line: String) {
        self.queue.push(AccessLogLine::Text(line));
    }

    /// Opens the file anew, for who has renamed it to keep it.
    pub fn reopen(&self) {
        self.queue.reopen();
    }
}

impl LogRecord for AccessLogLine {
    fn size(&self) -> usize {
        match self {
            Self::Entry(_, entry) => {
                size_of::<EndedRequest>() + entry.asked.as_ref().map_or(0, |asked| asked.target.len())
            }
            Self::Text(text) => text.len(),
        }
    }

    fn write(&self, lines: &mut String) {
        match self {
            Self::Entry(format, entry) => format.write(entry, lines),
            Self::Text(text) => lines.push_str(text),
        }
    }
}

/// What becomes of the access log is told to the log.
fn tell(trouble: Trouble<'_>) -> Option<String> {
    match trouble {
        Trouble::Dropped(lines) => {
            tracing::warn!(target: "access_log", lines, "lines of the access log were dropped: they could not be written fast enough");
        }
        Trouble::Failing(error) => {
            tracing::error!(target: "access_log", "the access log cannot be written, and lines are lost until it can: {error}");
        }
        Trouble::NotReopened(path, error) => {
            tracing::error!(target: "access_log", "the access log goes on into the file before it: {}: {error}", path.display());
        }
    }
    None
}
