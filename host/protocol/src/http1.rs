//! HTTP/1.x messages (RFC 9112): heads and bodies of requests from bytes, responses to bytes.
//!
//! The framing of a request is decided in [`framing`], that of a response in [`encoder`], and nowhere else.

pub mod body;
pub mod chunk;
pub mod client;
pub mod decode;
pub(crate) mod encode;
pub mod encoder;
pub mod framing;
pub mod head;
pub(crate) mod line;
pub mod server;
