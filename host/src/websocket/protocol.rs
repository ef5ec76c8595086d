//! The frames of one WebSocket: decodes messages from the client's bytes, and answers control frames.
//!
//! Adds to tungstenite what a server needs: it waits only for as much of a frame as it must, keeps no state between
//! messages, so that an idle connection costs nothing, and tells a client how it violated the protocol.

use std::io::{self, Cursor, ErrorKind, Read, Write};

use bytes::BytesMut;
use thiserror::Error as ThisError;
use tungstenite::Error;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;
use tungstenite::protocol::{self, Role, WebSocketConfig, WebSocketContext};

use super::message::{CloseFrame, Message};

#[cfg(test)]
mod tests;

/// Maximum bytes of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL_BYTES: u64 = 125;

/// The size of tungstenite's read buffer, in bytes.
const READ_BUFFER_BYTES: usize = 4096;

/// The server's side of a WebSocket.
#[derive(Debug)]
pub struct Protocol {
    max_message: usize,
    state: ProtocolState,
    /// The bytes of the message that has not arrived whole.
    unfinished: usize,
    /// State of a fragmented message or of a close handshake. `None` between messages.
    context: Option<Box<WebSocketContext>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProtocolState {
    /// The next frame starts a message.
    Idle,
    /// A message has started. The next data frame continues it.
    InMessage,
    /// The server has sent a close frame and waits for the client's.
    Closing,
    /// No frame follows in either direction.
    Closed,
}

/// The meaning of a frame for the server.
#[derive(Debug, PartialEq, Eq)]
pub enum WebSocketEvent {
    /// A message is complete.
    Message(Message),
    /// Nothing to act on except that the client is alive: a fragment, a ping, a pong, or a message after the close
    /// frame.
    Alive,
    /// The WebSocket is closed: both sides have sent close frames, or the output contains the server's.
    Closed,
    /// The client violated the protocol. The output contains a close frame with the reason; the client's is not waited
    /// for.
    Violated(Violation),
}

/// How a client violated the protocol.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Violation {
    /// An invalid frame, or a frame that is not allowed in this state.
    #[error("{0}")]
    Frame(String),
    /// A text, or the reason of a close frame, that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A message that exceeds the limit.
    #[error("a message has more than {0} bytes")]
    TooLarge(usize),
}

impl Violation {
    /// The close frame that reports it (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_frame(&self) -> CloseFrame {
        let code = match self {
            Self::Frame(_) => CloseFrame::PROTOCOL,
            Self::NotUtf8 => CloseFrame::INVALID,
            Self::TooLarge(_) => CloseFrame::TOO_LARGE,
        };
        CloseFrame::from_host(code, &self.to_string())
    }
}

