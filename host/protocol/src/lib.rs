//! HTTP as values: bytes in, bytes out. No IO, no clock, no runtime.
//!
//! ```text
//!   bytes -> http1::head::HeadParser -> http::head::RequestHead -> http1::framing::request_framing
//!   bytes -> http1::decode::BodyDecoder -> pieces of the request's body
//!   status, fields, pieces -> response::Response -> http1::encode -> bytes
//!   values of Accept -> http::accept::BodyForm
//! ```
//!
//! [`http`] is what RFC 9110 says of any version, [`http1`] the messages of RFC 9112, and [`response`] one response of
//! either. `http` uses neither of the others, and `http1` not `response`.

pub mod http;
pub mod http1;
pub mod response;
