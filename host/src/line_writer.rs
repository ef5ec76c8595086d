//! Writes lines in a thread of its own, so that a slow reader does not block the server.
//!
//! The queue is bounded: past its capacity, lines are dropped and counted. A line that was written only in part is
//! ended before the next line.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Flush the line buffer when it exceeds this many bytes, and shrink it to this after a flush.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// How long to wait before retrying a non-blocking output that is full.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// A record in the queue. It is formatted by the writer.
pub trait LogRecord: Send + 'static {
    /// Its approximate size in the queue, in bytes.
    fn size(&self) -> usize;

    /// Appends its lines, including line breaks.
    fn write(&self, lines: &mut String);
}

/// A problem of the writer.
#[derive(Debug)]
pub enum Trouble<'w> {
    /// This many records were dropped since the last report; there is room again.
    Dropped(u64),
    /// Writing fails, for the first time since it last succeeded.
    Failing(&'w io::Error),
    /// The file cannot be reopened; lines are still written to the old one.
    NotReopened(&'w Path, &'w io::Error),
}

/// Capacity of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Number of records.
    pub records: usize,
    /// Bytes of all records together.
    pub bytes: usize,
}

/// Where lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appends to a file, which is created if it does not exist.
    File(PathBuf),
}

/// The sending side of a queue. Clones share one writer.
#[derive(Debug)]
pub struct LineQueue<R>(Arc<WriterShared<R>>);

/// The thread that writes the records of a [`LineQueue`].
#[derive(Debug)]
pub struct LineWriter<R>(Arc<WriterShared<R>>);

#[derive(Debug)]
struct WriterShared<R> {
    capacity: Capacity,
    state: Mutex<WriterState<R>>,
    /// Notified when something was queued.
    queued: Condvar,
    /// Notified when the writer has written something or has ended.
    written: Condvar,
}

#[derive(Debug)]
struct WriterState<R> {
    queue: Vec<Queued<R>>,
    /// The records that are queued or being written, and their bytes.
    records: usize,
    bytes: usize,
    /// The records that were dropped since the last report.
    dropped: u64,
    /// How many records were queued in total, and how many of them are done.
    pushed: u64,
    done: u64,
    /// No more records are accepted.
    closed: bool,
    /// The writer's thread has ended.
    ended: bool,
}

#[derive(Debug)]
enum Queued<R> {
    Record(R),
    Reopen,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl<R> Clone for LineQueue<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: LogRecord> LineQueue<R> {
    /// Starts a thread called `name` that writes to `destination`. Problems are passed to `report`; the text that it
    /// returns is written like a record, except after a failure.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(
        name: &str,
        destination: Destination,
        capacity: Capacity,
        report: impl FnMut(Trouble<'_>) -> Option<String> + Send + 'static,
    ) -> io::Result<(Self, LineWriter<R>)> {
        let (output, path): (Box<dyn Write + Send>, _) = match destination {
            Destination::Stdout => (Box::new(io::stdout()), None),
            Destination::Stderr => (Box::new(io::stderr()), None),
            Destination::File(path) => (Box::new(open(&path)?), Some(path)),
        };
        Self::start_with(name, output, path, capacity, report)
    }

    pub(crate) fn start_with(
        name: &str,
        output: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        capacity: Capacity,
        report: impl FnMut(Trouble<'_>) -> Option<String> + Send + 'static,
    ) -> io::Result<(Self, LineWriter<R>)> {
        let shared = Arc::new(WriterShared {
            capacity,
            state: Mutex::new(WriterState {
                queue: Vec::new(),
                records: 0,
                bytes: 0,
                dropped: 0,
                pushed: 0,
                done: 0,
                closed: false,
                ended: false,
            }),
            queued: Condvar::new(),
            written: Condvar::new(),
        });
        let mut writing = Writing {
            output,
            path,
            report,
            shared: shared.clone(),
            batch: Vec::new(),
            lines: String::new(),
            failing: false,
            broken: false,
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writing.run())?;
        Ok((Self(shared.clone()), LineWriter(shared)))
    }

    /// Queues a record. Never blocks: past the capacity, the record is dropped and counted.
    pub fn push(&self, record: R) {
        self.push_within(record, 1);
    }

    /// The same for a record that may fill only one part in `parts` of the capacity, so that the remainder is left for
    /// others.
    pub fn push_within(&self, record: R, parts: usize) {
        let Capacity { records, bytes } = self.0.capacity;
        let length = record.size();
        let mut state = self.0.lock();
        if state.closed || state.records >= records / parts || state.bytes.saturating_add(length) > bytes / parts {
            state.dropped += 1;
            return;
        }
        state.records += 1;
        state.bytes += length;
        self.0.queue(state, Queued::Record(record));
    }

    /// Reopens the file, for log rotation. What was queued before is written to the old file.
    pub fn reopen(&self) {
        let state = self.0.lock();
        // Merge repeated requests, so that signals cannot fill memory.
        if !matches!(state.queue.last(), Some(Queued::Reopen)) {
            self.0.queue(state, Queued::Reopen);
        }
    }

    /// Waits until everything queued so far is written. Returns false after `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.0.wait_written(timeout)
    }
}

impl<R> LineWriter<R> {
    /// Accepts no more records. The thread ends once everything is written.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.queued.notify_all();
    }

