//! Lines that a thread of its own writes, so that nobody waits for whoever reads them.
//!
//! Owns the bound on what waits for the writer, past which lines are dropped and counted, and that a line which could
//! not be written whole is no part of the next. It must not know what the lines say.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The bytes of lines that keep their memory once they are written: room for a burst of long ones is given back.
const KEPT: usize = 64 * 1024;

/// How long an output that is full and does not block is left alone.
const AGAIN: Duration = Duration::from_millis(10);

/// What waits for the writer, and becomes lines only there.
pub trait LogRecord: Send + 'static {
    /// The bytes that it takes while it waits, about.
    fn size(&self) -> usize;

    /// Adds its lines, each with its end.
    fn write(&self, lines: &mut String);
}

/// What a writer has to say of itself.
#[derive(Debug)]
pub enum Trouble<'w> {
    /// As many records were dropped since this was said last, and there is room again.
    Dropped(u64),
    /// The output refuses what is written, for the first time since it took something.
    Failing(&'w io::Error),
    /// The file cannot be opened anew; the lines go on into the one before.
    NotReopened(&'w Path, &'w io::Error),
}

/// How much may wait for a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Records.
    pub records: usize,
    /// Bytes of all records together.
    pub bytes: usize,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of a file, which is made where it is not there.
    File(PathBuf),
}

/// Takes records for a writer. A clone feeds the same one.
#[derive(Debug)]
pub struct LineQueue<R>(Arc<WriterShared<R>>);

/// The thread that writes what comes from a [`LineQueue`].
#[derive(Debug)]
pub struct LineWriter<R>(Arc<WriterShared<R>>);

#[derive(Debug)]
struct WriterShared<R> {
    capacity: Capacity,
    state: Mutex<WriterState<R>>,
    /// Something is there for the writer.
    queued: Condvar,
    /// The writer has written something, or has ended.
    written: Condvar,
}

#[derive(Debug)]
struct WriterState<R> {
    queue: Vec<Queued<R>>,
    /// The records that wait or are being written, and their bytes.
    records: usize,
    bytes: usize,
    /// The records that were dropped since that was said last.
    dropped: u64,
    /// How many were ever queued, and how many of them the writer is done with.
    pushed: u64,
    done: u64,
    /// No more is taken.
    closed: bool,
    /// The writer is gone.
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
    /// Starts a thread of this name that writes to `destination`. What it has to say of itself is given to `tell`, whose
    /// answer is written like a record, but for a failure.
    ///
    /// # Errors
    /// Where the file cannot be opened, or the thread not be started.
    pub fn start(
        name: &str,
        destination: Destination,
        capacity: Capacity,
        tell: impl FnMut(Trouble<'_>) -> Option<String> + Send + 'static,
    ) -> io::Result<(Self, LineWriter<R>)> {
        let (output, path): (Box<dyn Write + Send>, _) = match destination {
            Destination::Stdout => (Box::new(io::stdout()), None),
            Destination::Stderr => (Box::new(io::stderr()), None),
            Destination::File(path) => (Box::new(open(&path)?), Some(path)),
        };
        Self::start_with(name, output, path, capacity, tell)
    }

    pub(crate) fn start_with(
        name: &str,
        output: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        capacity: Capacity,
        tell: impl FnMut(Trouble<'_>) -> Option<String> + Send + 'static,
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
            tell,
            shared: shared.clone(),
            batch: Vec::new(),
            lines: String::new(),
            failing: false,
            broken: false,
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writing.run())?;
        Ok((Self(shared.clone()), LineWriter(shared)))
    }

    /// Queues a record. It never waits: past the capacity the record is dropped, and counted.
    pub fn push(&self, record: R) {
        self.push_within(record, 1);
    }

    /// The same, for a record that may take only one part of so many `parts` of the capacity, so that the rest stays
    /// for others.
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

    /// Opens the file anew, for an operator who has renamed it to keep it. What was queued before goes into the old one.
    pub fn reopen(&self) {
        let state = self.0.lock();
        // Asked for twice in a row it is done once, so that signals fill no memory.
        if !matches!(state.queue.last(), Some(Queued::Reopen)) {
            self.0.queue(state, Queued::Reopen);
        }
    }

    /// Waits until all that was queued so far is written, at most for so long. False where it was not.
    pub fn flush(&self, patience: Duration) -> bool {
        self.0.wait_written(patience)
    }
}

impl<R> LineWriter<R> {
    /// Takes no more: the thread ends once all is written.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.queued.notify_all();
    }

