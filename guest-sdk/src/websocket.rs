//! Messages of a WebSocket: what [`on_message`](crate::on_message) takes and returns.
//!
//! ```standalone_crate
//! use guest_sdk::websocket::Reply;
//! use guest_sdk::{Manual, Request, handler, on_message, push};
//!
//! /// Opens the WebSocket for pages of this site.
//! #[handler(path = "/chat/{room}", websocket = true)]
//! fn open(request: Request) -> Result<Manual, Box<dyn std::error::Error>> {
//!     if request.field("origin").is_some_and(|origin| origin != b"https://chat.example") {
//!         return Err("a page of another site".into());
//!     }
//!     push::subscribe(&request.param("room").unwrap_or_default())?;
//!     Ok(Manual)
//! }
//!
//! /// Sends the message to everybody in the room.
//! #[on_message]
//! fn say(text: String, request: Request) -> Result<(), Box<dyn std::error::Error>> {
//!     push::publish(&request.param("room").unwrap_or_default(), text)?;
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! Frames, pings and close frames are handled by the host.

use std::fmt::Display;

use crate::Close;
use crate::host::response as host;

// Generated like `crate::bindings`: see `tests/bindings.rs`.
#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod bindings;

pub use bindings::vibrato::handler::messages::{CloseFrame, Message, Reply};

#[cfg(test)]
mod tests;

/// The code of a close frame for an unsupported type of message (RFC 6455 section 7.4.1).
const UNSUPPORTED: u16 = 1003;

/// The first argument of a function under `#[on_message]`: a [`Message`], a `String` (a binary message then closes the
/// WebSocket with the code 1003), or a `Vec<u8>` (for both types).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message",
    label = "not a message",
    note = "the first argument is a `Message`, a `String` or a `Vec<u8>`"
)]
pub trait FromMessage: Sized {
    /// Converts a message.
    ///
    /// # Errors
    /// The reply to a message that cannot be converted. The function is not called then.
    fn from_message(message: Message) -> Result<Self, Reply>;
}

impl FromMessage for Message {
    fn from_message(message: Message) -> Result<Self, Reply> {
        Ok(message)
    }
}

impl FromMessage for String {
    fn from_message(message: Message) -> Result<Self, Reply> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(_) => {
                Err(Reply::Close(Some(CloseFrame { code: UNSUPPORTED, reason: "text only".to_owned() })))
            }
        }
    }
}

impl FromMessage for Vec<u8> {
    fn from_message(message: Message) -> Result<Self, Reply> {
        Ok(match message {
            Message::Text(text) => text.into_bytes(),
            Message::Binary(bytes) => bytes,
        })
    }
}

/// What a function under `#[on_message]` can return.
///
/// | it returns | the client gets |
/// |---|---|
/// | `()` | no answer |
/// | [`Message`], `&str`, `String`, `Vec<u8>` | this message: text but for a `Vec<u8>` |
/// | [`CloseFrame`], [`Close`] | a close frame, with a code or without, and the end |
/// | [`Reply`] | what it says |
/// | `Option<T>` | `T`, or for `None` no answer |
/// | `Result<T, E>` | `T`, or for an error a line in the host's log, and a close frame of the code 1011 |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reply to a message",
    label = "not a reply",
    note = "it returns `()`, a `Message`, `&str`, `String`, `Vec<u8>`, `CloseFrame`, `Close` or `Reply`, or an `Option` \
            or a `Result` of one of these"
)]
pub trait IntoReply {
    /// Converts the value to a reply.
    fn into_reply(self) -> Reply;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::Nothing
    }
}

impl IntoReply for Message {
    fn into_reply(self) -> Reply {
        Reply::Message(self)
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Reply {
        Reply::Message(Message::Text(self))
    }
}

impl IntoReply for &str {
    fn into_reply(self) -> Reply {
        self.to_owned().into_reply()
    }
}

impl IntoReply for Vec<u8> {
    fn into_reply(self) -> Reply {
        Reply::Message(Message::Binary(self))
    }
}

impl IntoReply for CloseFrame {
    fn into_reply(self) -> Reply {
        Reply::Close(Some(self))
    }
}

impl IntoReply for Close {
    fn into_reply(self) -> Reply {
        Reply::Close(None)
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Reply {
        self.map_or(Reply::Nothing, T::into_reply)
    }
}

impl<T: IntoReply, E: Display> IntoReply for Result<T, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => value.into_reply(),
            Err(error) => {
                // The host closes the WebSocket, whatever is returned. This fails only outside a message.
                let _ = host::fail(&error.to_string());
                Reply::Nothing
            }
        }
    }
}

/// The first argument of a type.
#[doc(hidden)]
pub fn message<M: FromMessage>(message: Message) -> Result<M, Reply> {
    M::from_message(message)
}

/// The reply of a return value.
#[doc(hidden)]
pub fn into_reply<R: IntoReply>(returned: R) -> Reply {
    returned.into_reply()
}
