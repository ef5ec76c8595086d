//! The bare loop: one thread that reads a request, parses it with httparse, and writes bytes it was given. What is
//! slower than this is what a server adds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::LAST_CHUNK;

/// The writes of the long response.
pub const STREAM_WRITES: usize = 4096;

/// What the bare loop answers: the bytes that the host did.
pub struct Answers {
    hello: Vec<u8>,
    stream_head: Vec<u8>,
    /// The chunks of one write.
    stream_write: Vec<u8>,
}

impl Answers {
    /// Takes apart the response to a stream of one write.
    pub fn new(hello: Vec<u8>, one_write: &[u8]) -> io::Result<Self> {
        let head = one_write.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        let (head, body) = one_write.split_at(head.ok_or_else(|| io::Error::other("a response without a head"))?);
        let write = body.strip_suffix(LAST_CHUNK).ok_or_else(|| io::Error::other("a response without a last chunk"))?;
        Ok(Self { hello, stream_head: head.to_vec(), stream_write: write.to_vec() })
    }
}

/// Starts the loop on a thread of its own, which ends with the process.
pub fn start(answers: Answers) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = Arc::new(answers);
    let accept = async move {
        let listener = TcpListener::from_std(listener)?;
        loop {
            tokio::spawn(serve(listener.accept().await?.0, answers.clone()));
        }
    };
    std::thread::spawn(move || -> io::Result<()> { runtime.block_on(accept) });
    Ok(address)
}

/// Answers one client until it goes.
async fn serve(mut socket: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(&buffer[..filled]).map_err(io::Error::other)?;
        let httparse::Status::Complete(length) = parsed else {
            match socket.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let is_stream = request.path.is_some_and(|path| path.starts_with("/stream"));
        buffer.copy_within(length..filled, 0);
        filled -= length;
        if is_stream {
            socket.write_all(&answers.stream_head).await?;
            for _ in 0..STREAM_WRITES {
                socket.write_all(&answers.stream_write).await?;
            }
            socket.write_all(LAST_CHUNK).await?;
        } else {
            socket.write_all(&answers.hello).await?;
        }
    }
}
