//! HTTP as values: bytes in, bytes out. No IO, no clock, no runtime.
//!
//! ```text
//!   bytes -> http1::head::HeadParser -> http::head::RequestHead -> http1::framing::request_framing
//!   bytes -> http1::decode::BodyDecoder -> pieces of the request's body
//!   status, fields, pieces -> response::Response -> http1::encode -> bytes
//!   fields of a HEADERS frame -> http2::request::Http2Request
//!   values of Accept -> http::accept::BodyForm
//! ```
//!
//! [`http`] has the semantics that all versions share (RFC 9110), [`http1`] the messages of HTTP/1.x (RFC 9112), [`http2`]
//! those of HTTP/2 (RFC 9113), and [`response`] a response of any version. `http` uses none of the others, and neither
//! `http1` nor `http2` uses `response`.

pub mod http;
pub mod http1;
pub mod http2;
pub mod response;
