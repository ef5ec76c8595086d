//! Fixed limits of a component's parts. The instance pool has a fixed layout, so a component that exceeds it is refused
//! when it is loaded.

use super::state::MAX_TABLE_ELEMENTS;

/// Maximum core instances of a component. A Python interpreter built by componentize-py has 38.
pub(super) const MAX_CORE_INSTANCES: u32 = 64;
/// Maximum tables of all its core instances together.
pub(super) const MAX_TABLES: u32 = 16;
/// Maximum memories of all its core instances together. componentize-qjs makes three when it stubs WASI.
pub(super) const MAX_MEMORIES: u32 = 4;
/// Maximum bytes that each core instance, and all of them together, take beside memories and tables: for re-exported
/// functions, globals and imports.
pub(super) const MAX_INSTANCE_BYTES: usize = 4 * 1024 * 1024;
/// Maximum bytes of one memory.
pub(super) const MAX_MEMORY_BYTES: u64 = 1 << 32;

/// wasmtime's messages for a component that does not fit: the text before and after the number, what is counted, and
/// its limit.
const LIMIT_TEXTS: [(&str, &str, &str, u64); 6] = [
    ("transitively contains ", " core module instances", "core instances", MAX_CORE_INSTANCES as u64),
    ("transitively contains ", " Wasm linear memories", "memories", MAX_MEMORIES as u64),
    ("transitively contains ", " tables", "tables", MAX_TABLES as u64),
    ("minimum element size of ", " which exceeds", "elements in a table", MAX_TABLE_ELEMENTS as u64),
    ("minimum byte size of ", " which exceeds", "bytes in a memory", MAX_MEMORY_BYTES),
    ("requires ", " bytes ", "bytes for the state of its instances", MAX_INSTANCE_BYTES as u64),
];

/// A limit that a component exceeds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) what: &'static str,
    pub(super) has: u64,
    pub(super) max: u64,
}

/// Parses wasmtime's message. `None` if it is about something else.
pub(super) fn excess(message: &str) -> Option<Excess> {
    LIMIT_TEXTS.iter().find_map(|(before, after, what, max)| {
        let (number, _) = message.split_once(before)?.1.split_once(after)?;
        let has = number.parse().ok()?;
        // When address space is scarce, the limit of a memory is lower than the constant, and the message names it.
        let message =
            message.rsplit_once("exceeds the limit of ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let max = message.filter(|message| message < max).unwrap_or(*max);
        (has > max).then_some(Excess { what, has, max })
    })
}
