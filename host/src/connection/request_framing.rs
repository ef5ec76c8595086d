//! What a request's head says of its connection, its body and the framing of its answer.

use std::time::Instant;

use crate::http::version::Version;
use crate::http1::framing::BodyFraming;

/// What a request's head says of the connection and the body.
pub(super) struct RequestFraming {
    pub(super) version: Version,
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
    pub(super) framing: BodyFraming,
    pub(super) awaits_continue: bool,
    /// When the head was complete, where somebody wants to know.
    pub(super) arrival: Option<Instant>,
}

/// The terms of an answer after which the connection ends.
pub(super) const LAST: RequestFraming = RequestFraming {
    version: Version::Http11,
    head_only: false,
    keep_alive: false,
    framing: BodyFraming::None,
    awaits_continue: false,
    arrival: None,
};
