//! The file of the embedded backend as its database sees it: locked once, and closed to a database that has failed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

/// Opens a file and locks it for this process, once no other one has it.
pub(super) fn open_when_released(path: &Path) -> io::Result<File> {
    let file = open_unlocked(path)?;
    file.lock()?;
    Ok(file)
}

fn open_unlocked(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens a file and locks it for this process. `None` if another one has it.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    let file = open_unlocked(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes the entry of a new file durable. Without it, a file whose contents are on the disk may be gone after a power loss.
/// The same goes for the directory itself in the one above.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    for directory in [Some(directory), directory.parent()].into_iter().flatten() {
        // The parent of a relative path of one name is the current directory.
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            // The file system knows no such call, or the host may not read the directory above its own.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// What a database needs of its file. It is a trait so that tests can let it fail.
pub(super) trait Storage: std::fmt::Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
}

impl Storage for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let old = self.metadata()?.len();
        if len > old {
            // The system gives the room now, so that no page of the file lacks it later.
            let (mode, grown) = (rustix::fs::FallocateFlags::empty(), len - old);
            match rustix::fs::fallocate(self, mode, old, grown) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(data, offset)
    }
}

/// The storage of one database. Once it is closed, that database neither reads nor writes any more, so that another can
/// take its place.
#[derive(Debug, Clone)]
pub(super) struct DatabaseStorage {
    storage: Arc<dyn Storage>,
    is_closed: Arc<AtomicBool>,
}

impl DatabaseStorage {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, is_closed: Arc::default() }
    }

    /// Lets its database fail from now on.
    pub(super) fn shut(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    fn open(&self) -> io::Result<&dyn Storage> {
        match self.is_closed.load(Ordering::SeqCst) {
            false => Ok(&*self.storage),
            true => Err(io::Error::other("the database has failed")),
        }
    }
}

impl StorageBackend for DatabaseStorage {
    fn len(&self) -> io::Result<u64> {
        self.open()?.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.open()?.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.open()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.open()?.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.open()?.write(offset, data)
    }
}
