//! Reading certificates again when their files change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Certificates;

/// How often the files are looked at. This finds every way of replacing a file, also by a link to another directory.
const INTERVAL: Duration = Duration::from_millis(250);

/// A thread that looks at the files of some certificates, until this is dropped.
#[derive(Debug)]
pub struct CertificateWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What tells a file from the one that was there before. `None` if there is none.
type FileState = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// What the files were when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct ChangeDetector {
    /// When they were read.
    read: Vec<FileState>,
    last: Vec<FileState>,
}

impl ChangeDetector {
    pub(super) fn new(read: Vec<FileState>) -> Self {
        Self { last: read.clone(), read }
    }

    /// Whether the files have to be read again: they have changed since they were read, and not since the last look. So a certificate
    /// and its key, which are written one after the other, are read together.
    pub(super) fn should_read(&mut self, now: Vec<FileState>) -> bool {
        let has_settled = now == self.last;
        let should_read = has_settled && now != self.read;
        if should_read {
            self.read.clone_from(&now);
        }
        self.last = now;
        should_read
    }
}

impl CertificateWatch {
    /// Begins to look at the files.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(certificates: Arc<Certificates>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let mut changes = ChangeDetector::new(certificates.file_states());
        let look = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if changes.should_read(certificates.file_states()) {
                    certificates.reload();
                }
            }
        };
        let thread = std::thread::Builder::new().name("certificates".to_owned()).spawn(look)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for CertificateWatch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl Certificates {
    pub(super) fn file_states(&self) -> Vec<FileState> {
        let files = self.sources.iter().map(|source| &source.files);
        let ticket_keys = self.ticket_keys().map(|keys| state(keys.file()));
        files.flat_map(|pair| [state(&pair.certificate), state(&pair.key)]).chain(ticket_keys).collect()
    }
}

/// The state of the file that a path leads to.
fn state(path: &Path) -> FileState {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()))
}
