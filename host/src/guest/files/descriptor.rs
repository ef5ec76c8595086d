//! The functions of `wasi:filesystem/types`: wasmtime's own, between what is checked before and counted after.

use std::io;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::output::{CountedOutput, Position, take};
use super::{Files, MAX_OPEN, elsewhere};
use crate::grants::{ENTRY_BYTES, GrantedDirectory, NoSpace};

type Fd = Resource<Descriptor>;

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi().convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        let system = self.table.get(&error)?.downcast_ref::<io::Error>();
        if system.is_some_and(|system| system.kind() == io::ErrorKind::QuotaExceeded) {
            return Ok(Some(ErrorCode::Quota));
        }
        self.wasi().filesystem_error_code(error)
    }
}

/// The space that a call has taken, for as long as it is not known whether the call has used it.
struct TakenSpace {
    granted: Option<Arc<GrantedDirectory>>,
    bytes: u64,
}

impl TakenSpace {
    /// Takes space in the directory of a descriptor.
    async fn take(granted: Option<Arc<GrantedDirectory>>, bytes: u64) -> FsResult<Self> {
        if let Some(granted) = &granted {
            take(granted, bytes).await.map_err(|NoSpace| ErrorCode::Quota)?;
        }
        Ok(Self { granted, bytes })
    }

    /// Gives it back if the call has failed.
    fn settle<T>(self, result: FsResult<T>) -> FsResult<T> {
        if result.is_err() {
            give_back(self.granted.as_ref(), self.bytes);
        }
        result
    }
}

fn give_back(granted: Option<&Arc<GrantedDirectory>>, bytes: u64) {
    if let Some(quota) = granted.and_then(|granted| granted.quota.as_ref()) {
        quota.give_back(bytes);
    }
}

impl Files<'_> {
    /// The length of an open file. Zero if it is a directory.
    fn length(&mut self, fd: &Fd) -> FsResult<u64> {
        match self.table.get(fd)? {
            Descriptor::File(file) => Ok(file.file.metadata()?.len()),
            Descriptor::Dir(_) => Ok(0),
        }
    }

    /// Whether two descriptors belong to one granted directory, so that what moves between them stays in one quota.
    fn are_of_one(&self, one: &Fd, other: &Fd) -> bool {
        match (self.granted(one), self.granted(other)) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one, &other),
            _ => false,
        }
    }

    /// What is at a path, if anything is.
    async fn find(&mut self, fd: &Fd, flags: PathFlags, path: &str) -> Option<DescriptorStat> {
        self.wasi().stat_at(borrowed(fd), flags, path.to_owned()).await.ok()
    }

    /// Opens what is no device and no pipe, and counts what that creates and truncates.
    async fn open(
        &mut self,
        fd: &Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let granted = self.granted(fd);
        if self.open.descriptors.len() >= MAX_OPEN {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let found = self.find(fd, path_flags, &path).await;
        if found.as_ref().is_some_and(|found| !may_be_opened(found.type_)) {
            return Err(ErrorCode::NotPermitted.into());
        }
        let creates = found.is_none() && open_flags.contains(OpenFlags::CREATE);
        let space = TakenSpace::take(granted.clone(), if creates { ENTRY_BYTES } else { 0 }).await?;
        let opened = self.wasi().open_at(borrowed(fd), path_flags, path, open_flags, flags).await;
        let opened = space.settle(opened)?;
        if open_flags.contains(OpenFlags::TRUNCATE) {
            give_back(granted.as_ref(), found.map_or(0, |found| found.size));
        }
        if let Some(granted) = granted {
            self.open.descriptors.insert(opened.rep(), granted);
        }
        Ok(opened)
    }

    /// A stream into a file, whose writes are counted.
    fn counted(
        &mut self,
        fd: &Fd,
        position: Position,
        stream: Resource<DynOutputStream>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let (Some(granted), Descriptor::File(file)) = (self.granted(fd), self.table.get(fd)?) else {
            return Ok(stream);
        };
        let file = file.file.clone();
        let inner = self.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(CountedOutput::new(inner, file, granted, position));
        Ok(self.table.push(counted)?)
    }
}

