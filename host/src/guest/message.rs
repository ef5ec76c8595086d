//! WebSocket messages between guest and host, and the invocation of a handler for one.

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::{CallError, Handler, Invocation};
use crate::websocket::message::{CloseFrame, Message};

/// What a handler returns for a message (see `reply` in `wit/world.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageReply {
    /// Send nothing.
    Nothing,
    /// Send a message.
    Message(Message),
    /// Close the WebSocket.
    Close(Option<CloseFrame>),
}

/// `message`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum GuestMessage {
    #[component(name = "text")]
    Text(String),
    #[component(name = "binary")]
    Binary(Bytes),
}

/// `close-frame`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct GuestCloseFrame {
    code: u16,
    reason: String,
}

/// `reply`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum GuestReply {
    #[component(name = "nothing")]
    Nothing,
    #[component(name = "message")]
    Message(GuestMessage),
    #[component(name = "close")]
    Close(Option<GuestCloseFrame>),
}

impl From<Message> for GuestMessage {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<GuestMessage> for Message {
    fn from(message: GuestMessage) -> Self {
        match message {
            GuestMessage::Text(text) => Self::Text(text.into()),
            GuestMessage::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl TryFrom<GuestReply> for MessageReply {
    type Error = CallError;

    fn try_from(reply: GuestReply) -> Result<Self, CallError> {
        Ok(match reply {
            GuestReply::Nothing => Self::Nothing,
            GuestReply::Message(message) => Self::Message(message.into()),
            GuestReply::Close(None) => Self::Close(None),
            GuestReply::Close(Some(GuestCloseFrame { code, reason })) => {
                let close = CloseFrame::new(code, &reason);
                Self::Close(Some(close.map_err(|error| CallError::Failed(format!("it closes with {error}")))?))
            }
        })
    }
}

impl Handler {
    /// Whether it exports `on-message`.
    #[must_use]
    pub fn takes_messages(&self) -> bool {
        self.on_message_index().is_some()
    }

    /// Calls the handler for a message of the WebSocket that the invocation's request has opened. The instance is
    /// chosen as by [`Handler::call`]. A handler without `on-message` sends no reply.
    ///
    /// # Errors
    /// See [`CallError`] and [`Handler::call`].
    pub async fn deliver(&self, invocation: Invocation, message: Message) -> Result<MessageReply, CallError> {
        let Some(on_message) = self.on_message_index() else { return Ok(MessageReply::Nothing) };
        let reuse = invocation.options.settings.reuse;
        let mut instance = self.instance(invocation).await?;
        let reply = instance.deliver(on_message, message.into()).await?;
        self.keep(instance, reuse);
        reply.try_into()
    }
}
