//! The semantics of HTTP that all versions share (RFC 9110): request heads, targets, fields, statuses and preferences.

pub mod accept;
pub mod date;
pub mod fields;
pub mod grammar;
pub mod head;
pub mod loopback;
pub mod range;
pub mod response_head;
pub(crate) mod span;
pub mod status;
pub mod target;
pub mod trailers;
pub mod version;