    /// Accepts no more records, and waits until everything is written, at most for `timeout`.
    ///
    /// # Errors
    /// After the timeout: the number of records not written, including those dropped before.
    pub fn finish(self, timeout: Duration) -> Result<(), u64> {
        self.close();
        if self.0.wait_written(timeout) {
            return Ok(());
        }
        let state = self.0.lock();
        Err(state.dropped + state.records as u64)
    }
}

impl LogRecord for String {
    fn size(&self) -> usize {
        self.len()
    }

    fn write(&self, lines: &mut String) {
        lines.push_str(self);
    }
}

impl<R> WriterShared<R> {
    fn lock(&self) -> MutexGuard<'_, WriterState<R>> {
        // No critical section can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, mut state: MutexGuard<'_, WriterState<R>>, queued: Queued<R>) {
        state.queue.push(queued);
        state.pushed += 1;
        drop(state);
        self.queued.notify_one();
    }

    fn wait_written(&self, timeout: Duration) -> bool {
        let state = self.lock();
        let last = state.pushed;
        let waits = |state: &mut WriterState<R>| (state.done < last || state.closed) && !state.ended;
        let waited = self.written.wait_timeout_while(state, timeout, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.done >= last
    }
}

/// The writer's thread.
struct Writing<R, T> {
    output: Box<dyn Write + Send>,
    /// The file to reopen, if the destination is one.
    path: Option<PathBuf>,
    report: T,
    shared: Arc<WriterShared<R>>,
    /// Queued records that are not written yet.
    batch: Vec<Queued<R>>,
    /// The lines to write next.
    lines: String,
    /// Whether the last write failed.
    failing: bool,
    /// Whether the last line was written only in part.
    broken: bool,
}

impl<R, T> Writing<R, T>
where
    R: LogRecord,
    T: FnMut(Trouble<'_>) -> Option<String>,
{
    /// Writes queued records in batches until the queue is closed.
    fn run(&mut self) {
        while self.next() {
            let mut batch = std::mem::take(&mut self.batch);
            let length = batch.len() as u64;
            let (mut records, mut bytes) = (0, 0);
            for queued in batch.drain(..) {
                match queued {
                    Queued::Record(record) => {
                        records += 1;
                        bytes += record.size();
                        record.write(&mut self.lines);
                        if self.lines.len() > MAX_KEPT_BYTES {
                            self.flush(std::mem::take(&mut records), std::mem::take(&mut bytes));
                        }
                    }
                    Queued::Reopen => {
                        self.flush(std::mem::take(&mut records), std::mem::take(&mut bytes));
                        self.reopen();
                    }
                }
            }
            self.flush(records, bytes);
            self.report_dropped();
            batch.shrink_to(MAX_KEPT_BYTES / size_of::<Queued<R>>());
            self.batch = batch;
            self.shared.lock().done += length;
            self.shared.written.notify_all();
        }
        self.shared.lock().ended = true;
        self.shared.written.notify_all();
    }

    /// Takes everything from the queue. Returns false when it is empty and closed.
    fn next(&mut self) -> bool {
        let waits = |state: &mut WriterState<R>| state.queue.is_empty() && !state.closed;
        let waited = self.shared.queued.wait_while(self.shared.lock(), waits);
        std::mem::swap(&mut waited.unwrap_or_else(PoisonError::into_inner).queue, &mut self.batch);
        !self.batch.is_empty()
    }

    /// Writes the lines of this many records and bytes.
    fn flush(&mut self, records: usize, bytes: usize) {
        if self.broken && !self.lines.is_empty() {
            // End the partial line first.
            self.lines.insert(0, '\n');
        }
        let written = self.write_lines();
        self.lines.clear();
        self.lines.shrink_to(MAX_KEPT_BYTES);
        let first = written.is_err() && !self.failing;
        self.failing = written.is_err();
        {
            let mut state = self.shared.lock();
            state.records -= records;
            state.bytes -= bytes;
            if self.failing {
                state.dropped += records as u64;
            }
        }
        if let Err(error) = written
            && first
        {
            // The returned text could not be written.
            let _ = (self.report)(Trouble::Failing(&error));
        }
    }

    /// Writes the lines, and remembers whether the last one is complete.
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
                // Another process may have made the pipe or terminal non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY_AFTER),
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }

    fn report_dropped(&mut self) {
        if self.failing {
            return;
        }
        let dropped = std::mem::take(&mut self.shared.lock().dropped);
        if dropped > 0
            && let Some(text) = (self.report)(Trouble::Dropped(dropped))
        {
            self.lines.push_str(&text);
            self.flush(0, 0);
        }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => (self.output, self.broken) = (Box::new(file), false),
            Err(error) => {
                if let Some(text) = (self.report)(Trouble::NotReopened(path, &error)) {
                    self.lines.push_str(&text);
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
