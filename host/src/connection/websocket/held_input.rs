//! The memory of what a WebSocket's client has sent and nobody has answered yet.
//!
//! Small amounts are not counted: how many WebSockets there may be bounds them.

use crate::memory_budget::{MIN_COUNTED, MemoryOwner, MemoryShortage, Reservation};

/// How much is reserved at once.
const STEP: usize = 64 * 1024;

/// What is reserved for it.
#[derive(Debug, Default)]
pub(super) struct HeldInput(Option<Reservation>);

impl HeldInput {
    /// Reserves as much as is there now.
    ///
    /// # Errors
    /// Why there is not as much: then nothing has changed.
    pub(super) fn update(&mut self, bytes: usize, owner: MemoryOwner<'_>) -> Result<(), MemoryShortage> {
        let reserved = self.0.as_ref().map_or(0, Reservation::bytes);
        if bytes <= MIN_COUNTED {
            self.0 = None;
        } else if bytes > reserved {
            let more = bytes.next_multiple_of(STEP) - reserved;
            match &mut self.0 {
                Some(reservation) => reservation.grow(more, owner)?,
                None => self.0 = Some(Reservation::new(more, owner)?),
            }
        }
        Ok(())
    }
}
