//! Who measures an exchange, and whether its client is told.

use std::time::Instant;

use super::Exchange;
use crate::meter::Meter;
use crate::response::Response;

/// Whether a client is told what its request costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Timing {
    /// It is not.
    #[default]
    Untold,
    /// As far as it is known when the head is decided, in `Server-Timing`.
    Told,
}

/// What measures an exchange, and who is told.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What measures it.
    pub meter: Meter,
    /// Whether its client is told.
    pub timing: Timing,
}

impl Exchange {
    /// What measures it, if somebody wants to know.
    #[must_use]
    pub fn meter(&self) -> Option<&Meter> {
        self.measured.as_ref().map(|measured| &measured.meter)
    }

    /// What the client is to be told of the cost so far: the value of `Server-Timing`.
    #[must_use]
    pub fn server_timing(&self) -> Option<String> {
        let Measured { meter, timing } = self.measured.as_ref()?;
        match timing {
            Timing::Untold => None,
            Timing::Told => Some(meter.server_timing(Instant::now())),
        }
    }

    /// Adds `Server-Timing` to a head that is about to be decided, where the client is to be told.
    pub fn tell_timing(&self, response: &mut Response) {
        if let Ok(fields) = response.fields_mut()
            && let Some(value) = self.server_timing()
        {
            // One that the handler's fields leave no room for is left out.
            let _ = fields.append("Server-Timing", value.as_bytes());
        }
    }
}
