//! The access log: a line for each [`EndedRequest`], written by a thread of its own ([`crate::line_writer`]).

mod format;
#[cfg(test)]
mod tests;

use std::io;

pub use format::Format;

use crate::line_writer::{Capacity, Destination, LineQueue, LineWriter, LogRecord, Trouble};
use crate::observe::EndedRequest;

/// Capacity of the queue.
const CAPACITY: Capacity = Capacity { records: 4096, bytes: 16 * 1024 * 1024 };

/// The access log. Clones write to the same destination.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: Format,
    queue: LineQueue<AccessLogLine>,
}

/// A record of the access log.
#[derive(Debug)]
pub enum AccessLogLine {
    /// A request.
    Entry(Format, Box<EndedRequest>),
    /// Other text, including its line break.
    Text(String),
}

impl AccessLog {
    /// Starts the thread that writes the log.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(format: Format, destination: Destination) -> io::Result<(Self, LineWriter<AccessLogLine>)> {
        let (queue, writer) = LineQueue::start("access-log", destination, CAPACITY, report_trouble)?;
        Ok((Self { format, queue }, writer))
    }

    /// Logs a request. Never blocks: if the queue is full, the line is dropped and counted.
    pub fn log(&self, entry: EndedRequest) {
        self.queue.push(AccessLogLine::Entry(self.format, Box::new(entry)));
    }

    /// Logs a line of text, which must end with a line break.
    pub fn line(&self, line: String) {
        self.queue.push(AccessLogLine::Text(line));
    }

    /// Reopens the file, for log rotation.
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

/// Reports problems of the access log in the server's log.
fn report_trouble(trouble: Trouble<'_>) -> Option<String> {
    match trouble {
        Trouble::Dropped(lines) => {
            tracing::warn!(target: "access_log", lines, "lines of the access log were dropped: they could not be written fast enough");
        }
        Trouble::Failing(error) => {
            tracing::error!(target: "access_log", "the access log cannot be written, and lines are lost until it can: {error}");
        }
        Trouble::NotReopened(path, error) => {
            tracing::error!(target: "access_log", "cannot reopen the access log {}, still writing to the old file: {error}", path.display());
        }
    }
    None
}
