//! HTTP/1.x messages (RFC 9112). Parses the heads and bodies of requests, and encodes responses.
//!
//! Only [`framing`] decides the framing of a request, and only [`encoder`] that of a response.

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
