//! WebSocket (RFC 6455) without IO: the handshake, and the conversion between bytes and messages.
//!
//! ```text
//!   head -> handshake::check -> handshake::Accept
//!   bytes -> protocol::Protocol -> Message, and the control frames that answer
//!   Message -> frame
//! ```
//!
//! Owns what the protocol requires of a server; frames are parsed by tungstenite. There is no IO, clock, runtime or
//! Wasm here. No extension is negotiated; `permessage-deflate` would take hundreds of KiB per connection.

pub mod handshake;
pub mod message;
pub mod protocol;
