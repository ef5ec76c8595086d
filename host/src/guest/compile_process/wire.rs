//! What crosses between the host and a process that compiles: a request and the component one way, frames the other.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::MAX_FRAME_BYTES;
use crate::config::Compiling;
use crate::guest::component::LoadError;
use crate::guest::component_facts::ComponentFacts;

/// What is asked of a process; the component follows it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::guest) struct CompileRequest {
    /// The component's name, for what it prints.
    pub(in crate::guest) name: String,
    /// Whether it is a handler, and describes itself where it can; else it is middleware.
    pub(in crate::guest) is_handler: bool,
    /// The bytes that its memories may take together.
    pub(in crate::guest) memory: usize,
    /// The time of processors for its start and what it says of itself.
    pub(in crate::guest) timeout: Duration,
    /// The bytes of address space for each memory, as the engine has them.
    pub(in crate::guest) reservation: u64,
}

/// The bounds of the process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessBounds {
    pub(super) memory: u64,
    pub(super) cpu_seconds: u64,
}

/// What a process sends.
#[derive(Debug)]
pub(in crate::guest) enum ChildFrame {
    /// The compiled component.
    Code(Vec<u8>),
    /// A line that the component has printed.
    Printed(Json),
    /// What was found out of it. It is the last.
    Facts(ComponentFacts),
    /// Why it is no good. It is the last.
    Refused(Vec<LoadError>),
}

const CODE: u8 = b'C';
const PRINTED: u8 = b'P';
const FACTS: u8 = b'F';
const REFUSED: u8 = b'R';

impl CompileRequest {
    /// How long its start and what it says of itself may take where others are before it: that time is one of processors.
    pub(super) fn wall(&self) -> Duration {
        4 * self.timeout
    }

    pub(super) fn encode(&self, limits: &Compiling) -> Vec<u8> {
        let header = json!({
            "name": self.name,
            "handler": self.is_handler,
            "memory": self.memory,
            "timeout": u64::try_from(self.timeout.as_micros()).unwrap_or(u64::MAX),
            "reservation": self.reservation,
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

    /// The next frame; none at the end. Code has at most `most` bytes, anything else a bound of its own.
    pub(super) fn read(from: &mut impl Read, most: u64) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > if kind == [CODE] { most } else { MAX_FRAME_BYTES } {
            return Err(io::Error::other("it sends more than it may"));
        }
        // As it comes: what is only said to come takes no memory.
        let mut payload = Vec::new();
        from.take(length).read_to_end(&mut payload)?;
        if payload.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wrong = || io::Error::other("it sends what is not expected");
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

/// Those that a process finds: the others the host finds itself.
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
    fn a_frame_that_is_none_is_an_error_and_takes_no_memory() {
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
