//! Listings of directories, which are read at once and held in memory.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::Dir;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DirectoryEntryStream, ErrorCode, HostDescriptor};
use wasmtime_wasi::runtime::spawn_blocking;

use super::Files;
use crate::memory_budget::Reservation;

/// The most bytes of a listing.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What an entry takes beside its name.
const ENTRY_BYTES: usize = 96;

impl Files<'_> {
    /// Lists a directory. The memory of the listing counts for the route until the guest drops it.
    pub(super) async fn list(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let Descriptor::Dir(directory) = self.table.get(&fd)? else { return Err(ErrorCode::NotDirectory.into()) };
        let directory = directory.dir.clone();
        let bytes = spawn_blocking(move || listing_bytes(&directory)).await?;
        let options = self.options.clone().ok_or(ErrorCode::InsufficientMemory)?;
        let reservation = Reservation::new(bytes, options.memory_owner()).map_err(|_| ErrorCode::InsufficientMemory)?;
        let stream = self.wasi().read_directory(fd).await?;
        self.open.listings.insert(stream.rep(), reservation);
        Ok(stream)
    }
}

/// The bytes that the listing of a directory takes.
///
/// # Errors
/// If it cannot be read, or they are more than [`MAX_BYTES`].
fn listing_bytes(directory: &Arc<File>) -> Result<usize, ErrorCode> {
    let mut bytes = 0;
    for entry in Dir::read_from(directory).map_err(of_system)? {
        bytes += entry.map_err(of_system)?.file_name().count_bytes() + ENTRY_BYTES;
        if bytes > MAX_BYTES {
            return Err(ErrorCode::InsufficientMemory);
        }
    }
    Ok(bytes)
}

fn of_system(error: rustix::io::Errno) -> ErrorCode {
    std::io::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_counts_its_names() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let open = || Arc::new(File::open(directory.path()).expect("it can be opened"));
        // `.` and `..` are read too.
        assert_eq!(listing_bytes(&open()), Ok(3 + 2 * ENTRY_BYTES));
        std::fs::write(directory.path().join("name"), "").expect("a file can be written");
        assert_eq!(listing_bytes(&open()), Ok(3 + 4 + 3 * ENTRY_BYTES));
        let file = Arc::new(File::open(directory.path().join("name")).expect("it can be opened"));
        assert_eq!(listing_bytes(&file), Err(ErrorCode::NotDirectory));
    }
}
