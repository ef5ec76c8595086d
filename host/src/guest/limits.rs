//! The limits of what a component is made of, by name: the pool of instances has a fixed layout, and what does not fit it
//! is refused when the component is loaded.

use super::state::MAX_TABLE_ELEMENTS;

/// What a component may be made of: a Python interpreter split by componentize-py has 38 core instances.
pub(super) const CORE_INSTANCES: u32 = 64;
/// Tables of all its core instances together.
pub(super) const TABLES: u32 = 16;
/// Memories of all its core instances together: componentize-qjs makes three where it stubs WASI.
pub(super) const MEMORIES: u32 = 4;
/// The bytes that one core instance, and all of them, take beside memories and tables: for each function that is passed
/// on, each global and each import.
pub(super) const INSTANCE_BYTES: usize = 4 * 1024 * 1024;
/// The bytes of one memory.
pub(super) const MEMORY_BYTES: u64 = 1 << 32;

/// What wasmtime says of a component that does not fit, before and after the number that it has of something.
const LIMIT_TEXTS: [(&str, &str, &str, u64); 6] = [
    ("transitively contains ", " core module instances", "core instances", CORE_INSTANCES as u64),
    ("transitively contains ", " Wasm linear memories", "memories", MEMORIES as u64),
    ("transitively contains ", " tables", "tables", TABLES as u64),
    ("minimum element size of ", " which exceeds", "elements in a table", MAX_TABLE_ELEMENTS as u64),
    ("minimum byte size of ", " which exceeds", "bytes in a memory", MEMORY_BYTES),
    ("requires ", " bytes ", "bytes for the state of its instances", INSTANCE_BYTES as u64),
];

/// What a component has too much of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) what: &'static str,
    pub(super) has: u64,
    pub(super) most: u64,
}

/// Finds what is in excess in what wasmtime says; none where it says something else.
pub(super) fn excess(said: &str) -> Option<Excess> {
    LIMIT_TEXTS.iter().find_map(|(before, after, what, most)| {
        let (number, _) = said.split_once(before)?.1.split_once(after)?;
        let has = number.parse().ok()?;
        // Where address space is scarce a memory has less than it could.
        let said = said.rsplit_once("exceeds the limit of ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let most = said.filter(|said| said < most).unwrap_or(*most);
        (has > most).then_some(Excess { what, has, most })
    })
}