fn borrowed(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// Whether something of this type is opened: a device or a pipe could hold a thread, or do something.
fn may_be_opened(found: DescriptorType) -> bool {
    match found {
        DescriptorType::Directory | DescriptorType::RegularFile | DescriptorType::SymbolicLink => true,
        DescriptorType::BlockDevice
        | DescriptorType::CharacterDevice
        | DescriptorType::Fifo
        | DescriptorType::Socket
        | DescriptorType::Unknown => false,
    }
}

impl HostDescriptor for Files<'_> {
    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().advise(fd, offset, length, advice)).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().sync_data(fd)).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().get_flags(fd)).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().get_type(fd)).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let (granted, before) = (self.granted(&fd), self.length(&fd)?);
            let space = TakenSpace::take(granted.clone(), size.saturating_sub(before)).await?;
            space.settle(self.wasi().set_size(fd, size).await)?;
            give_back(granted.as_ref(), before.saturating_sub(size));
            Ok(())
        })
        .await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().set_times(fd, accessed, modified)).await
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().read(fd, length, offset)).await
    }

    async fn write(&mut self, fd: Fd, buffer: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let end = offset.saturating_add(buffer.len() as u64);
            let growth = end.saturating_sub(self.length(&fd)?);
            let space = TakenSpace::take(self.granted(&fd), growth).await?;
            space.settle(self.wasi().write(fd, buffer, offset).await)
        })
        .await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.list(fd)).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().sync(fd)).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let space = TakenSpace::take(self.granted(&fd), ENTRY_BYTES).await?;
            space.settle(self.wasi().create_directory_at(fd, path).await)
        })
        .await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().stat(fd)).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().stat_at(fd, flags, path)).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().set_times_at(fd, flags, path, accessed, modified)).await
    }

    async fn link_at(&mut self, fd: Fd, flags: PathFlags, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            if !self.are_of_one(&fd, &new_fd) {
                return Err(ErrorCode::CrossDevice.into());
            }
            let space = TakenSpace::take(self.granted(&new_fd), ENTRY_BYTES).await?;
            space.settle(self.wasi().link_at(fd, flags, old, new_fd, new).await)
        })
        .await
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.open(&fd, path_flags, path, open_flags, flags)).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.open.descriptors.remove(&fd.rep());
        HostDescriptor::drop(&mut self.wasi(), fd)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().readlink_at(fd, path)).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let granted = self.granted(&fd);
            self.wasi().remove_directory_at(fd, path).await?;
            give_back(granted.as_ref(), ENTRY_BYTES);
            Ok(())
        })
        .await
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            if !self.are_of_one(&fd, &new_fd) {
                return Err(ErrorCode::CrossDevice.into());
            }
            self.wasi().rename_at(fd, old, new_fd, new).await
        })
        .await
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let space = TakenSpace::take(self.granted(&fd), ENTRY_BYTES + target.len() as u64).await?;
            space.settle(self.wasi().symlink_at(fd, target, path).await)
        })
        .await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, async {
            let found = self.find(&fd, PathFlags::empty(), &path).await;
            let granted = self.granted(&fd);
            self.wasi().unlink_file_at(fd, path).await?;
            // Another link keeps the bytes.
            let bytes = found.filter(|found| found.link_count == 1).map_or(0, |found| found.size);
            give_back(granted.as_ref(), bytes.saturating_add(ENTRY_BYTES));
            Ok(())
        })
        .await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.wasi().read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.wasi().write_via_stream(borrowed(&fd), offset)?;
        self.counted(&fd, Position::At(offset), stream)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.wasi().append_via_stream(borrowed(&fd))?;
        self.counted(&fd, Position::End, stream)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().is_same_object(one, other)).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().metadata_hash(fd)).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        let exchange = self.exchange.clone();
        elsewhere(exchange, self.wasi().metadata_hash_at(fd, flags, path)).await
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.open.listings.remove(&stream.rep());
        HostDirectoryEntryStream::drop(&mut self.wasi(), stream)
    }
}
