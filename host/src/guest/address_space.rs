//! How much address space the engine reserves. Each slot of its pool reserves the full size of every memory. That is
//! free unless the process has a limit of virtual memory (`ulimit -v`), which the full reservation would exceed.

use rustix::process::{Resource, getrlimit};

use super::limits::{MAX_MEMORY_BYTES, MAX_TABLES};
use super::state::MAX_TABLE_ELEMENTS;

/// Memories reserved per instance, on average. Four for each instance would exceed the address space of the machine.
pub(super) const MEMORIES_PER_INSTANCE: u32 = 2;

/// Bytes reserved for a memory when address space is scarce. The memory cannot grow past it.
const SCARCE_MEMORY_BYTES: u64 = 128 << 20;

/// Guard bytes between two memories when address space is scarce. An access with a missing bounds check reaches no
/// further.
pub(super) const SCARCE_GUARD_BYTES: u64 = 64 << 10;

/// Bytes of a slot beside its memories: tables, the stack, and what the system rounds up.
const SLOT_BYTES: u64 = MAX_TABLES as u64 * MAX_TABLE_ELEMENTS as u64 * 8 + (2 << 20);

/// The pool may take one part in this many of the limit. The remainder is for code, heaps and threads.
const LIMIT_DIVISOR: u64 = 2;

/// What the pool reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// The maximum number of concurrent instances.
    pub(super) instances: u32,
    /// Bytes reserved for each memory.
    pub(super) memory: u64,
}

impl Plan {
    /// Reserves the full size of every memory.
    pub(super) fn full(instances: u32) -> Self {
        Self { instances, memory: MAX_MEMORY_BYTES }
    }

    /// Smaller memories for as many of the requested instances as fit into `space` bytes, and at least one.
    pub(super) fn scarce(instances: u32, space: u64) -> Self {
        let memory = SCARCE_MEMORY_BYTES;
        let each = u64::from(MEMORIES_PER_INSTANCE) * (memory + SCARCE_GUARD_BYTES) + SLOT_BYTES;
        let fit = u32::try_from(space / LIMIT_DIVISOR / each).unwrap_or(u32::MAX);
        Self { instances: fit.clamp(1, instances), memory }
    }

    /// Whether the reservation fits into `space` bytes.
    pub(super) fn fits(self, space: u64) -> bool {
        // The guard that wasmtime puts between two memories is smaller than this.
        let each = u64::from(MEMORIES_PER_INSTANCE) * (self.memory + (64 << 20)) + SLOT_BYTES;
        each.saturating_mul(self.instances.into()) <= space / LIMIT_DIVISOR
    }
}

/// The limit of virtual memory, in bytes. `None` if there is no limit.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_pool_takes_at_most_half_of_the_limit() {
        assert!(!Plan::full(1000).fits(20 * GIB));
        assert!(Plan::full(1000).fits(1 << 46));
        let (four, twenty) = (Plan::scarce(1000, 4 * GIB), Plan::scarce(1000, 20 * GIB));
        assert_eq!((four.instances, twenty.instances), (7, 37));
        assert_eq!(Plan::scarce(1000, GIB / 4).instances, 1);
        assert_eq!(Plan::scarce(3, 20 * GIB).instances, 3);
        assert!(four.memory < Plan::full(1).memory);
    }
}
