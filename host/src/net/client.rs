//! The client's side of a connection, for commands: to a server of this process, or to the admin listener of another.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{ListenAddress, ListenTarget, Stream};

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

/// Connects to what another process listens on: the stream, and the authority that requests on it name. Of a name each address is
/// tried. It has no time limit.
///
/// # Errors
/// The error of the system. `Unsupported` for a socket that only its service manager knows the address of.
pub async fn connect(target: &ListenTarget) -> io::Result<(Stream, String)> {
    match target {
        ListenTarget::Host(address) => {
            let socket = tokio::net::TcpStream::connect(address).await?;
            let authority = socket.peer_addr()?.to_string();
            Ok((Stream::Tcp(socket), authority))
        }
        ListenTarget::Unix { path, .. } => {
            let socket = tokio::net::UnixStream::connect(path).await?;
            Ok((Stream::Unix(socket), "localhost".to_owned()))
        }
        ListenTarget::Inherited(_) => Err(io::ErrorKind::Unsupported.into()),
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
