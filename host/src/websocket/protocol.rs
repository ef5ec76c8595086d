//! One WebSocket's frames: messages out of what the client sends, pongs and close frames in answer.
//!
//! Owns what tungstenite leaves to a server: how much of a frame is waited for, what is remembered between messages
//! (nothing, so that a connection at rest costs nothing), and what is said to a client that breaks the protocol. It
//! must not know who reads the messages, nor sockets.

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

/// The most bytes of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL: u64 = 125;

/// How much tungstenite takes at a time.
const READ: usize = 4096;

/// The frames of one WebSocket, on the server's side.
#[derive(Debug)]
pub struct Protocol {
    max_message: usize,
    stage: ProtocolState,
    /// What is to be remembered: the frames of a message whose last one has not come, that a close frame was sent.
    memory: Option<Box<WebSocketContext>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProtocolState {
    /// The next frame begins a message.
    Between,
    /// The next frame that is no control frame goes on with a message.
    Within,
    /// A close frame was sent, and the client's is waited for.
    Closing,
    /// No frame follows, in neither direction.
    Closed,
}

/// What a frame was to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum WebSocketEvent {
    /// The end of a message.
    Message(Message),
    /// Nothing to act on, but that the client lives: a part of a message, a ping, a pong, a message after the close.
    Heard,
    /// The end: both sides have sent their close frame, or the client's is answered in the output.
    Closed,
    /// The end: the client broke the protocol. The close frame in the output says so; the client's is not waited for.
    Broken(Violation),
}

/// How a client broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Violation {
    /// A frame that may not come, or not then.
    #[error("{0}")]
    Frame(String),
    /// A text, or the reason of a close frame, that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A message larger than may be.
    #[error("a message has more than {0} bytes")]
    TooLarge(usize),
}

impl Violation {
    /// The close frame that tells the client (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_frame(&self) -> CloseFrame {
        let code = match self {
            Self::Frame(_) => CloseFrame::PROTOCOL,
            Self::NotUtf8 => CloseFrame::INVALID,
            Self::TooLarge(_) => CloseFrame::TOO_LARGE,
        };
        CloseFrame::of_host(code, &self.to_string())
    }
}

impl Protocol {
    /// The frames after a handshake. A message of the client's may have `max_message` bytes.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self { max_message, stage: ProtocolState::Between, memory: None }
    }

    /// Whether messages may still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, ProtocolState::Between | ProtocolState::Within)
    }

    /// Whether no frame follows in either direction.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stage == ProtocolState::Closed
    }

    /// Takes the next frame off the start of `input`, and says what it was; none until all of it is there. What
    /// answers it by itself (a pong, a close frame) is added to `output`.
    ///
    /// `input` need not be longer than `max_message`, or 125 bytes, and the 14 of a header. Once the WebSocket is
    /// closed what comes is dropped.
    pub fn read(&mut self, input: &mut BytesMut, output: &mut Vec<u8>) -> Option<WebSocketEvent> {
        if self.stage == ProtocolState::Closed {
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
            self.end();
            WebSocketEvent::Broken(violation)
        }))
    }

    /// Begins to close, with a close frame in `output`. A second call, and one after the end, does nothing.
    pub fn close(&mut self, close: Option<CloseFrame>, output: &mut Vec<u8>) {
        if self.is_open() {
            self.stage = ProtocolState::Closing;
            // It writes into memory, which takes all, and no close frame was sent before.
            let _ = self.memory().close(&mut FrameBuffer { input: &[], output }, close.map(Into::into));
        }
    }

    fn read_frame(
        &mut self,
        header: &FrameHeader,
        frame: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<WebSocketEvent, Violation> {
        let mut wire = FrameBuffer { input: frame, output };
        let memory = self.memory();
        let read = memory.read(&mut wire);
        // Into memory, too. After the answer to a close frame it says that this was the end.
        let _ = memory.flush(&mut wire);
        let message = match read {
            Ok(protocol::Message::Text(text)) => Some(Message::Text(text)),
            Ok(protocol::Message::Binary(bytes)) => Some(Message::Binary(bytes)),
            Ok(protocol::Message::Ping(_) | protocol::Message::Pong(_) | protocol::Message::Frame(_)) => None,
            Ok(protocol::Message::Close(_)) | Err(Error::ConnectionClosed) => {
                self.end();
                return Ok(WebSocketEvent::Closed);
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => return Err(explain(error, self.max_message)),
        };
        if self.stage == ProtocolState::Closing {
            return Ok(WebSocketEvent::Heard);
        }
        if let OpCode::Data(_) = header.opcode {
            self.stage = if header.is_final { ProtocolState::Between } else { ProtocolState::Within };
        }
        if self.stage == ProtocolState::Between {
            self.memory = None;
        }
        Ok(message.map_or(WebSocketEvent::Heard, WebSocketEvent::Message))
    }

    fn end(&mut self) {
        self.stage = ProtocolState::Closed;
        self.memory = None;
    }

    fn memory(&mut self) -> &mut WebSocketContext {
        let max_message = Some(self.max_message);
        self.memory.get_or_insert_with(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ)
                .write_buffer_size(0)
                .max_message_size(max_message)
                .max_frame_size(None);
            Box::new(WebSocketContext::new(Role::Server, Some(config)))
        })
    }
}

/// The header of the frame that `input` begins with, and the length of both together; none until all is there. What can
/// be refused by its header is not waited for.
fn find_frame(input: &[u8], max_message: usize) -> Result<Option<(FrameHeader, usize)>, Violation> {
    let mut cursor = Cursor::new(input);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|error| explain(error, max_message))?;
    let Some((header, length)) = parsed else { return Ok(None) };
    let refused = match header.opcode {
        _ if header.mask.is_none() => ProtocolError::UnmaskedFrameFromClient,
        OpCode::Control(_) if length > MAX_CONTROL => ProtocolError::ControlFrameTooBig,
        OpCode::Data(_) if length > max_message as u64 => return Err(Violation::TooLarge(max_message)),
        OpCode::Control(_) | OpCode::Data(_) => {
            // Neither overflows: a header has at most 14 bytes, and what is behind it was bounded above.
            let whole = cursor.position() as usize + length as usize;
            return Ok((input.len() >= whole).then_some((header, whole)));
        }
    };
    Err(Violation::Frame(refused.to_string()))
}

fn explain(error: Error, max_message: usize) -> Violation {
    match error {
        Error::Utf8(_) => Violation::NotUtf8,
        Error::Capacity(_) => Violation::TooLarge(max_message),
        // What else there is, is of the protocol: memory does not fail.
        other => Violation::Frame(other.to_string()),
    }
}

/// Memory, as tungstenite reads and writes it. More may come behind its end.
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
