//! Listeners, and the connections that they accept.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpStream;

use super::{ListenerSettings, Peer, Scheme, Stream};

/// A bound socket, to be given to [`Server::start`](crate::server::Server::start).
///
/// What is true of all connections of a listener is in its [`ListenerSettings`], which each accepted connection gets.
#[derive(Debug)]
pub struct Listener {
    socket: ListenerSocket,
    settings: ListenerSettings,
}

#[derive(Debug)]
enum ListenerSocket {
    Tcp(TcpListener),
}

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp(SocketAddr),
}

/// A listener that is registered with a runtime.
#[derive(Debug)]
pub struct RegisteredListener {
    socket: RegisteredSocket,
    settings: ListenerSettings,
}

#[derive(Debug)]
enum RegisteredSocket {
    Tcp(tokio::net::TcpListener),
}

/// The socket of an accepted connection. The runtime that accepted it has it registered, until it is moved to another
/// runtime.
#[derive(Debug)]
pub enum AcceptedSocket {
    /// It is registered with the runtime that accepted it.
    Registered(Stream),
    /// It is registered with no runtime.
    Unregistered(UnregisteredStream),
}

/// A stream that is registered with no runtime.
#[derive(Debug)]
pub enum UnregisteredStream {
    /// TCP.
    Tcp(std::net::TcpStream),
}

impl Listener {
    /// The same socket, with other settings for its connections.
    #[must_use]
    pub fn with(self, settings: ListenerSettings) -> Self {
        Self { settings, ..self }
    }

    /// The settings of its connections.
    #[must_use]
    pub fn settings(&self) -> ListenerSettings {
        self.settings
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The error of the system.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
        }
    }

    /// Registers it with the current runtime.
    pub(crate) fn register(self) -> io::Result<RegisteredListener> {
        let socket = match self.socket {
            ListenerSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                RegisteredSocket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
        };
        Ok(RegisteredListener { socket, settings: self.settings })
    }
}

/// A TCP listener has the default settings: it is public and not encrypted.
impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: ListenerSocket::Tcp(listener), settings: ListenerSettings::default() }
    }
}

impl ListenAddress {
    /// Its IP address and port, if it has them.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
        }
    }

    /// Whether only processes of this machine can connect to it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }

    /// The URL of a listener with this address, without a path.
    #[must_use]
    pub fn url(&self, scheme: Scheme) -> String {
        match self {
            Self::Tcp(address) => format!("{}://{address}", scheme.name()),
        }
    }
}

/// The host and the port, as in a URL.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

impl RegisteredListener {
    /// The settings of its connections.
    pub(crate) fn settings(&self) -> ListenerSettings {
        self.settings
    }

    /// Waits for the next connection. No connection is lost if the future is dropped.
    ///
    /// # Errors
    /// `ConnectionAborted` if the client is gone already, or the system has no resources left.
    pub(crate) async fn accept(&self) -> io::Result<(AcceptedSocket, Peer)> {
        match &self.socket {
            RegisteredSocket::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                Ok((AcceptedSocket::Registered(Stream::Tcp(socket)), address.into()))
            }
        }
    }

    /// Stops listening, and accepts the connections that the system has already completed. The system would otherwise
    /// reset them.
    pub(crate) fn into_completed(self) -> io::Result<impl Iterator<Item = (AcceptedSocket, Peer)>> {
        let listener = match self.socket {
            RegisteredSocket::Tcp(listener) => listener.into_std()?,
        };
        // The listener is non-blocking, so this ends when no completed connection is left.
        let accepted = std::iter::from_fn(move || listener.accept().ok());
        Ok(accepted.filter_map(|(socket, address)| {
            socket.set_nonblocking(true).ok()?;
            Some((AcceptedSocket::Unregistered(UnregisteredStream::Tcp(socket)), address.into()))
        }))
    }
}

impl AcceptedSocket {
    /// Removes it from its runtime.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn unregister(self) -> io::Result<Self> {
        match self {
            Self::Registered(Stream::Tcp(socket)) => {
                socket.into_std().map(|socket| Self::Unregistered(UnregisteredStream::Tcp(socket)))
            }
            #[cfg(test)]
            Self::Registered(Stream::Memory(_)) => Ok(self),
            Self::Registered(Stream::Nowhere) | Self::Unregistered(_) => Ok(self),
        }
    }

    /// The stream, registered with the current runtime if it was with none. It sends small writes at once.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        let stream = match self {
            Self::Registered(stream) => stream,
            Self::Unregistered(UnregisteredStream::Tcp(socket)) => Stream::Tcp(TcpStream::from_std(socket)?),
        };
        stream.set_nodelay();
        Ok(stream)
    }
}
