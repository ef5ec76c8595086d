//! Where connections come from.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpStream;

use super::{Peer, Stream};

/// What the connections of a listener are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The routes.
    Public,
}

/// A socket that is listened on, before the server has it.
///
/// What belongs to all connections of a listener is here: its [`Role`] now, the certificates of TLS, or that each connection
/// begins with a header of the PROXY protocol, later.
#[derive(Debug)]
pub struct Listener {
    socket: ListenerSocket,
    role: Role,
}

/// What it listens with.
#[derive(Debug)]
enum ListenerSocket {
    Tcp(TcpListener),
}

/// Where a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// Over TCP.
    Tcp(SocketAddr),
}

/// A listener of a server's that runs.
#[derive(Debug)]
pub struct RegisteredListener {
    socket: RegisteredSocket,
    role: Role,
}

#[derive(Debug)]
enum RegisteredSocket {
    Tcp(tokio::net::TcpListener),
}

/// An accepted connection. It belongs to the runtime that has accepted it until it is taken out, to be given to another.
#[derive(Debug)]
pub enum AcceptedSocket {
    /// It belongs to a runtime.
    Registered(Stream),
    /// It belongs to none.
    Unregistered(UnregisteredStream),
}

/// A stream that belongs to no runtime.
#[derive(Debug)]
pub enum UnregisteredStream {
    /// TCP.
    Tcp(std::net::TcpStream),
}

impl Listener {
    /// Where it is reached.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
        }
    }

    /// The listener as the runtime has it from within which this is called.
    pub(crate) fn register(self) -> io::Result<RegisteredListener> {
        let socket = match self.socket {
            ListenerSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                RegisteredSocket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
        };
        Ok(RegisteredListener { socket, role: self.role })
    }
}

/// For the routes.
impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: ListenerSocket::Tcp(listener), role: Role::Public }
    }
}

impl ListenAddress {
    /// Its address on the network, if it has one.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
        }
    }

    /// Whether only processes of this machine reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }

    /// Its URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
        }
    }
}

/// As it stands in a URL: host and port.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

impl RegisteredListener {
    /// What its connections are for.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Waits for the next connection. It can be dropped at any time without losing one.
    ///
    /// # Errors
    /// What the system says: `ConnectionAborted` if the client was gone before.
    pub(crate) async fn accept(&self) -> io::Result<(AcceptedSocket, Peer)> {
        match &self.socket {
            RegisteredSocket::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                Ok((AcceptedSocket::Registered(Stream::Tcp(socket)), address.into()))
            }
        }
    }

    /// The connections that the system has completed already, and would reset, until there is none. No more come then.
    pub(crate) fn into_completed(self) -> io::Result<impl Iterator<Item = (AcceptedSocket, Peer)>> {
        let listener = match self.socket {
            RegisteredSocket::Tcp(listener) => listener.into_std()?,
        };
        // It does not block.
        let accepted = std::iter::from_fn(move || listener.accept().ok());
        Ok(accepted.filter_map(|(socket, address)| {
            socket.set_nonblocking(true).ok()?;
            Some((AcceptedSocket::Unregistered(UnregisteredStream::Tcp(socket)), address.into()))
        }))
    }
}

impl AcceptedSocket {
    /// Takes it out of its runtime.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn unregister(self) -> io::Result<Self> {
        match self {
            Self::Registered(Stream::Tcp(socket)) => {
                socket.into_std().map(|socket| Self::Unregistered(UnregisteredStream::Tcp(socket)))
            }
            Self::Unregistered(_) => Ok(self),
        }
    }

    /// The stream, which belongs to the runtime from within which this is called, or that it belonged to. What is written
    /// is sent at once.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        let stream = match self {
            Self::Registered(stream) => stream,
            Self::Unregistered(UnregisteredStream::Tcp(socket)) => Stream::Tcp(TcpStream::from_std(socket)?),
        };
        stream.send_at_once();
        Ok(stream)
    }
}
