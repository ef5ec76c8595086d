//! Reads the response of `host call` and `host test`.

use std::io::{self, ErrorKind, Read};

use bytes::BytesMut;
use host::http_file::{FieldLine, ReceivedResponse};
use host::http1::client::{ResponseParser, ResponsePart};

/// Maximum number of bytes in one read.
const READ_SIZE: usize = 64 * 1024;

/// What was received of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct CallResponse {
    /// The status. `None` if nothing was received.
    pub(in crate::cli) status: Option<u16>,
    /// The number of bytes received, including the framing.
    pub(in crate::cli) received: u64,
    /// Whether the connection was reset.
    pub(in crate::cli) reset: bool,
    /// The head of the response as it was received, without interim responses.
    head: Vec<u8>,
    /// The start of the body, without its framing.
    body: Vec<u8>,
}

/// How the body of a response is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum BodyFormat {
    /// Without its framing.
    Decoded,
    /// As it was received.
    Raw,
}

impl CallResponse {
    /// Reads until the connection ends, and keeps at most `max_body` bytes of the body. `show` is given each piece in both
    /// formats as it arrives, and an empty one at the end of each read.
    pub(in crate::cli) fn read(
        mut socket: impl Read,
        to_head_request: bool,
        max_body: usize,
        mut show: impl FnMut(BodyFormat, &[u8]) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut response = Self::default();
        let mut parser = ResponseParser::new(to_head_request);
        let mut input = BytesMut::new();
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let piece = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    response.reset = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            response.received += piece.len() as u64;
            input.extend_from_slice(piece);
            show(BodyFormat::Raw, piece)?;
            while let Some(part) = parser.next(&mut input, READ_SIZE) {
                let bytes = match part {
                    ResponsePart::Head { status, bytes } => {
                        response.status = Some(status);
                        response.head = bytes.to_vec();
                        bytes
                    }
                    ResponsePart::Body(bytes) | ResponsePart::Rest(bytes) => {
                        let room = max_body.saturating_sub(response.body.len());
                        response.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                        bytes
                    }
                };
                show(BodyFormat::Decoded, &bytes)?;
            }
        }
        Ok(response)
    }

    /// The response for a file of requests.
    pub(in crate::cli) fn received_response(self) -> ReceivedResponse {
        let fields = fields(&self.head);
        ReceivedResponse { status: self.status, fields, body: self.body, is_truncated: self.reset }
    }
}

/// The field lines of a head that was parsed before.
fn fields(head: &[u8]) -> Vec<FieldLine> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        Some((name, line[colon + 1..].trim_ascii().to_vec()))
    };
    lines.filter_map(field).collect()
}
