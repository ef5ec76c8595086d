//! The bare loop: one thread that reads a request, parses it with httparse, and writes fixed bytes, the same as
//! Vibrato's host answers. What is slower than this is what a server adds.

use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n";
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// 256 MiB in writes of 64 KiB.
const STREAM_WRITES: usize = 4096;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let write: Rc<[u8]> = stream_write().into();
        loop {
            spawn_local(serve(listener.accept().await?.0, write.clone()));
        }
    })
}

/// One write of the stream, as Vibrato frames it: cut into chunks of its `buffer_size`.
fn stream_write() -> Vec<u8> {
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    chunk.repeat(4)
}

/// Answers one client until it goes.
async fn serve(mut socket: TcpStream, write: Rc<[u8]>) -> io::Result<()> {
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
        let is_last = request.headers.iter().any(|field| field.name == "Connection" && field.value == b"close");
        let is_stream = request.path.is_some_and(|path| path.starts_with("/stream"));
        buffer.copy_within(length..filled, 0);
        filled -= length;
        if is_stream {
            socket.write_all(STREAM_HEAD).await?;
            for _ in 0..STREAM_WRITES {
                socket.write_all(&write).await?;
            }
            socket.write_all(LAST_CHUNK).await?;
        } else {
            socket.write_all(HELLO).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}
