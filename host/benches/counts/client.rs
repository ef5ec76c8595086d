//! The client of the bench: sends one request at a time on one connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Under callgrind, everything takes fifty times as long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A persistent connection.
pub struct Client {
    socket: TcpStream,
    request: String,
    response: Vec<u8>,
}

impl Client {
    /// Connects. Requests will be for `target`.
    pub fn connect(server: SocketAddr, target: &str) -> io::Result<Self> {
        let socket = TcpStream::connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: bench\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n");
        Ok(Self { socket, request, response: Vec::new() })
    }

    /// Sends a number of requests, and reads each response to its end before the next.
    pub fn ask(&mut self, times: u32) -> io::Result<()> {
        for _ in 0..times {
            self.socket.write_all(self.request.as_bytes())?;
            self.response.clear();
            while !is_whole(&self.response) {
                let mut piece = [0; 4096];
                let read = self.socket.read(&mut piece)?;
                if read == 0 {
                    return Err(io::Error::other("the host closed the connection before its response was whole"));
                }
                self.response.extend_from_slice(&piece[..read]);
            }
        }
        Ok(())
    }
}

/// Whether a response is complete: by its last chunk or its content-length.
fn is_whole(response: &[u8]) -> bool {
    let Some(head) = response.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let body = &response[head + 4..];
    let fields = String::from_utf8_lossy(&response[..head]).to_ascii_lowercase();
    match fields.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => length.parse() == Ok(body.len()),
        None => body.ends_with(b"0\r\n\r\n"),
    }
}
