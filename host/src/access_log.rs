//! The access log: a line for each request, written by a thread of its own.
//!
//! Owns what a line says and how it is written; that logging holds nobody up is [`crate::line_writer`]'s. It must not know
//! how requests are served. What a line says is in [`Entry`]; the durations are those of [`crate::meter`].

mod entry;
mod format;
#[cfg(test)]
mod tests;

use std::io;

pub use entry::{Asked, End, Entry};
pub use format::Format;

use crate::line_writer::{Capacity, Destination, LineQueue, LineWriter, Record, Trouble};

/// What may wait for the writer.
const CAPACITY: Capacity = Capacity { records: 4096, bytes: 16 * 1024 * 1024 };

/// Where requests are logged. A clone logs to the same place.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: Format,
    queue: LineQueue<Line>,
}

/// What is written to an access log.
#[derive(Debug)]
pub enum Line {
    /// A request.
    Entry(Format, Box<Entry>),
    /// Something else, with the end of its line.
    Text(String),
}

impl AccessLog {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Where the file cannot be opened, or the thread not be started.
    pub fn start(format: Format, destination: Destination) -> io::Result<(Self, LineWriter<Line>)> {
        let (queue, writer) = LineQueue::start("access-log", destination, CAPACITY, tell)?;
        Ok((Self { format, queue }, writer))
    }

    /// Logs a request. It never waits: where the writer is behind by as many lines as it may, this one is dropped.
    pub fn log(&self, entry: Entry) {
        self.queue.push(Line::Entry(self.format, Box::new(entry)));
    }

    /// Writes another line in its turn, which ends in a line break.
    pub fn line(&self, line: String) {
        self.queue.push(Line::Text(line));
    }

    /// Opens the file anew, for who has renamed it to keep it.
    pub fn reopen(&self) {
        self.queue.reopen();
    }
}

impl Record for Line {
    fn size(&self) -> usize {
        match self {
            Self::Entry(_, entry) => size_of::<Entry>() + entry.asked.as_ref().map_or(0, |asked| asked.target.len()),
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
            tracing::warn!(lines, "lines of the access log were dropped: they could not be written fast enough");
        }
        Trouble::Failing(error) => {
            tracing::error!("the access log cannot be written, and lines are lost until it can: {error}");
        }
        Trouble::NotReopened(path, error) => {
            tracing::error!("the access log goes on into the file before it: {}: {error}", path.display());
        }
    }
    None
}
