//! Messages of HTTP/2 as values (RFC 9113). The crate `h2` has the frames, the header compression and the states of streams;
//! here is what it leaves to its user.

pub mod encoder;
pub mod frames;
pub mod request;
pub mod trailers;

/// What a client sends first on a connection of HTTP/2 (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first line of the [`PREFACE`]. No request of HTTP/1 begins so.
pub const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";
