//! The opening handshake, on the server's side (RFC 6455 section 4.2).
//!
//! Owns what a valid upgrade is, and how one that is none is refused. It must not know routes or handlers: who may
//! connect (`InvocationTemplate`) is theirs to say.

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

/// The version of the protocol, the only one there is.
pub const VERSION: &str = "13";

/// What the key is hashed with (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The bytes of a decoded key.
const KEY: usize = 16;
/// What decodes a key. The last digit of one has four bits that encode nothing: the example of RFC 6455 section 4.1 sets
/// one of them, and section 4.2.1 asks for no more than 16 bytes.
const KEY_DECODER: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The value of `Sec-WebSocket-Accept`, by which a client sees that its handshake was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptKey(String);

impl AcceptKey {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// It asks for no upgrade to `websocket`, or is no HTTP/1.1 `GET`.
    #[error("this route speaks WebSocket: the request has to be a GET of HTTP/1.1 that upgrades to it")]
    NotAsked,
    /// `Sec-WebSocket-Version` is absent or another.
    #[error("the version of WebSocket has to be {VERSION}")]
    Version,
    /// `Sec-WebSocket-Key` is not one value of 16 bytes in base64.
    #[error("Sec-WebSocket-Key has to be 16 bytes in base64")]
    Key,
    /// The request has a body, and where it ends the frames would begin.
    #[error("a request that upgrades to WebSocket has no body")]
    Body,
}

impl HandshakeError {
    /// The status that answers it (RFC 6455 section 4.2.2, RFC 9110 section 15.5.22).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotAsked | Self::Version => 426,
            Self::Key | Self::Body => 400,
        }
    }
}

/// Checks the request of a client that opens a WebSocket.
///
/// # Errors
/// See [`HandshakeError`]: the first that is wrong.
pub fn check(head: &RequestHead, body: BodyFraming) -> Result<AcceptKey, HandshakeError> {
    let has = |field: &str, token: &[u8]| list(head.values(field)).any(|element| element.eq_ignore_ascii_case(token));
    let asked = has("upgrade", b"websocket") && has("connection", b"upgrade");
    // An upgrade that comes with HTTP/1.0 is to be ignored (RFC 9110 section 7.8).
    if !asked || head.method() != "GET" || head.version() != Version::Http11 {
        return Err(HandshakeError::NotAsked);
    }
    if only(head, "sec-websocket-version") != Some(VERSION.as_bytes()) {
        return Err(HandshakeError::Version);
    }
    let key = only(head, "sec-websocket-key").ok_or(HandshakeError::Key)?;
    if !KEY_DECODER.decode(key).is_ok_and(|decoded| decoded.len() == KEY) {
        return Err(HandshakeError::Key);
    }
    match body {
        BodyFraming::None => {
            Ok(AcceptKey(STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())))
        }
        BodyFraming::Length(_) | BodyFraming::Chunked => Err(HandshakeError::Body),
    }
}

/// The value of a field that came once.
fn only<'h>(head: &'h RequestHead, name: &str) -> Option<&'h [u8]> {
    let mut values = head.values(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
