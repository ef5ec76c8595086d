//! Clients for what wrk cannot do: read one whole response, count a stream, keep a steady rate, hold idle connections,
//! and load the server on other routes.

mod crowd;
mod http2;
mod stamped;
mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Socket, Type};

pub use crowd::{Flood, Persistent, asking};
pub use http2::{Http2Connection, Until};
pub use stamped::{Chunk, Stamped, stamped};
pub use tls::{Sessions, TlsClient, TlsConnection, exchange as tls_exchange};

const TIMEOUT: Duration = Duration::from_secs(60);
const BUFFER_BYTES: usize = 1024 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The end of a chunked body. No body that is requested on a persistent connection contains it elsewhere.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The receive window of a client that reads nothing, in bytes, so that the server has to hold its response.
const SMALL_WINDOW: usize = 4096;

/// Fetches the body of a short response with status 200.
pub fn fetch(server: SocketAddr, target: &str) -> io::Result<Vec<u8>> {
    let mut socket = connect(server)?;
    ask(&mut socket, target, "close")?;
    let mut response = Vec::new();
    socket.take(BUFFER_BYTES as u64).read_to_end(&mut response)?;
    let head = response.windows(END_OF_HEAD.len()).position(|end| end == END_OF_HEAD);
    let head = head.filter(|_| is_ok(&response)).ok_or_else(not_ok)?;
    let (head, body) = response.split_at(head + END_OF_HEAD.len());
    if head.to_ascii_lowercase().windows(b"chunked".len()).any(|value| value == b"chunked") {
        return unchunked(body);
    }
    Ok(body.to_vec())
}

/// What a client does with the bytes of a long response.
#[derive(Clone, Copy)]
pub enum Reads {
    /// It copies them to a buffer, as clients do.
    ToBuffer,
    /// The kernel discards them without a copy: no client is faster.
    Nowhere,
}

/// How long a response with a body of at least `body_bytes` takes.
pub fn stream(server: SocketAddr, target: &str, body_bytes: u64, reads: Reads) -> io::Result<Duration> {
    let flags = match reads {
        Reads::ToBuffer => RecvFlags::empty(),
        Reads::Nowhere => RecvFlags::TRUNC,
    };
    let mut socket = connect(server)?;
    let start = Instant::now();
    ask(&mut socket, target, "close")?;
    let mut status = [0; 13];
    socket.read_exact(&mut status)?;
    if !is_ok(&status) {
        return Err(not_ok());
    }
    let (mut buffer, mut received) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let (_, read) = recv(&socket, buffer.as_mut_slice(), flags)?;
        received += read as u64;
        if read == 0 && received < body_bytes {
            return Err(io::Error::other(format!("the response ended after {received} of {body_bytes} bytes")));
        }
        if read == 0 {
            return Ok(start.elapsed());
        }
    }
}

/// How long it takes to send a body of `body_bytes` and to receive as many, at the same time.
pub fn echo(server: SocketAddr, target: &str, body_bytes: u64) -> io::Result<Duration> {
    let mut socket = connect(server)?;
    let mut upload = socket.try_clone()?;
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: {body_bytes}\r\n\r\n");
    let start = Instant::now();
    thread::scope(|scope| {
        let upload = scope.spawn(move || {
            upload.write_all(head.as_bytes())?;
            io::copy(&mut io::repeat(b'~').take(body_bytes), &mut upload)
        });
        let received = count(&mut socket, b'~');
        upload.join().map_err(|_| io::Error::other("the upload panicked"))??;
        match received? {
            received if received == body_bytes => Ok(start.elapsed()),
            received => Err(io::Error::other(format!("{received} of {body_bytes} bytes came back"))),
        }
    })
}

/// Reads a response with status 200 to its end. Returns how many bytes of it are `byte`, which its head does not contain.
fn count(socket: &mut TcpStream, byte: u8) -> io::Result<u64> {
    let mut status = [0; 13];
    socket.read_exact(&mut status)?;
    if !is_ok(&status) {
        return Err(not_ok());
    }
    let (mut buffer, mut counted) = (vec![0; BUFFER_BYTES], 0);
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(counted),
            // A sum of bytes in groups that cannot overflow is fast enough to be no part of what is measured.
            read => counted += buffer[..read].chunks(255).map(|part| u64::from(of(part, byte))).sum::<u64>(),
        }
    }
}

/// How many of at most 255 bytes are `byte`.
fn of(bytes: &[u8], byte: u8) -> u8 {
    bytes.iter().map(|&one| u8::from(one == byte)).sum()
}

/// Sends requests at a steady rate on a number of connections, whether or not responses arrive. Returns the latencies
/// since each request was due, sorted.
pub fn steadily(
    server: SocketAddr,
    target: &str,
    connections: u32,
    requests_a_second: u32,
    duration: Duration,
) -> io::Result<Vec<Duration>> {
    let interval = Duration::from_secs(1) * connections / requests_a_second;
    let start = Instant::now();
    let one = |at: u32| -> io::Result<Vec<Duration>> {
        let mut socket = connect(server)?;
        let (mut latencies, mut due) = (Vec::new(), start + interval * at / connections);
        while due < start + duration {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            exchange(&mut socket, target)?;
            latencies.push(due.elapsed());
            due += interval;
        }
        Ok(latencies)
    };
    let mut latencies = thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|at| scope.spawn(move || one(at))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_| io::Error::other("a client panicked"))??);
        }
        io::Result::Ok(all)
    })?;
    latencies.sort();
    Ok(latencies)
}

