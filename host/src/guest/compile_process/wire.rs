//! The messages between the host and a child process that compiles: the request and the component go one way, frames
//! the other.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::MAX_FRAME_BYTES;
use crate::config::{CodeQuality, Compiling};
use crate::guest::component_facts::ComponentFacts;
use crate::guest::load_error::LoadError;

/// A request to compile. The bytes of the component follow it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::guest) struct CompileRequest {
    /// The component's name, for its log lines.
    pub(in crate::guest) name: String,
    /// True for a handler, which may describe itself. False for middleware.
    pub(in crate::guest) is_handler: bool,
    /// Maximum bytes of all its memories together.
    pub(in crate::guest) memory: usize,
    /// Processor time for its start and its description.
    pub(in crate::guest) timeout: Duration,
    /// Bytes of address space that the engine reserves for each memory.
    pub(in crate::guest) reservation: u64,
    /// How much the compiler does for the speed of the code.
    pub(in crate::guest) code: CodeQuality,
}

/// Limits of the child process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessBounds {
    pub(super) memory: u64,
    pub(super) cpu_seconds: u64,
}

/// What a child process sends.
#[derive(Debug)]
pub(in crate::guest) enum ChildFrame {
    /// The compiled component.
    Code(Vec<u8>),
    /// A line of the component's output.
    Printed(Json),
    /// The facts of the component. The last frame.
    Facts(ComponentFacts),
    /// Why the component was refused. The last frame.
    Refused(Vec<LoadError>),
}

const CODE: u8 = b'C';
const PRINTED: u8 = b'P';
const FACTS: u8 = b'F';
const REFUSED: u8 = b'R';

impl CompileRequest {
    /// Wall-clock timeout for start and description. It is longer than `timeout`, which is processor time, because
    /// other processes may run first.
    pub(super) fn wall_timeout(&self) -> Duration {
        4 * self.timeout
    }

    pub(super) fn encode(&self, limits: &Compiling) -> Vec<u8> {
        let header = json!({
            "name": self.name,
            "handler": self.is_handler,
            "memory": self.memory,
            "timeout": u64::try_from(self.timeout.as_micros()).unwrap_or(u64::MAX),
            "reservation": self.reservation,
            "quick": self.code == CodeQuality::Quick,
            "limit-memory": limits.memory,
            "limit-cpu": limits.cpu.as_secs().max(1),
        });
        let header = header.to_string().into_bytes();
        let mut encoded = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        encoded.extend_from_slice(&header);
        encoded
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<(Self, ProcessBounds)> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut header = Vec::new();
        from.take(u32::from_le_bytes(length).into()).read_to_end(&mut header)?;
        let header: Json = serde_json::from_slice(&header)?;
        let number = |name: &str| header[name].as_u64().ok_or(io::ErrorKind::InvalidData);
        let request = Self {
            name: header["name"].as_str().unwrap_or_default().to_owned(),
            is_handler: header["handler"].as_bool().unwrap_or_default(),
            memory: usize::try_from(number("memory")?).map_err(io::Error::other)?,
            timeout: Duration::from_micros(number("timeout")?),
            reservation: number("reservation")?,
            code: match header["quick"].as_bool() {
                Some(true) => CodeQuality::Quick,
                Some(false) | None => CodeQuality::Optimized,
            },
        };
        Ok((request, ProcessBounds { memory: number("limit-memory")?, cpu_seconds: number("limit-cpu")? }))
    }
}

