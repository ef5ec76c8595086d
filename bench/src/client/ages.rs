//! A client that asks how old each chunk of a response is when it comes.
//!
//! It goes by the time at which the system had the bytes for it: of what it reads at once, the last of them. How long the
//! system then takes to run the client says nothing of the server, and now and then is milliseconds.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use super::{BUFFER_BYTES, END_OF_HEAD, LAST_CHUNK, ask, connect, is_ok, not_ok};

/// How old each chunk is when it is there: they all have so many bytes, and begin with the time of their writing in
/// nanoseconds since 1970, as a little-endian `u64`.
pub fn ages(server: SocketAddr, target: &str, chunk_bytes: usize) -> io::Result<Vec<Duration>> {
    let mut socket = connect(server)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    ask(&mut socket, target, "close")?;
    let (mut response, mut reads) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (read, arrived) = read_stamped(&socket, &mut buffer)?;
        if read == 0 {
            return ages_of(&response, &reads, chunk_bytes).ok_or_else(not_ok);
        }
        response.extend_from_slice(&buffer[..read]);
        reads.push((response.len(), arrived));
    }
}

/// Reads, and says when the last of what it has read was there.
fn read_stamped(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, SystemTime)> {
    let mut stamp = nix::cmsg_space!(TimeSpec);
    let mut into = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut stamp), MsgFlags::empty())?;
    let arrived = message.cmsgs()?.find_map(|told| match told {
        ControlMessageOwned::ScmTimestampns(since) => Some(SystemTime::UNIX_EPOCH + Duration::from(since)),
        _ => None,
    });
    // Linux tells of none until a moment after it was first asked to.
    Ok((message.bytes, arrived.unwrap_or_else(SystemTime::now)))
}

/// How old each chunk was when so many bytes of the response had come; none where the response is not whole.
fn ages_of(response: &[u8], reads: &[(usize, SystemTime)], chunk_bytes: usize) -> Option<Vec<Duration>> {
    let head = response.windows(END_OF_HEAD.len()).position(|end| end == END_OF_HEAD).filter(|_| is_ok(response))?;
    let mut rest = response[head + END_OF_HEAD.len()..].strip_suffix(LAST_CHUNK)?;
    let size = format!("{chunk_bytes:x}\r\n");
    let (mut ages, mut reads) = (Vec::new(), reads.iter().peekable());
    while !rest.is_empty() {
        let (chunk, after) = rest.strip_prefix(size.as_bytes())?.split_at_checked(chunk_bytes)?;
        rest = after.strip_prefix(b"\r\n")?;
        let end = response.len() - LAST_CHUNK.len() - rest.len();
        while reads.next_if(|(read, _)| *read < end).is_some() {}
        let (_, arrived) = reads.peek()?;
        let written = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(*chunk.first_chunk()?));
        ages.push(arrived.duration_since(written).ok()?);
    }
    Some(ages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_there_once_its_end_is_read() {
        let (begun, ms) = (SystemTime::UNIX_EPOCH, Duration::from_millis);
        let chunk = |written: Duration| {
            let nanoseconds = u64::try_from(written.as_nanos()).expect("a small number");
            [b"9\r\n".as_slice(), &nanoseconds.to_le_bytes(), b"x\r\n"].concat()
        };
        let response = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), chunk(ms(1)), chunk(ms(2)), LAST_CHUNK.to_vec()].concat();
        let first = response.len() - LAST_CHUNK.len() - chunk(ms(2)).len();
        let reads = [(first - 1, begun + ms(3)), (first, begun + ms(4)), (response.len(), begun + ms(9))];
        assert_eq!(ages_of(&response, &reads, 9), Some(vec![ms(3), ms(7)]));
        assert_eq!(ages_of(&response[..response.len() - 1], &reads, 9), None, "no last chunk");
        assert_eq!(ages_of(&response, &reads, 8), None, "other chunks");
    }
}
