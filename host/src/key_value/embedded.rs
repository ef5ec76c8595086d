//! The backend that is built in: a database of one file, which all workers read and one thread writes.
//!
//! A read is made on a snapshot, on the worker itself. A change is queued for the writer, which commits all that wait in
//! one transaction, and answers once it is on the disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, TableDefinition};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use super::state_file::{self, DatabaseStorage, Storage};
use super::writer::{self, QueuedChange, Writer};
use super::{
    BackendAnswer, ChangeOutcome, KeyPage, KeyValueBackend, KeyValueError, MAX_BATCH_BYTES, MAX_KEY_BYTES, StoreChange,
    StoreName,
};

/// The name of the file in the state directory.
const FILE: &str = "key-value.redb";

/// How much of the file is kept in memory, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// How many bytes of changes wait for the writer. More wait for room.
const QUEUE_BYTES: u32 = 32 * 1024 * 1024;

/// What a queued change counts for at least, in bytes.
const CHANGE_BYTES: u32 = 4096;

/// A file above this many bytes is compacted at start if its entries take less than a third of it.
const COMPACT_ABOVE: u64 = 16 * 1024 * 1024;

/// The most expired entries that one page passes over. The next page goes on behind them.
pub(super) const MAX_PASSED_OVER: usize = 4096;

/// The entries: by store and key, the moment of expiry in 8 bytes and the value.
pub(super) const ENTRIES: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("entries");

/// The entries that expire, by the moment.
pub(super) const EXPIRIES: TableDefinition<'_, (u64, &str, &[u8]), ()> = TableDefinition::new("expiries");

/// What each store holds, in bytes.
pub(super) const USED: TableDefinition<'_, &str, u64> = TableDefinition::new("used");

/// The bytes of the moment of expiry before a value. The moment is in milliseconds since 1970, or 0 if there is none.
pub(super) const EXPIRY_BYTES: usize = 8;

/// The time, in milliseconds since 1970.
pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The directory or file cannot be opened.
    #[error("cannot open the state file {}: {error}; name a directory that the host may write with --state", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// Another process has it.
    #[error("the state file {} is in use by another host; stop that host, or name another directory with --state", .0.display())]
    InUse(PathBuf),
    /// It is no database, or a damaged one.
    #[error("cannot read the state file {}: {error}; put a backup in its place, or move it away to begin with nothing", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        error: redb::Error,
    },
}

/// Stores in one file. Dropping it waits for the changes that are queued.
pub struct EmbeddedBackend {
    state: Arc<DatabaseState>,
    queue: Option<std::sync::mpsc::Sender<QueuedChange>>,
    room: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer and the workers share.
pub(super) struct DatabaseState {
    storage: Arc<dyn Storage>,
    /// `None` while it is opened again, after an error.
    database: RwLock<Option<OpenDatabase>>,
    /// Whether the database has failed since it was opened. It fails in every call from then on.
    has_failed: AtomicBool,
    pub(super) clock: Clock,
}

struct OpenDatabase {
    database: Database,
    storage: DatabaseStorage,
}

impl OpenDatabase {
    fn open(storage: Arc<dyn Storage>) -> Result<Self, redb::Error> {
        let storage = DatabaseStorage::new(storage);
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(storage.clone())?;
        // A table has to exist before it can be read.
        let transaction = database.begin_write()?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(EXPIRIES)?;
        transaction.open_table(USED)?;
        transaction.commit()?;
        Ok(Self { database, storage })
    }
}

impl DatabaseState {
    /// Gives the database to `with`, which must not keep it. This does not wait while the database is opened again.
    pub(super) fn with<R>(&self, with: impl FnOnce(&Database) -> Result<R, redb::Error>) -> Result<R, KeyValueError> {
        let guard = match self.database.try_read() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(KeyValueError::Storage),
        };
        let open = guard.as_ref().ok_or(KeyValueError::Storage)?;
        with(&open.database).map_err(|error| {
            // Only the first error says what has happened.
            if !self.has_failed.swap(true, Ordering::AcqRel) {
                tracing::error!(target: "server", "the key-value stores cannot be read or written: {error}");
            }
            KeyValueError::Storage
        })
    }

