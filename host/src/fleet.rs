//! What several hosts share through an engine, a server of Redis or Valkey: the topics of `push`, and
//! key-value stores.
//!
//! ```text
//! push::Hub ── Relay ──> FleetRelay: a bounded queue, and which topics are wanted ──┐
//!     ^                                                                            v
//!     └────────────────── Hub::deliver ──────────────────────────────── link: one thread <──> redis: the engine
//! ```
//!
//! Subscribers of this host get a chunk at once, before the engine hears of it. Across hosts a chunk arrives at most once, and
//! those of one host arrive in their order. No request waits for the engine: what it does not take in time is dropped and
//! counted. If the engine cannot be reached, open responses stay and get what their own host publishes.

mod backoff;
mod channel;
mod history;
mod incoming;
mod link;
mod message;
mod publishers;
mod redis;
mod relay;
mod session;
mod stores;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use link::FleetLink;
pub use redis::{EngineSettings, EngineSpec, FleetError};
pub use relay::FleetRelay;
pub use stores::EngineStores;
