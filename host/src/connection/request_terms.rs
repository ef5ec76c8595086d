//! What is known of a request besides its head.

use std::time::Instant;

use crate::http1::server::RequestFraming;

/// What its head says of the connection, and when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTerms {
    pub(super) framing: RequestFraming,
    /// When the head was complete, if somebody wants to know.
    pub(super) arrival: Option<Instant>,
}

impl RequestTerms {
    /// Those of a response after which the connection ends.
    pub(super) fn closing(framing: RequestFraming) -> Self {
        Self { framing, arrival: None }
    }
}