    /// Whether the database has to be opened again.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Opens the database again, which has failed. What was committed is there.
    pub(super) fn reopen(&self) -> Result<(), redb::Error> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = guard.take() {
            failed.storage.shut();
        }
        *guard = Some(OpenDatabase::open(self.storage.clone())?);
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }
}

impl EmbeddedBackend {
    /// Opens the file in a directory, and makes both if they do not exist.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        Self::open_with(directory, || state_file::open(&path)?.ok_or_else(|| io::ErrorKind::ResourceBusy.into()))
    }

    /// The same, and waits as long as another process has the file.
    ///
    /// # Errors
    /// See [`StateError`].
    pub(super) fn open_when_released(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        Self::open_with(directory, || state_file::open_when_released(&path))
    }

    fn open_with(directory: &Path, open: impl FnOnce() -> io::Result<File>) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let failed = |error| StateError::Open { path: path.clone(), error };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let file = open().map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => StateError::InUse(path.clone()),
            _ => failed(error),
        })?;
        state_file::sync_directory(directory).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let clock = Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis));
        let backend = Self::with(Arc::new(file), clock, Some(len));
        backend.map_err(|error| StateError::Database { path, error })
    }

    /// Stores in `storage`. If its length is given, it is compacted if that is worthwhile.
    pub(super) fn with(storage: Arc<dyn Storage>, clock: Clock, len: Option<u64>) -> Result<Self, redb::Error> {
        let mut open = OpenDatabase::open(storage.clone())?;
        if let Some(len) = len.filter(|len| *len > COMPACT_ABOVE)
            && used(&open.database)? < len / 3
        {
            open.database.compact()?;
        }
        let state = Arc::new(DatabaseState {
            storage,
            database: RwLock::new(Some(open)),
            has_failed: AtomicBool::new(false),
            clock,
        });
        let (queue, changes) = std::sync::mpsc::channel();
        let writer = Writer::new(state.clone(), changes);
        let thread = std::thread::Builder::new().name("key-value".to_owned()).spawn(move || writer.run());
        let writer = Some(thread.map_err(redb::StorageError::Io)?);
        Ok(Self { state, queue: Some(queue), room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)), writer })
    }

    /// Reads. If that fails, the writer is asked to open the database again.
    fn snapshot<R>(&self, read: impl FnOnce(&Database) -> Result<R, redb::Error>) -> Result<R, KeyValueError> {
        let result = self.state.with(read);
        if result.is_err()
            && let (Some(queue), Ok(room)) = (&self.queue, self.room.clone().try_acquire_many_owned(CHANGE_BYTES))
        {
            let (change, (answer, _)) = (StoreChange::Delete(Vec::new()), oneshot::channel());
            let _ =
                queue.send(QueuedChange { store: StoreName::shared(""), max_bytes: 0, change, answer, _room: room });
        }
        result
    }

    fn read(&self, store: &StoreName, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        let now = (self.state.clock)();
        let values = self.snapshot(|database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let mut values = Vec::with_capacity(keys.len());
            let mut bytes = 0;
            for key in keys {
                let stored = entries.get((store.as_str(), key.as_ref()))?;
                let value = stored.and_then(|stored| Some(Bytes::copy_from_slice(live(stored.value(), now)?.1)));
                bytes += value.as_ref().map_or(0, Bytes::len);
                if bytes > MAX_BATCH_BYTES {
                    return Ok(None);
                }
                values.push(value);
            }
            Ok(Some(values))
        })?;
        values.ok_or(KeyValueError::BatchBytes)
    }

    fn page(
        &self,
        store: &StoreName,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<KeyPage, KeyValueError> {
        let now = (self.state.clock)();
        // The least key that is greater than `after` ends in a zero byte more.
        let next = after.map(|after| [after, &[0]].concat());
        let first = next.as_deref().filter(|next| *next > prefix).unwrap_or(prefix);
        self.snapshot(|database| {
            let entries = database.begin_read()?.open_table(ENTRIES)?;
            let mut page = KeyPage::default();
            let mut passed_over = 0;
            for entry in entries.range((store.as_str(), first)..)? {
                let (key, value) = entry?;
                let (of_store, key) = key.value();
                if of_store != store.as_str() || !key.starts_with(prefix) {
                    break;
                }
                if page.keys.len() == limit {
                    page.next = page.keys.last().cloned();
                    break;
                }
                if live(value.value(), now).is_none() {
                    passed_over += 1;
                    if passed_over == MAX_PASSED_OVER {
                        page.next = Some(Bytes::copy_from_slice(key));
                        break;
                    }
                    continue;
                }
                page.keys.push(Bytes::copy_from_slice(key));
            }
            Ok(page)
        })
    }

    async fn queue(
        &self,
        store: &StoreName,
        max_bytes: u64,
        change: StoreChange,
    ) -> Result<ChangeOutcome, KeyValueError> {
        let bytes = u32::try_from(size(&change)).unwrap_or(QUEUE_BYTES).min(QUEUE_BYTES);
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| KeyValueError::Storage)?;
        let (answer, answered) = oneshot::channel();
        let queued = QueuedChange { store: store.clone(), max_bytes, change, answer, _room: room };
        let queue = self.queue.as_ref().ok_or(KeyValueError::Storage)?;
        queue.send(queued).map_err(|_| KeyValueError::Storage)?;
        answered.await.map_err(|_| KeyValueError::Storage)?
    }
}

