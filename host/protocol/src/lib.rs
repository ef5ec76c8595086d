//! HTTP as values: bytes in, bytes out. No IO, no clock, no runtime.
//!
//! ```text
//!   bytes -> http1::head::HeadParser -> http::head::RequestHead -> http1::framing::request_framing
//!   bytes -> http1::decode::BodyDecoder -> pieces of the request's body
//!   status, fields, pieces -> response::Response -> http1::encode -> bytes
//!   values of Accept -> http::accept::BodyForm
//! ```
//!
//! [`http`] has the semantics that all versions share (RFC 9110), [`http1`] the messages of HTTP/1.x (RFC 9112), and
//! [`response`] a response of any version. `http` uses neither of the other two, and `http1` does not use `response`.

pub mod http;
pub mod http1;
pub mod response;
