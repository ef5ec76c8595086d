//! The access log: a line for each request, written by a thread of its own.
//!
//! Owns that logging holds nobody up: between workers and the writer is a queue with a bound, past which lines are
//! dropped and counted. It must not know how requests are served. What a line says is in [`Entry`]; the durations are
//! those of [`crate::meter`].

mod entry;
mod format;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

pub use entry::{Asked, End, Entry};
pub use format::Format;

/// The most lines that wait for the writer.
const QUEUE: usize = 4096;

/// The bytes of lines that keep their memory once they are written: a burst of long ones is not kept room for.
const KEPT: usize = 64 * 1024;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where requests are logged. A clone logs to the same place.
#[derive(Debug, Clone)]
pub struct AccessLog {
    entries: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// The thread that writes an access log.
#[derive(Debug)]
pub struct Writing {
    ended: Receiver<()>,
    dropped: Arc<AtomicU64>,
}

/// Where an access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// The end of a file, which is made where it is not there.
    File(PathBuf),
}

#[derive(Debug)]
enum Message {
    Entry(Box<Entry>),
    Reopen,
}

impl AccessLog {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Where the file cannot be opened, or the thread not be started.
    pub fn start(format: Format, destination: Destination) -> io::Result<(Self, Writing)> {
        let (output, path): (Box<dyn Write + Send>, _) = match destination {
            Destination::Stdout => (Box::new(io::stdout()), None),
            Destination::File(path) => (Box::new(open(&path)?), Some(path)),
        };
        Self::start_with(format, output, path)
    }

    fn start_with(format: Format, output: Box<dyn Write + Send>, path: Option<PathBuf>) -> io::Result<(Self, Writing)> {
        let (entries, received) = sync_channel(QUEUE);
        let (end, ended) = channel();
        let dropped = Arc::<AtomicU64>::default();
        let mut writer = Writer {
            format,
            output,
            path,
            lines: String::new(),
            dropped: dropped.clone(),
            failing: false,
            broken: false,
        };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.write_all(&received);
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok((Self { entries, dropped: dropped.clone() }, Writing { ended, dropped }))
    }

    /// Logs a request. It never waits: where the writer is behind by as many lines as it may, this one is dropped.
    pub fn log(&self, entry: Entry) {
        match self.entries.try_send(Message::Entry(Box::new(entry))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Opens the file anew, for who has renamed it to keep it.
    pub fn reopen(&self) {
        // Where the queue is full it is asked for again.
        let _ = self.entries.try_send(Message::Reopen);
    }
}

impl Writing {
    /// Waits until all is written, once nobody has the log any more; not for ever where nobody takes what is written.
    pub fn finish(self) {
        match self.ended.recv_timeout(LAST_LINES) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                let dropped = self.dropped.load(Ordering::Relaxed);
                tracing::warn!(dropped, "the last lines of the access log could not be written");
            }
        }
    }
}

struct Writer {
    format: Format,
    output: Box<dyn Write + Send>,
    /// The file that is to be opened anew, where it is one.
    path: Option<PathBuf>,
    /// What is to be written at once.
    lines: String,
    dropped: Arc<AtomicU64>,
    /// Whether the last write has failed.
    failing: bool,
    /// Whether a line was begun and not ended, because of that.
    broken: bool,
}

impl Writer {
    /// Writes until nobody can log any more: all that waits at once.
    fn write_all(&mut self, received: &Receiver<Message>) {
        while let Ok(first) = received.recv() {
            let more = std::iter::from_fn(|| received.try_recv().ok()).take(QUEUE);
            let mut entries = 0;
            for message in std::iter::once(first).chain(more) {
                match message {
                    Message::Entry(entry) => {
                        self.format.write(&entry, &mut self.lines);
                        entries += 1;
                    }
                    Message::Reopen => {
                        self.flush(std::mem::take(&mut entries));
                        self.reopen();
                    }
                }
            }
            self.flush(entries);
            self.tell_dropped();
        }
    }

    fn flush(&mut self, entries: u64) {
        if self.broken {
            // What was begun is no part of the next line.
            self.lines.insert(0, '\n');
        }
        let written = self.write_lines();
        self.lines.clear();
        self.lines.shrink_to(KEPT);
        match written {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.dropped.fetch_add(entries, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!("the access log cannot be written, and lines are lost until it can: {error}");
                }
            }
        }
    }

    /// Writes what waits, and knows where it broke off.
    fn write_lines(&mut self) -> io::Result<()> {
        let mut left = self.lines.as_bytes();
        while !left.is_empty() {
            match self.output.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    let (written, rest) = left.split_at(length);
                    self.broken = !written.ends_with(b"\n");
                    left = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }

    fn tell_dropped(&self) {
        if self.failing {
            return;
        }
        let lines = self.dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            tracing::warn!(lines, "lines of the access log were dropped: they could not be written fast enough");
        }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => (self.output, self.broken) = (Box::new(file), false),
            Err(error) => {
                tracing::error!("the access log goes on into the file before it: {}: {error}", path.display());
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
