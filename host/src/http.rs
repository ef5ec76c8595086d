//! HTTP/1.x as values: bytes in, bytes out. No IO, no clock.
pub mod decode;
pub mod fields;
pub mod framing;
pub(crate) mod grammar;
pub mod head;
pub(crate) mod line;
pub mod response;
pub mod status;
pub mod target;
