//! The meter of an exchange, and whether the response reports what it measures.

use std::time::Instant;

use super::Exchange;
use crate::meter::Meter;
use crate::response::Response;

/// Whether a response reports what its request has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Timing {
    /// The response reports nothing.
    #[default]
    Untold,
    /// The response has `Server-Timing`, with the cost up to the moment when the head is encoded.
    Told,
}

/// How the cost of an exchange is measured and reported.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The meter.
    pub meter: Meter,
    /// Whether the response reports the cost.
    pub timing: Timing,
    /// Whether the last lines that the handler prints are kept, to explain its failure.
    pub keeps_output: bool,
}

impl Exchange {
    /// The meter, if the cost of the exchange is measured.
    #[must_use]
    pub fn meter(&self) -> Option<&Meter> {
        self.measured.as_ref().map(|measured| &measured.meter)
    }

    /// The value of `Server-Timing` with the cost so far, if the response reports it.
    #[must_use]
    pub fn server_timing(&self) -> Option<String> {
        let Measured { meter, timing, .. } = self.measured.as_ref()?;
        match timing {
            Timing::Untold => None,
            Timing::Told => Some(meter.server_timing(Instant::now())),
        }
    }

    /// Adds `Server-Timing` to a head that is about to be encoded, if the response reports the cost.
    pub fn tell_timing(&self, response: &mut Response) {
        if let Ok(fields) = response.fields_mut()
            && let Some(value) = self.server_timing()
        {
            // `Server-Timing` is left out if the handler's fields leave no room for it.
            let _ = fields.append("Server-Timing", value.as_bytes());
        }
    }
}