/// Idle connections that have received one response.
pub fn idle(server: SocketAddr, target: &str, connections: u32) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut socket = connect(server)?;
        exchange(&mut socket, target)?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// Parked responses whose first chunk ends with `chunk`.
pub fn left_open(server: SocketAddr, target: &str, chunk: &str, connections: u32) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut socket = connect(server)?;
        ask(&mut socket, target, "keep-alive")?;
        read_until(&mut socket, format!("{chunk}\r\n").as_bytes())?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// How long it takes until a chunk that `target` publishes has reached all `listeners`; `coded` is the chunk in the
/// chunked coding.
pub fn publish(server: SocketAddr, target: &str, listeners: &mut [TcpStream], coded: &[u8]) -> io::Result<Duration> {
    let mut socket = connect(server)?;
    let mut received = vec![0; coded.len()];
    let start = Instant::now();
    ask(&mut socket, target, "close")?;
    for listener in listeners {
        listener.read_exact(&mut received)?;
        if received != coded {
            return Err(io::Error::other("another chunk came than was published"));
        }
    }
    Ok(start.elapsed())
}

/// Connections that have sent a request and read nothing.
pub fn unread(server: SocketAddr, target: &str, connections: u32) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        socket.set_recv_buffer_size(SMALL_WINDOW)?;
        socket.connect(&server.into())?;
        let mut socket = TcpStream::from(socket);
        ask(&mut socket, target, "keep-alive")?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// Connects.
pub fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(server)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

fn ask(socket: &mut TcpStream, target: &str, connection: &str) -> io::Result<()> {
    socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: {connection}\r\n\r\n").as_bytes())
}

/// Sends a request on a persistent connection and reads a short chunked response.
fn exchange(socket: &mut TcpStream, target: &str) -> io::Result<()> {
    ask(socket, target, "keep-alive")?;
    read_until(socket, LAST_CHUNK)
}

/// Reads a short response with status 200 up to `end`.
fn read_until(socket: &mut TcpStream, end: &[u8]) -> io::Result<()> {
    let (mut buffer, mut filled) = ([0; 4096], 0);
    while !buffer[..filled].ends_with(end) {
        match socket.read(&mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    if is_ok(&buffer) { Ok(()) } else { Err(not_ok()) }
}

fn is_ok(response: &[u8]) -> bool {
    response.starts_with(b"HTTP/1.1 200 ")
}

fn not_ok() -> io::Error {
    io::Error::other("the server gave no whole response with status 200")
}

/// Decodes a whole body in the chunked coding.
fn unchunked(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|end| end == b"\r\n") {
        let size = str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let chunk = size.and_then(|size| rest[line + 2..].split_at_checked(size)).ok_or_else(not_ok)?;
        if chunk.0.is_empty() {
            return Ok(body);
        }
        body.extend_from_slice(chunk.0);
        rest = chunk.1.strip_prefix(b"\r\n").ok_or_else(not_ok)?;
    }
    Err(not_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_chunked_body_is_put_together() {
        assert_eq!(
            unchunked(b"5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n").ok().as_deref(),
            Some(b"HelloWorld!".as_slice())
        );
        assert_eq!(unchunked(b"b\r\nHelloWorld!\r\n0\r\n\r\n").ok().as_deref(), Some(b"HelloWorld!".as_slice()));
    }

    #[test]
    fn an_echo_is_whole_only_if_as_many_bytes_come_back() {
        let server = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = server.local_addr().expect("it has an address");
        thread::scope(|scope| {
            scope.spawn(|| {
                for returned in [1000, 999] {
                    let (mut socket, _) = server.accept().expect("the client connects");
                    let mut received = Vec::new();
                    while !received.ends_with(&[b'~'; 1000]) {
                        let mut part = [0; 4096];
                        let read = socket.read(&mut part).expect("the client sends");
                        assert!(read > 0, "the client sends all of it");
                        received.extend_from_slice(&part[..read]);
                    }
                    let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'~'; returned]].concat();
                    socket.write_all(&answer).expect("the client reads");
                }
            });
            assert!(echo(address, "/echo", 1000).is_ok());
            assert_eq!(
                echo(address, "/echo", 1000).map_err(|error| error.to_string()),
                Err("999 of 1000 bytes came back".to_owned())
            );
        });
    }

    #[test]
    fn a_truncated_chunked_body_is_no_body() {
        for body in [b"5\r\nHel".as_slice(), b"5\r\nHello\r\n", b"5\r\nHello", b"", b"x\r\nHello\r\n0\r\n\r\n"] {
            assert!(unchunked(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
