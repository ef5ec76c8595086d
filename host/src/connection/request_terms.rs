//! What is known about a request besides its head.

use std::sync::Arc;
use std::time::Instant;

use crate::http1::server::RequestFraming;
use crate::trace::RequestTrace;

/// The framing that the head decides, and the time when the head arrived.
#[derive(Debug, Clone)]
pub(super) struct RequestTerms {
    pub(super) framing: RequestFraming,
    /// When the head was complete. It is set only if requests are logged or measured.
    pub(super) arrival: Option<Instant>,
    /// Whether the timer of its route has made the request, and no client.
    pub(super) is_from_timer: bool,
    /// Its trace, if requests are traced.
    pub(super) trace: Option<Arc<RequestTrace>>,
}

impl RequestTerms {
    /// The terms of a response after which the connection closes.
    pub(super) fn closing(framing: RequestFraming) -> Self {
        Self { framing, arrival: None, is_from_timer: false, trace: None }
    }
}