impl KeyValueBackend for EmbeddedBackend {
    fn get<'a>(&'a self, store: &'a StoreName, keys: &'a [Bytes]) -> BackendAnswer<'a, Vec<Option<Bytes>>> {
        Box::pin(std::future::ready(self.read(store, keys)))
    }

    fn list<'a>(
        &'a self,
        store: &'a StoreName,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BackendAnswer<'a, KeyPage> {
        Box::pin(std::future::ready(self.page(store, prefix, after, limit)))
    }

    fn change<'a>(
        &'a self,
        store: &'a StoreName,
        max_bytes: u64,
        change: StoreChange,
    ) -> BackendAnswer<'a, ChangeOutcome> {
        Box::pin(self.queue(store, max_bytes, change))
    }
}

impl Drop for EmbeddedBackend {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It has said why, if it has failed.
            let _ = writer.join();
        }
    }
}

impl std::fmt::Debug for EmbeddedBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBackend").finish_non_exhaustive()
    }
}

/// What all stores hold, in bytes.
fn used(database: &Database) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(USED)?;
    let mut sum = 0u64;
    for entry in table.range::<&str>(..)? {
        sum = sum.saturating_add(entry?.1.value());
    }
    Ok(sum)
}

/// The moment of expiry and the value of a stored entry. `None` if it has expired.
pub(super) fn live(stored: &[u8], now: u64) -> Option<(u64, &[u8])> {
    let (expiry, value) = stored.split_first_chunk::<EXPIRY_BYTES>()?;
    let expiry = u64::from_le_bytes(*expiry);
    (expiry == 0 || expiry > now).then_some((expiry, value))
}

/// A duration in milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a change takes of the queue, in bytes.
fn size(change: &StoreChange) -> usize {
    let bytes = match change {
        StoreChange::Set { entries, .. } => {
            entries.iter().map(|(key, value)| key.len() + value.len() + writer::ENTRY_BYTES).sum()
        }
        StoreChange::Delete(keys) => keys.len() * (MAX_KEY_BYTES / 8),
        StoreChange::Increment { .. } => 0,
        StoreChange::CompareAndSwap { expected, new, .. } => expected.iter().chain(new).map(Bytes::len).sum(),
    };
    bytes + CHANGE_BYTES as usize
}