impl Protocol {
    /// The state after a handshake. Messages of the client may have at most `max_message` bytes.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self { max_message, state: ProtocolState::Idle, unfinished: 0, context: None }
    }

    /// The bytes that it holds of a message that has not arrived whole.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Whether messages may still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, ProtocolState::Idle | ProtocolState::InMessage)
    }

    /// Whether no frame follows in either direction.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == ProtocolState::Closed
    }

    /// Removes the next frame from the start of `input` and returns its meaning; `None` if it is incomplete. Appends
    /// the automatic answer (a pong or a close frame) to `output`.
    ///
    /// `input` need not hold more than `max_message` (or 125, if that is more) bytes plus 14 for a header. After the
    /// end, input is discarded.
    pub fn read(&mut self, input: &mut BytesMut, output: &mut Vec<u8>) -> Option<WebSocketEvent> {
        if self.state == ProtocolState::Closed {
            input.clear();
            return None;
        }
        let event = match find_frame(input, self.max_message) {
            Ok(None) => return None,
            Ok(Some((header, length))) => self.read_frame(&header, &input.split_to(length), output),
            Err(violation) => Err(violation),
        };
        Some(event.unwrap_or_else(|violation| {
            self.close(Some(violation.close_frame()), output);
            self.finish();
            WebSocketEvent::Violated(violation)
        }))
    }

    /// Starts the close handshake: appends a close frame to `output`. Does nothing if it was started already.
    pub fn close(&mut self, close: Option<CloseFrame>, output: &mut Vec<u8>) {
        if self.is_open() {
            self.state = ProtocolState::Closing;
            // Writing to memory cannot fail, and no close frame was sent before.
            let _ = self.context().close(&mut FrameBuffer { input: &[], output }, close.map(Into::into));
        }
    }

    fn read_frame(
        &mut self,
        header: &FrameHeader,
        frame: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<WebSocketEvent, Violation> {
        let mut wire = FrameBuffer { input: frame, output };
        let context = self.context();
        let read = context.read(&mut wire);
        // This writes to memory too. The result only repeats that a close frame was answered.
        let _ = context.flush(&mut wire);
        let message = match read {
            Ok(protocol::Message::Text(text)) => Some(Message::Text(text)),
            Ok(protocol::Message::Binary(bytes)) => Some(Message::Binary(bytes)),
            Ok(protocol::Message::Ping(_) | protocol::Message::Pong(_) | protocol::Message::Frame(_)) => None,
            Ok(protocol::Message::Close(_)) | Err(Error::ConnectionClosed) => {
                self.finish();
                return Ok(WebSocketEvent::Closed);
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => return Err(violation(error, self.max_message)),
        };
        if self.state == ProtocolState::Closing {
            return Ok(WebSocketEvent::Alive);
        }
        if let OpCode::Data(_) = header.opcode {
            self.state = if header.is_final { ProtocolState::Idle } else { ProtocolState::InMessage };
            self.unfinished += frame.len();
        }
        if self.state == ProtocolState::Idle {
            (self.unfinished, self.context) = (0, None);
        }
        Ok(message.map_or(WebSocketEvent::Alive, WebSocketEvent::Message))
    }

    fn finish(&mut self) {
        self.state = ProtocolState::Closed;
        (self.unfinished, self.context) = (0, None);
    }

    fn context(&mut self) -> &mut WebSocketContext {
        let max_message = Some(self.max_message);
        self.context.get_or_insert_with(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER_BYTES)
                .write_buffer_size(0)
                .max_message_size(max_message)
                .max_frame_size(None);
            Box::new(WebSocketContext::new(Role::Server, Some(config)))
        })
    }
}

/// The first frame of `input`: its header and its length including the header. `None` if it is incomplete. A frame that
/// its header makes invalid is refused without waiting for the remainder.
fn find_frame(input: &[u8], max_message: usize) -> Result<Option<(FrameHeader, usize)>, Violation> {
    let mut cursor = Cursor::new(input);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|error| violation(error, max_message))?;
    let Some((header, length)) = parsed else { return Ok(None) };
    let refused = match header.opcode {
        _ if header.mask.is_none() => ProtocolError::UnmaskedFrameFromClient,
        OpCode::Control(_) if length > MAX_CONTROL_BYTES => ProtocolError::ControlFrameTooBig,
        OpCode::Data(_) if length > max_message as u64 => return Err(Violation::TooLarge(max_message)),
        OpCode::Control(_) | OpCode::Data(_) => {
            // This cannot overflow: a header has at most 14 bytes, and `length` is bounded above.
            let whole = cursor.position() as usize + length as usize;
            return Ok((input.len() >= whole).then_some((header, whole)));
        }
    };
    Err(Violation::Frame(refused.to_string()))
}

fn violation(error: Error, max_message: usize) -> Violation {
    match error {
        Error::Utf8(_) => Violation::NotUtf8,
        Error::Capacity(_) => Violation::TooLarge(max_message),
        // All other errors are protocol errors, because memory does not fail.
        other => Violation::Frame(other.to_string()),
    }
}

/// Memory that tungstenite reads from and writes to. An empty input means that more bytes may follow.
struct FrameBuffer<'w> {
    input: &'w [u8],
    output: &'w mut Vec<u8>,
}

impl Read for FrameBuffer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.input.read(buffer) }
    }
}

impl Write for FrameBuffer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
