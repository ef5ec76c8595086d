//! Reads and prints the response of `host call`.

use std::io::{self, ErrorKind, Read, Write};

use bytes::BytesMut;
use host::http1::client::{ResponseParser, ResponsePart};

/// Maximum number of bytes in one read.
const READ_SIZE: usize = 64 * 1024;

/// What was received of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallResponse {
    /// The status. `None` if nothing was received.
    pub(super) status: Option<u16>,
    /// The number of bytes received, including the framing.
    pub(super) received: u64,
    /// Whether the connection was reset.
    pub(super) reset: bool,
}

/// How the body of a response is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// Without its framing.
    Decoded,
    /// As it was received.
    Raw,
}

impl CallResponse {
    /// Reads until the connection ends, and prints what it reads.
    pub(super) fn read(
        mut socket: impl Read,
        to_head_request: bool,
        format: BodyFormat,
        out: &mut impl Write,
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
            if format == BodyFormat::Raw {
                out.write_all(piece)?;
            }
            while let Some(part) = parser.next(&mut input, READ_SIZE) {
                let bytes = match part {
                    ResponsePart::Head { status, bytes } => {
                        response.status = Some(status);
                        bytes
                    }
                    ResponsePart::Body(bytes) | ResponsePart::Rest(bytes) => bytes,
                };
                if format == BodyFormat::Decoded {
                    out.write_all(&bytes)?;
                }
            }
            out.flush()?;
        }
        Ok(response)
    }
}
