//! The memory for messages of a WebSocket that are not handled yet.
//!
//! Small amounts are not counted, because the number of WebSockets bounds them.

use crate::memory_budget::{MIN_COUNTED, MemoryOwner, MemoryShortage, Reservation};

/// How many bytes are reserved at once.
const STEP: usize = 64 * 1024;

/// The reservation of one WebSocket.
#[derive(Debug, Default)]
pub(super) struct HeldInput(Option<Reservation>);

impl HeldInput {
    /// Makes the reservation large enough for `bytes` bytes, or drops it if that is a small amount.
    ///
    /// # Errors
    /// Why there is not enough memory. The reservation is then unchanged.
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
