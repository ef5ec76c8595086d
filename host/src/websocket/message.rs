//! Messages, why a WebSocket closes, and what a server sends of them: frames without a mask (RFC 6455 section 5.1).
//!
//! It must not know what was sent before.

use bytes::Bytes;
use thiserror::Error;
use tungstenite::Utf8Bytes;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

#[cfg(test)]
mod tests;

/// The most bytes of a reason: with its code it fills a control frame (RFC 6455 section 5.5).
const MAX_REASON: usize = 123;

/// One whole message, however many frames it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, checked to be UTF-8.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Bytes that are sent without a word on what they are: text where they are UTF-8.
    #[must_use]
    pub fn of_chunk(chunk: Bytes) -> Self {
        match Utf8Bytes::try_from(chunk.clone()) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Binary(chunk),
        }
    }

    /// The bytes of the message.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message in one frame, as it goes to a client.
    #[must_use]
    pub fn into_frame(self) -> Bytes {
        let frame = match self {
            Self::Text(text) => Frame::message(text, OpCode::Data(Data::Text), true),
            Self::Binary(bytes) => Frame::message(bytes, OpCode::Data(Data::Binary), true),
        };
        encode(frame)
    }
}

/// A ping without a word (RFC 6455 section 5.5.2).
#[must_use]
pub fn ping() -> Bytes {
    encode(Frame::ping(Bytes::new()))
}

fn encode(frame: Frame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("a vector takes what it is given");
    bytes.into()
}

/// Why a WebSocket is closed, as a close frame says it: a code that may be sent (RFC 6455 section 7.4), and a reason of
/// at most 123 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    code: u16,
    reason: String,
}

/// A code that no close frame may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the code {0}, which no close frame may carry: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may")]
pub struct ForbiddenCode(pub u16);

impl CloseFrame {
    /// Both sides have said what they had to say.
    pub const NORMAL: u16 = 1000;
    /// The server stops.
    pub const AWAY: u16 = 1001;
    /// The client broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text that is no UTF-8.
    pub const INVALID: u16 = 1007;
    /// A message larger than may be.
    pub const TOO_LARGE: u16 = 1009;
    /// The handler failed.
    pub const FAILED: u16 = 1011;
    /// There is no room now.
    pub const OVERLOADED: u16 = 1013;

    /// A close frame. Of a longer reason the first 123 bytes are told, or a few less: characters stay whole.
    ///
    /// # Errors
    /// [`ForbiddenCode`].
    pub fn new(code: u16, reason: &str) -> Result<Self, ForbiddenCode> {
        // tungstenite does not know 1014 (bad gateway), which IANA lists.
        if code != 1014 && !CloseCode::from(code).is_allowed() {
            return Err(ForbiddenCode(code));
        }
        let end = (0..=MAX_REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
        Ok(Self { code, reason: reason[..end.unwrap_or(0)].to_owned() })
    }

    /// The host's own.
    pub(crate) fn of_host(code: u16, reason: &str) -> Self {
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