    /// Takes no more, and waits until all is written, at most for so long.
    ///
    /// # Errors
    /// Where that was not long enough: the records that are not written, those included that were dropped before.
    pub fn finish(self, patience: Duration) -> Result<(), u64> {
        self.close();
        if self.0.wait_written(patience) {
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
        // Nothing in a critical section can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, mut state: MutexGuard<'_, WriterState<R>>, queued: Queued<R>) {
        state.queue.push(queued);
        state.pushed += 1;
        drop(state);
        self.queued.notify_one();
    }

    fn wait_written(&self, patience: Duration) -> bool {
        let state = self.lock();
        let last = state.pushed;
        let waits = |state: &mut WriterState<R>| (state.done < last || state.closed) && !state.ended;
        let waited = self.written.wait_timeout_while(state, patience, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.done >= last
    }
}

/// The writer, on its thread.
struct Writing<R, T> {
    output: Box<dyn Write + Send>,
    /// The file that is to be opened anew, where it is one.
    path: Option<PathBuf>,
    tell: T,
    shared: Arc<WriterShared<R>>,
    /// What was queued and is not written yet.
    batch: Vec<Queued<R>>,
    /// What is to be written at once.
    lines: String,
    /// Whether the last write has failed.
    failing: bool,
    /// Whether a line was begun and not ended, because of that.
    broken: bool,
}

impl<R, T> Writing<R, T>
where
    R: LogRecord,
    T: FnMut(Trouble<'_>) -> Option<String>,
{
    /// Writes, all that waits at once, until no more is taken.
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
                        if self.lines.len() > KEPT {
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
            self.tell_dropped();
            batch.shrink_to(KEPT / size_of::<Queued<R>>());
            self.batch = batch;
            self.shared.lock().done += length;
            self.shared.written.notify_all();
        }
        self.shared.lock().ended = true;
        self.shared.written.notify_all();
    }

    /// Takes what waits; false once nothing does and no more comes.
    fn next(&mut self) -> bool {
        let waits = |state: &mut WriterState<R>| state.queue.is_empty() && !state.closed;
        let waited = self.shared.queued.wait_while(self.shared.lock(), waits);
        std::mem::swap(&mut waited.unwrap_or_else(PoisonError::into_inner).queue, &mut self.batch);
        !self.batch.is_empty()
    }

    /// Writes the lines of as many records.
    fn flush(&mut self, records: usize, bytes: usize) {
        if self.broken && !self.lines.is_empty() {
            // What was begun is no part of the next line.
            self.lines.insert(0, '\n');
        }
        let written = self.write_lines();
        self.lines.clear();
        self.lines.shrink_to(KEPT);
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
            // An answer would be written to what cannot be written to.
            let _ = (self.tell)(Trouble::Failing(&error));
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
                // Another process has made the pipe or the terminal one that does not block.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(AGAIN),
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }

    fn tell_dropped(&mut self) {
        if self.failing {
            return;
        }
        let dropped = std::mem::take(&mut self.shared.lock().dropped);
        if dropped > 0
            && let Some(told) = (self.tell)(Trouble::Dropped(dropped))
        {
            self.lines.push_str(&told);
            self.flush(0, 0);
        }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => (self.output, self.broken) = (Box::new(file), false),
            Err(error) => {
                if let Some(told) = (self.tell)(Trouble::NotReopened(path, &error)) {
                    self.lines.push_str(&told);
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
