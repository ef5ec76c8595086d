//! What a host exchanges with others through its engine.

use std::time::Duration;

/// What a host has exchanged with others so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetStats {
    /// Whether the engine is connected, and this host hears itself through it.
    pub is_up: bool,
    /// Chunks and ends of topics that the engine has taken.
    pub published: u64,
    /// Chunks and ends of topics that other hosts have published.
    pub received: u64,
    /// Chunks and ends of topics that were not carried to or from other hosts.
    pub dropped: u64,
    /// How often the connection was lost while topics were subscribed, so that chunks of other hosts may be missing.
    pub gaps: u64,
    /// How long ago this host has heard itself through the engine; if it never has, how long ago it was started.
    pub silence: Duration,
    /// The bytes of what waits for the engine.
    pub waiting_bytes: usize,
}
