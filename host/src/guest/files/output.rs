//! Streams into files, which take what they write from the space of their directory.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rustix::io::Errno;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::spawn_blocking;

use crate::grants::{GrantedDirectory, NoSpace};

/// Where a stream writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Position {
    /// From this offset on.
    At(u64),
    /// At the end of the file, wherever that is.
    End,
}

/// A stream into a file of a directory with a quota.
pub(super) struct CountedOutput {
    stream: DynOutputStream,
    file: Arc<File>,
    granted: Arc<GrantedDirectory>,
    position: Position,
    /// The end of the file, with what was written and may not be in it yet.
    counted_end: u64,
}

impl CountedOutput {
    pub(super) fn new(
        stream: DynOutputStream,
        file: Arc<File>,
        granted: Arc<GrantedDirectory>,
        position: Position,
    ) -> Self {
        Self { stream, file, granted, position, counted_end: 0 }
    }

    /// How many bytes the file grows by if `length` bytes are written now.
    fn growth(&mut self, length: u64) -> io::Result<u64> {
        let Position::At(offset) = &mut self.position else { return Ok(length) };
        self.counted_end = self.counted_end.max(self.file.metadata()?.len());
        *offset = offset.saturating_add(length);
        let growth = offset.saturating_sub(self.counted_end);
        self.counted_end = self.counted_end.max(*offset);
        Ok(growth)
    }
}

#[async_trait]
impl OutputStream for CountedOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let failed = |error: io::Error| StreamError::LastOperationFailed(error.into());
        let growth = self.growth(bytes.len() as u64).map_err(failed)?;
        if let Some(quota) = &self.granted.quota {
            quota.take(growth).map_err(|NoSpace| {
                // For the next write: this one cannot wait.
                let granted = self.granted.clone();
                tokio::task::spawn_blocking(move || granted.quota.as_ref().map(|quota| quota.measure(Instant::now())));
                failed(Errno::DQUOT.into())
            })?;
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[async_trait]
impl Pollable for CountedOutput {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

/// Takes space in a directory. If there seems to be none it is measured first.
pub(super) async fn take(granted: &Arc<GrantedDirectory>, bytes: u64) -> Result<(), NoSpace> {
    let Some(quota) = &granted.quota else { return Ok(()) };
    if quota.take(bytes).is_ok() {
        return Ok(());
    }
    let measured = granted.clone();
    spawn_blocking(move || measured.quota.as_ref().map(|quota| quota.measure(Instant::now()))).await;
    quota.take(bytes)
}