impl ChildFrame {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut write = |kind: u8, payload: &[u8]| {
            to.write_all(&[kind])?;
            to.write_all(&(payload.len() as u64).to_le_bytes())?;
            to.write_all(payload)?;
            to.flush()
        };
        match self {
            Self::Code(code) => write(CODE, code),
            Self::Printed(line) => write(PRINTED, line.to_string().as_bytes()),
            Self::Facts(facts) => write(FACTS, &facts.encode()),
            Self::Refused(errors) => {
                let errors: Vec<Json> = errors.iter().filter_map(encode_error).collect();
                write(REFUSED, json!(errors).to_string().as_bytes())
            }
        }
    }

    /// Reads the next frame. `None` at the end. A code frame has at most `max_code_bytes`, any other at most
    /// `MAX_FRAME_BYTES`.
    pub(super) fn read(from: &mut impl Read, max_code_bytes: u64) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > if kind == [CODE] { max_code_bytes } else { MAX_FRAME_BYTES } {
            return Err(io::Error::other("it sent a frame that is too large"));
        }
        // Grow the buffer as bytes arrive: a length that is only announced must not allocate memory.
        let mut payload = Vec::new();
        from.take(length).read_to_end(&mut payload)?;
        if payload.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wrong = || io::Error::other("it sent an invalid frame");
        Ok(Some(match kind[0] {
            CODE => Self::Code(payload),
            PRINTED => Self::Printed(serde_json::from_slice(&payload)?),
            FACTS => Self::Facts(ComponentFacts::decode(&payload).ok_or_else(wrong)?),
            REFUSED => {
                let errors: Vec<Json> = serde_json::from_slice(&payload)?;
                Self::Refused(
                    errors.iter().map(|error| decode_error(error).ok_or_else(wrong)).collect::<Result<_, _>>()?,
                )
            }
            _ => return Err(wrong()),
        }))
    }
}

/// Encodes the errors that a child process can find. The host finds the others itself.
fn encode_error(error: &LoadError) -> Option<Json> {
    let (kind, text) = match error {
        LoadError::Broken(text) => ("broken", text),
        LoadError::Proposal(text) => ("proposal", text),
        LoadError::Threads(text) => ("threads", text),
        LoadError::Start(text) => ("start", text),
        LoadError::Describe(text) => ("describe", text),
        _ => return None,
    };
    Some(json!({ "kind": kind, "text": text }))
}

fn decode_error(error: &Json) -> Option<LoadError> {
    let text = crate::guest::error_text::reason(error["text"].as_str()?);
    Some(match error["kind"].as_str()? {
        "broken" => LoadError::Broken(text),
        "proposal" => LoadError::Proposal(text),
        "threads" => LoadError::Threads(text),
        "start" => LoadError::Start(text),
        "describe" => LoadError::Describe(text),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Option<ChildFrame>> {
        ChildFrame::read(&mut io::Cursor::new(bytes), 1000)
    }

    #[test]
    fn an_invalid_frame_is_an_error_and_allocates_nothing() {
        let frame =
            |kind: u8, length: u64, payload: &[u8]| [&[kind], length.to_le_bytes().as_slice(), payload].concat();
        for bytes in [
            b"C".to_vec(),
            frame(CODE, 1001, b""),
            frame(CODE, u64::MAX, b"abc"),
            frame(CODE, 4, b"abc"),
            frame(FACTS, 2, b"{}"),
            frame(FACTS, MAX_FRAME_BYTES + 1, b""),
            frame(PRINTED, 1, b"{"),
            frame(REFUSED, 2, b"[1"),
            frame(REFUSED, 3, b"[1]"),
            frame(0, 0, b""),
        ] {
            assert!(read(&bytes).is_err(), "{bytes:?}");
        }
        assert!(matches!(read(b""), Ok(None)));
        assert!(matches!(read(&frame(CODE, 3, b"abc")), Ok(Some(ChildFrame::Code(code))) if code == b"abc"));
    }

    #[test]
    fn a_request_is_read_as_it_was_written() -> io::Result<()> {
        let request = CompileRequest {
            name: "a\"b".to_owned(),
            is_handler: true,
            memory: 123,
            timeout: Duration::from_millis(5),
            reservation: 1 << 32,
            code: CodeQuality::Quick,
        };
        let limits = Compiling { memory: 7, cpu: Duration::from_secs(3), ..Compiling::default() };
        let encoded = request.encode(&limits);
        assert_eq!(
            CompileRequest::read(&mut encoded.as_slice())?,
            (request, ProcessBounds { memory: 7, cpu_seconds: 3 })
        );
        assert!(CompileRequest::read(&mut &encoded[..10]).is_err());
        Ok(())
    }
}
