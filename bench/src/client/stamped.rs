//! A client of a handler that begins each chunk with the time at which it was written.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::{END_OF_HEAD, LAST_CHUNK, ask, connect, is_ok, not_ok};

/// A whole response of such chunks.
#[derive(Debug, PartialEq)]
pub struct Stamped {
    /// The length of the response in bytes, with its head and its coding.
    pub bytes: usize,
    /// In the order of arrival.
    pub chunks: Vec<Chunk>,
}

/// One chunk.
#[derive(Debug, PartialEq)]
pub struct Chunk {
    /// The offset of its end in the response, in bytes.
    pub end: usize,
    /// When the handler wrote it.
    pub written: SystemTime,
}

/// Requests chunks of `chunk_bytes` each, which begin with the time of writing in nanoseconds since 1970, as a
/// little-endian `u64`.
pub fn stamped(server: SocketAddr, target: &str, chunk_bytes: usize) -> io::Result<Stamped> {
    let mut socket = connect(server)?;
    ask(&mut socket, target, "close")?;
    let mut response = Vec::new();
    socket.read_to_end(&mut response)?;
    parse(&response, chunk_bytes).ok_or_else(not_ok)
}

/// `None` if the response is not complete.
fn parse(response: &[u8], chunk_bytes: usize) -> Option<Stamped> {
    let head = response.windows(END_OF_HEAD.len()).position(|end| end == END_OF_HEAD).filter(|_| is_ok(response))?;
    let mut rest = response[head + END_OF_HEAD.len()..].strip_suffix(LAST_CHUNK)?;
    let size = format!("{chunk_bytes:x}\r\n");
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.strip_prefix(size.as_bytes())?.split_at_checked(chunk_bytes)?;
        rest = after.strip_prefix(b"\r\n")?;
        let written = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(*chunk.first_chunk()?));
        chunks.push(Chunk { end: response.len() - LAST_CHUNK.len() - rest.len(), written });
    }
    Some(Stamped { bytes: response.len(), chunks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_of_a_whole_response_says_when_it_was_written_and_where_it_ends() {
        let head = b"HTTP/1.1 200 OK\r\n\r\n".as_slice();
        let chunk = |written: u64| [b"9\r\n".as_slice(), &written.to_le_bytes(), b"x\r\n"].concat();
        let response = [head, &chunk(1), &chunk(2), LAST_CHUNK].concat();
        let first = head.len() + chunk(1).len();
        let found = |end, written| Chunk { end, written: SystemTime::UNIX_EPOCH + Duration::from_nanos(written) };
        let chunks = vec![found(first, 1), found(first + chunk(2).len(), 2)];
        assert_eq!(parse(&response, 9), Some(Stamped { bytes: response.len(), chunks }));
        assert_eq!(parse(&response[..response.len() - 1], 9), None, "no last chunk");
        assert_eq!(parse(&response, 8), None, "other chunks");
    }
}
