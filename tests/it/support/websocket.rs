//! A client's side of a WebSocket, frame by frame (RFC 6455 section 5.2).

use super::Client;

/// The first byte of a whole message, of a part of one, of a control frame.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const TEXT_PART: u8 = 0x01;
pub const LAST_PART: u8 = 0x80;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// The fields of a valid handshake, but for `Host`.
pub const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The answer to [`HANDSHAKE`], with `fields` among its own.
pub fn accepted(fields: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nDate: <date>\r\n{fields}Upgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n"
    )
}

/// A frame as a client sends it: masked, with its length in the fewest bytes.
pub fn masked(first: u8, bytes: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match u16::try_from(bytes.len()) {
        Ok(short @ ..126) => frame.push(0x80 | short as u8),
        Ok(length) => frame.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
        Err(_) => frame.extend([&[0x80 | 127][..], &(bytes.len() as u64).to_be_bytes()].concat()),
    }
    frame.extend(MASK);
    frame.extend(bytes.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl Client {
    /// Makes a WebSocket of the connection.
    #[track_caller]
    pub fn open_websocket(&mut self, target: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
        self.expect(&accepted(""));
    }

    /// Sends a frame.
    #[track_caller]
    pub fn send_frame(&mut self, first: u8, bytes: impl AsRef<[u8]>) {
        self.send(masked(first, bytes.as_ref()));
    }

    /// The next frame: its first byte, and what it holds.
    #[track_caller]
    pub fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let header = self.read_exactly(2);
        let length = match header[1] {
            126 => self.read_exactly(2),
            127 => self.read_exactly(8),
            length => vec![length],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        (header[0], self.read_exactly(length))
    }

    /// Reads the frame that is expected.
    #[track_caller]
    pub fn expect_frame(&mut self, first: u8, bytes: impl AsRef<[u8]>) {
        let (is_first, holds) = self.read_frame();
        let shown = (is_first, holds.escape_ascii().to_string());
        assert_eq!(shown, (first, bytes.as_ref().escape_ascii().to_string()));
    }

    /// Sends a text, and reads the text that answers it.
    #[track_caller]
    pub fn expect_answer(&mut self, text: &str, answer: &str) {
        self.send_frame(TEXT, text);
        self.expect_frame(TEXT, answer);
    }

    /// Reads a close frame of this code and reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16, reason: &str) {
        self.expect_frame(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat());
    }
}
