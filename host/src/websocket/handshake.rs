//! The server's side of the opening handshake (RFC 6455 section 4.2).
//!
//! Checks whether a request is a valid upgrade, and how an invalid one is refused. Whether the client may connect is
//! decided elsewhere.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::http::grammar::list;
use crate::http::head::RequestHead;
use crate::http::version::Version;
use crate::http1::framing::BodyFraming;

#[cfg(test)]
mod tests;

/// The only version of the protocol.
pub const VERSION: &str = "13";

/// The constant that is hashed with the key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The number of bytes of a decoded key.
const KEY_BYTES: usize = 16;
/// Decodes a key. Its last digit has four unused bits, which may have any value: the example of RFC 6455 section 4.1
/// sets one of them, and section 4.2.1 only requires 16 bytes.
const KEY_DECODER: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The value of `Sec-WebSocket-Accept`, which proves to the client that the server understood the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptKey(String);

impl AcceptKey {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request does not open a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// It does not ask for an upgrade to `websocket`, or is not a `GET` of HTTP/1.1.
    #[error("this route speaks WebSocket: the request has to be a GET of HTTP/1.1 that upgrades to it")]
    NoUpgrade,
    /// `Sec-WebSocket-Version` is missing or not 13.
    #[error("the version of WebSocket has to be {VERSION}")]
    Version,
    /// `Sec-WebSocket-Key` is not a single value of 16 bytes in base64.
    #[error("Sec-WebSocket-Key has to be 16 bytes in base64")]
    Key,
    /// The request has a body. Frames would begin at its end.
    #[error("a request that upgrades to WebSocket has no body")]
    Body,
}

impl HandshakeError {
    /// The status of the response (RFC 6455 section 4.2.2, RFC 9110 section 15.5.22).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NoUpgrade | Self::Version => 426,
            Self::Key | Self::Body => 400,
        }
    }
}

/// Checks the handshake of a client.
///
/// # Errors
/// The first mistake, as a [`HandshakeError`].
pub fn check(head: &RequestHead, body: BodyFraming) -> Result<AcceptKey, HandshakeError> {
    let has = |field: &str, token: &[u8]| list(head.values(field)).any(|element| element.eq_ignore_ascii_case(token));
    let is_upgrade = has("upgrade", b"websocket") && has("connection", b"upgrade");
    // An upgrade in an HTTP/1.0 request is ignored (RFC 9110 section 7.8).
    if !is_upgrade || head.method() != "GET" || head.version() != Version::Http11 {
        return Err(HandshakeError::NoUpgrade);
    }
    if single_value(head, "sec-websocket-version") != Some(VERSION.as_bytes()) {
        return Err(HandshakeError::Version);
    }
    let key = single_value(head, "sec-websocket-key").ok_or(HandshakeError::Key)?;
    if !KEY_DECODER.decode(key).is_ok_and(|decoded| decoded.len() == KEY_BYTES) {
        return Err(HandshakeError::Key);
    }
    match body {
        BodyFraming::None => {
            Ok(AcceptKey(STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())))
        }
        BodyFraming::Length(_) | BodyFraming::Chunked | BodyFraming::ByStream(_) => Err(HandshakeError::Body),
    }
}

/// The value of a field that occurs exactly once.
fn single_value<'h>(head: &'h RequestHead, name: &str) -> Option<&'h [u8]> {
    let mut values = head.values(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
