//! HTTP/1.x as values: bytes in, bytes out. No IO, no clock, no runtime.
//!
//! ```text
//!   bytes -> head::HeadParser -> head::RequestHead -> framing::request_framing -> framing::BodyFraming
//!   bytes -> decode::BodyDecoder -> pieces of the request's body
//!   status, fields, pieces -> response::Response -> bytes
//!   values of Accept -> accept::Form
//! ```
//!
//! The framing of a request is decided in [`framing`], that of a response in [`response`], and nowhere else.

pub mod accept;
pub mod chunk;
pub mod decode;
pub mod fields;
pub mod framing;
pub(crate) mod grammar;
pub mod head;
pub(crate) mod line;
pub mod loopback;
pub mod response;
pub mod status;
pub mod target;
