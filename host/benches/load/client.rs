//! The client of the bench: it asks, counts what comes, and looks no further than for the status and the last chunk.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BUFFER_BYTES: usize = 256 * 1024;
/// No body of the bench has it anywhere else.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One response, as it came.
pub async fn fetch(server: SocketAddr, target: &str) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(server).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let length = ask(&mut socket, target, &mut buffer).await?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Asks on all connections, again as soon as a response is whole, and counts the responses.
pub async fn requests_a_second(
    server: SocketAddr,
    target: &str,
    connections: usize,
    duration: Duration,
) -> io::Result<f64> {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let target = target.to_owned();
        clients.spawn(async move {
            let mut socket = TcpStream::connect(server).await?;
            let (mut responses, mut buffer) = (0.0, vec![0; 16 * 1024]);
            while start.elapsed() < duration {
                ask(&mut socket, &target, &mut buffer).await?;
                responses += 1.0;
            }
            io::Result::Ok(responses)
        });
    }
    let responses: f64 = clients.join_all().await.into_iter().sum::<io::Result<f64>>()?;
    Ok(responses / start.elapsed().as_secs_f64())
}

/// Asks once, and measures how fast the response comes, framing included.
pub async fn bytes_a_second(server: SocketAddr, target: &str) -> io::Result<f64> {
    let mut socket = TcpStream::connect(server).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let start = Instant::now();
    let bytes = ask(&mut socket, target, &mut buffer).await?;
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

/// Sends a request and reads its response to the last chunk; the length of it all. What is longer than half
/// of `buffer` is dropped as it comes.
async fn ask(socket: &mut TcpStream, target: &str, buffer: &mut [u8]) -> io::Result<usize> {
    socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes()).await?;
    let (mut length, mut kept) = (0, 0);
    loop {
        let read = socket.read(&mut buffer[kept..]).await?;
        if read == 0 || (length == 0 && !buffer.starts_with(b"HTTP/1.1 200 ")) {
            return Err(io::Error::other("the server gave no whole response with status 200"));
        }
        (length, kept) = (length + read, kept + read);
        if buffer[..kept].ends_with(LAST_CHUNK) {
            return Ok(length);
        }
        if kept > buffer.len() / 2 {
            // The last chunk may come in two.
            buffer.copy_within(kept - LAST_CHUNK.len().., 0);
            kept = LAST_CHUNK.len();
        }
    }
}
