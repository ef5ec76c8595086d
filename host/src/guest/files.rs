//! Directories that were granted: `wasi:filesystem` 0.2 over wasmtime's own, which keeps paths below their directory.
//!
//! This module gives out the directories, each opened once for all requests; keeps guests away from devices and pipes,
//! which may hold a thread; bounds how many files one instance has open; counts the memory of listings; and counts what is
//! written ([`SpaceQuota`]).
//! Every wait is the handler's own time.
//!
//! [`SpaceQuota`]: crate::grants::SpaceQuota

mod descriptor;
mod listing;
mod output;

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, FsPerms, OpenMode, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

use super::state::GuestState;
use crate::exchange::Exchange;
use crate::grants::{GrantedDirectory, Grants};
use crate::memory_budget::Reservation;
use crate::options::Options;

/// How many files and directories an instance has open at once, beside those that it was granted.
const MAX_OPEN: usize = 128;

/// What a guest has open.
#[derive(Default)]
pub(super) struct OpenFiles {
    /// The directories that descriptors belong to, by the number of the descriptor.
    descriptors: HashMap<u32, Arc<GrantedDirectory>>,
    /// The memory of listings of directories, by the number of their stream.
    listings: HashMap<u32, Reservation>,
}

/// What the functions of `wasi:filesystem` work on.
pub(super) struct Files<'a> {
    table: &'a mut ResourceTable,
    context: &'a mut WasiFilesystemCtx,
    open: &'a mut OpenFiles,
    grants: Option<Arc<Grants>>,
    exchange: Option<Arc<Exchange>>,
    options: Option<Arc<Options>>,
}

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

/// Links `wasi:filesystem` in place of wasmtime's own.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    preopens::add_to_linker::<GuestState, HasFiles>(linker, of)?;
    types::add_to_linker::<GuestState, HasFiles>(linker, of)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn of(state: &mut GuestState) -> Files<'_> {
    let (grants, exchange, options) = (state.grants().cloned(), state.exchange().cloned(), state.shared_options());
    let (WasiFilesystemCtxView { ctx: context, table }, open) = state.filesystem_and_open_files();
    Files { table, context, open, grants, exchange, options }
}

impl Files<'_> {
    /// wasmtime's own functions.
    fn wasi(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: self.context, table: self.table }
    }

    /// The granted directory that a descriptor belongs to.
    fn granted(&self, descriptor: &Resource<Descriptor>) -> Option<Arc<GrantedDirectory>> {
        self.open.descriptors.get(&descriptor.rep()).cloned()
    }
}

/// Waits for the disk, which is not the client.
async fn elsewhere<F: Future>(exchange: Option<Arc<Exchange>>, work: F) -> F::Output {
    match exchange {
        Some(exchange) => exchange.wait_elsewhere(work).await,
        None => work.await,
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let Some(grants) = self.grants.clone() else { return Ok(Vec::new()) };
        let mut directories = Vec::with_capacity(grants.directories.len());
        for granted in &grants.directories {
            let (perms, mode) = match granted.quota {
                Some(_) => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
                None => (FsPerms::ReadOnly, OpenMode::READ),
            };
            let directory = Dir::new(granted.directory.try_clone()?, perms, mode, false);
            let descriptor = self.table.push(Descriptor::Dir(directory))?;
            self.open.descriptors.insert(descriptor.rep(), granted.clone());
            directories.push((descriptor, granted.guest_path.clone()));
        }
        Ok(directories)
    }
}
