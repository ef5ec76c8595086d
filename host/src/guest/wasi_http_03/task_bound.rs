//! A bound on what the engine keeps for the tasks of a guest: it is memory of the host, which the guest's own bound does
//! not count.

use wasmtime::StoreContextMut;

use super::super::state::GuestState;

/// The most tasks, streams, futures and sets of them that a guest has at once. The engine takes some hundred bytes for each.
const MAX_TASKS: usize = 16_384;

/// A guest has more.
#[derive(Debug, thiserror::Error)]
#[error("it has more than {MAX_TASKS} tasks, streams and futures at once")]
struct TooManyTasks;

/// Counts them, at each tick of the epoch while the guest runs.
///
/// # Errors
/// The guest has more than it may have.
pub(in super::super) fn check(store: &mut StoreContextMut<'_, GuestState>) -> wasmtime::Result<()> {
    if store.concurrent_state_table_size() > MAX_TASKS { Err(TooManyTasks.into()) } else { Ok(()) }
}
