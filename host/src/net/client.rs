//! The client's side of a connection, for a command that calls a server of its own process.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::ListenAddress;

/// A connection to a server. It blocks.
#[derive(Debug)]
pub enum ClientStream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl ClientStream {
    /// Connects to a listener.
    ///
    /// # Errors
    /// The error of the system.
    pub fn connect(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => TcpStream::connect(address).map(Self::Tcp),
            ListenAddress::Unix(path) => UnixStream::connect(path.as_deref().unwrap_or(Path::new(""))).map(Self::Unix),
        }
    }

    /// Shuts down the write direction. The server may still send.
    ///
    /// # Errors
    /// The error of the system.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }
}

impl Read for &ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientStream::Tcp(socket) => (&*socket).read(buffer),
            ClientStream::Unix(socket) => (&*socket).read(buffer),
        }
    }
}

impl Write for &ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientStream::Tcp(socket) => (&*socket).write(bytes),
            ClientStream::Unix(socket) => (&*socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            ClientStream::Tcp(socket) => (&*socket).flush(),
            ClientStream::Unix(socket) => (&*socket).flush(),
        }
    }
}
