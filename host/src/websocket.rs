//! WebSocket (RFC 6455) as values: a handshake's answer, messages out of bytes, bytes out of messages.
//!
//! ```text
//!   head -> handshake::check -> handshake::Accept
//!   bytes -> protocol::Protocol -> Message, and the control frames that answer
//!   Message -> frame
//! ```
//!
//! Owns what the protocol asks of a server; what a frame is, tungstenite knows. No IO, no clock, no runtime, no Wasm.
//! No extension is negotiated (`permessage-deflate` least of all: it takes hundreds of KiB for each connection).

pub mod handshake;
pub mod message;
pub mod protocol;
