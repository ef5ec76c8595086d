//! Messages, close frames, and their encoding by a server: frames without a mask (RFC 6455 section 5.1).

use bytes::Bytes;
use thiserror::Error;
use tungstenite::Utf8Bytes;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

#[cfg(test)]
mod tests;

/// Maximum bytes of a reason: with its code it fills a control frame (RFC 6455 section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// A complete message, in however many frames it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, checked to be UTF-8.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// A chunk whose type is not given: text if it is valid UTF-8.
    #[must_use]
    pub fn from_chunk(chunk: Bytes) -> Self {
        match Utf8Bytes::try_from(chunk.clone()) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Binary(chunk),
        }
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Encodes the message in one frame, as a server sends it.
    #[must_use]
    pub fn into_frame(self) -> Bytes {
        let frame = match self {
            Self::Text(text) => Frame::message(text, OpCode::Data(Data::Text), true),
            Self::Binary(bytes) => Frame::message(bytes, OpCode::Data(Data::Binary), true),
        };
        encode(frame)
    }
}

/// A ping without a payload (RFC 6455 section 5.5.2).
#[must_use]
pub fn ping() -> Bytes {
    encode(Frame::ping(Bytes::new()))
}

fn encode(frame: Frame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("a vector takes what it is given");
    bytes.into()
}

/// The content of a close frame: a code that may be sent (RFC 6455 section 7.4), and a reason of at most 123 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    code: u16,
    reason: String,
}

/// A code that must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the code {0}, which a close frame must not carry; allowed are 1000 to 1003, 1007 to 1014 and 3000 to 4999")]
pub struct ForbiddenCode(pub u16);

impl CloseFrame {
    /// The purpose of the WebSocket is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server shuts down.
    pub const AWAY: u16 = 1001;
    /// The client violated the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text that is not UTF-8.
    pub const INVALID: u16 = 1007;
    /// A message that is too large.
    pub const TOO_LARGE: u16 = 1009;
    /// The handler failed.
    pub const FAILED: u16 = 1011;
    /// The server is overloaded.
    pub const OVERLOADED: u16 = 1013;

    /// A close frame. A longer reason is truncated to 123 bytes, between two characters.
    ///
    /// # Errors
    /// [`ForbiddenCode`].
    pub fn new(code: u16, reason: &str) -> Result<Self, ForbiddenCode> {
        // tungstenite does not know 1014 (bad gateway), which IANA lists.
        if code != 1014 && !CloseCode::from(code).is_allowed() {
            return Err(ForbiddenCode(code));
        }
        let end = (0..=MAX_REASON_BYTES.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
        Ok(Self { code, reason: reason[..end.unwrap_or(0)].to_owned() })
    }

    /// A close frame that the host sends for itself.
    pub(crate) fn from_host(code: u16, reason: &str) -> Self {
        Self::new(code, reason).expect("the host's codes may be sent")
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<CloseFrame> for tungstenite::protocol::CloseFrame {
    fn from(close: CloseFrame) -> Self {
        Self { code: close.code.into(), reason: close.reason.into() }
    }
}
