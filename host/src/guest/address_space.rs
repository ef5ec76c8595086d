//! How much address space the engine reserves. Each place of its pool has as much for each memory as that can ever take,
//! which costs nothing where the system lets a process reserve as much as it likes, and is more than it has where a limit of
//! virtual memory (`ulimit -v`) is set.

use rustix::process::{Resource, getrlimit};

use super::limits::{MEMORY_BYTES, TABLES};
use super::state::MAX_TABLE_ELEMENTS;

/// What there is for each place, on average: address space for four in each is more than a machine has.
pub(super) const MEMORIES_OF_A_PLACE: u32 = 2;

/// The bytes of a memory where address space is scarce. All of it is reserved, so no memory of a route grows past it.
const SCARCE_MEMORY_BYTES: u64 = 128 << 20;

/// What is not reserved lies between memories, in bytes: so much is all that a missing check of an access could reach.
pub(super) const SCARCE_GUARD_BYTES: u64 = 64 << 10;

/// The bytes of a place beside its memories: tables, the stack, and what the system rounds up.
const PLACE_BYTES: u64 = TABLES as u64 * MAX_TABLE_ELEMENTS as u64 * 8 + (2 << 20);

/// The share of the limit that places may take: the rest is for code, heaps and threads.
const SHARE: u64 = 2;

/// What is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many instances there can be at once.
    pub(super) places: u32,
    /// The bytes of each memory.
    pub(super) memory: u64,
}

impl Plan {
    /// Places with all the address space that a memory can take.
    pub(super) fn full(places: u32) -> Self {
        Self { places, memory: MEMORY_BYTES }
    }

    /// As many places, of those that are wanted, as fit into `space` with smaller memories; one at least.
    pub(super) fn scarce(places: u32, space: u64) -> Self {
        let memory = SCARCE_MEMORY_BYTES;
        let each = u64::from(MEMORIES_OF_A_PLACE) * (memory + SCARCE_GUARD_BYTES) + PLACE_BYTES;
        let fit = u32::try_from(space / SHARE / each).unwrap_or(u32::MAX);
        Self { places: fit.clamp(1, places), memory }
    }

    /// Whether it fits into `space`.
    pub(super) fn fits(self, space: u64) -> bool {
        // What wasmtime puts between two memories is less than that.
        let each = u64::from(MEMORIES_OF_A_PLACE) * (self.memory + (64 << 20)) + PLACE_BYTES;
        each.saturating_mul(self.places.into()) <= space / SHARE
    }
}

/// The limit of virtual memory, in bytes; none where there is none.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn as_many_places_are_reserved_as_half_of_the_limit_has_room_for() {
        assert!(!Plan::full(1000).fits(20 * GIB));
        assert!(Plan::full(1000).fits(1 << 46));
        let (four, twenty) = (Plan::scarce(1000, 4 * GIB), Plan::scarce(1000, 20 * GIB));
        assert_eq!((four.places, twenty.places), (7, 37));
        assert_eq!(Plan::scarce(1000, GIB / 4).places, 1);
        assert_eq!(Plan::scarce(3, 20 * GIB).places, 3);
        assert!(four.memory < Plan::full(1).memory);
    }
}
