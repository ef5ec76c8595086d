//! Listeners, and the connections that they accept.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tokio::net::{TcpStream, UnixStream};

use super::handover::{HandedOver, ListenerHandle};
use super::inherited::SocketUse;
use super::socket_file::{LocalBindError, SocketFile, bind_unix};
use super::{ListenSpec, ListenerSettings, LocalListener, Peer, Scheme, Stream};

/// A bound socket, to be given to [`Server::start`](crate::server::Server::start).
///
/// What is true of all connections of a listener is in its [`ListenerSettings`], which each accepted connection gets.
#[derive(Debug)]
pub struct Listener {
    socket: ListenerSocket,
    settings: ListenerSettings,
    /// Which `--listen` it is for, if it is for one.
    used_for: Option<SocketUse>,
    handed_over: HandedOver,
}

#[derive(Debug)]
pub(super) enum ListenerSocket {
    Tcp(TcpListener),
    /// A Unix socket, and its file if this process has made it.
    Unix(UnixListener, Option<SocketFile>),
}

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket, with its path if it has one.
    Unix(Option<PathBuf>),
}

/// A listener that is registered with a runtime.
#[derive(Debug)]
pub struct RegisteredListener {
    socket: RegisteredSocket,
    settings: ListenerSettings,
    handed_over: HandedOver,
}

#[derive(Debug)]
enum RegisteredSocket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, Option<SocketFile>),
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
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Listens on a Unix socket, whose directory has to exist; see [`LocalListener::bind`](super::LocalListener::bind). `mode`
    /// says who can connect. Its file is removed when the server stops.
    ///
    /// # Errors
    /// See [`LocalBindError`].
    pub fn unix(path: &Path, mode: u32) -> Result<Self, LocalBindError> {
        let (listener, file) = bind_unix(path, mode)?;
        let handed_over = file.handed_over().clone();
        Ok(Self::inherited(ListenerSocket::Unix(listener, Some(file)), handed_over))
    }

    /// A Unix socket that another process has made, and whose file is that one's.
    pub(super) fn inherited_unix(listener: UnixListener) -> Self {
        Self::inherited(ListenerSocket::Unix(listener, None), HandedOver::default())
    }

    /// A socket with the default settings.
    pub(super) fn inherited(socket: ListenerSocket, handed_over: HandedOver) -> Self {
        Self { socket, settings: ListenerSettings::default(), used_for: None, handed_over }
    }

    /// The same socket, for the spec of this index.
    pub(super) fn used_for(self, index: usize, spec: &ListenSpec) -> Self {
        let used_for = Some(SocketUse::Listen { index, spec: spec.to_string() });
        Self { used_for, ..self.with(spec.settings()) }
    }

    /// The socket of the operator's commands, if it can be one.
    pub(super) fn into_local(self) -> Option<LocalListener> {
        match self.socket {
            ListenerSocket::Unix(listener, Some(file)) => Some(LocalListener::new(listener, file)),
            ListenerSocket::Unix(_, None) | ListenerSocket::Tcp(_) => None,
        }
    }

    /// Another handle of it, to give it to another process. `None` if no `--listen` names it.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn handle(&self) -> io::Result<Option<ListenerHandle>> {
        let Some(used_for) = self.used_for.clone() else { return Ok(None) };
        let (socket, file) = match &self.socket {
            ListenerSocket::Tcp(listener) => (listener.try_clone()?.into(), None),
            ListenerSocket::Unix(listener, file) => (listener.try_clone()?.into(), file.as_ref()),
        };
        let file = file.map(SocketFile::identity);
        Ok(Some(ListenerHandle { socket, used_for, file, handed_over: self.handed_over.clone() }))
    }

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
            // The system knows the path at which the socket was made, before the file was renamed.
            ListenerSocket::Unix(_, Some(file)) => Ok(ListenAddress::Unix(Some(file.path().to_owned()))),
            ListenerSocket::Unix(listener, None) => {
                Ok(ListenAddress::Unix(listener.local_addr()?.as_pathname().map(Path::to_owned)))
            }
        }
    }

    /// Registers it with the current runtime.
    pub(crate) fn register(self) -> io::Result<RegisteredListener> {
        let socket = match self.socket {
            ListenerSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                RegisteredSocket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            ListenerSocket::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                RegisteredSocket::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
        };
        Ok(RegisteredListener { socket, settings: self.settings, handed_over: self.handed_over })
    }
}

/// A TCP listener has the default settings: it is public and not encrypted.
impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::inherited(ListenerSocket::Tcp(listener), HandedOver::default())
    }
}

impl ListenAddress {
    /// Its IP address and port, if it has them.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only processes of this machine can connect to it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The URL of a listener with this address, without a path. A Unix socket is written as for `--listen`.
    #[must_use]
    pub fn url(&self, scheme: Scheme) -> String {
        match self {
            Self::Unix(_) if scheme == Scheme::Http => self.to_string(),
            Self::Tcp(_) | Self::Unix(_) => format!("{}://{self}", scheme.name()),
        }
    }
}

/// The host and the port, as in a URL. A Unix socket is written as for `--listen`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.as_deref().unwrap_or(Path::new("")).display()),
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
            RegisteredSocket::Unix(listener, _) => {
                let (socket, _) = listener.accept().await?;
                Ok((AcceptedSocket::Registered(Stream::Unix(socket)), Peer::Local))
            }
        }
    }

    /// Stops listening, and accepts the connections that the system has already completed. The system would otherwise
    /// reset them. There are none if another process goes on with the socket: it accepts them.
    pub(crate) fn into_completed(self) -> io::Result<CompletedConnections> {
        if self.handed_over.is_set() {
            return Ok(CompletedConnections::None);
        }
        match self.socket {
            RegisteredSocket::Tcp(listener) => listener.into_std().map(CompletedConnections::Tcp),
            RegisteredSocket::Unix(listener, file) => {
                // Without the file nobody can connect any more.
                drop(file);
                listener.into_std().map(CompletedConnections::Unix)
            }
        }
    }
}

/// The connections that the system has completed on a listener that is closed behind them.
#[derive(Debug)]
pub(crate) enum CompletedConnections {
    Tcp(TcpListener),
    Unix(UnixListener),
    None,
}

impl CompletedConnections {
    /// The next one. The listener is non-blocking, so there is none if no completed connection is left.
    fn accept(&self) -> io::Result<(UnregisteredStream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, address) = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok((UnregisteredStream::Tcp(socket), address.into()))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok((UnregisteredStream::Unix(socket), Peer::Local))
            }
            Self::None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Iterator for CompletedConnections {
    type Item = (AcceptedSocket, Peer);

    fn next(&mut self) -> Option<Self::Item> {
        let (stream, peer) = self.accept().ok()?;
        Some((AcceptedSocket::Unregistered(stream), peer))
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
            Self::Registered(Stream::Unix(socket)) => {
                socket.into_std().map(|socket| Self::Unregistered(UnregisteredStream::Unix(socket)))
            }
            #[cfg(test)]
            Self::Registered(Stream::Memory(_)) => Ok(self),
            // TLS begins when it is with its runtime.
            Self::Registered(Stream::Nowhere | Stream::Http2(_) | Stream::Tls(_)) | Self::Unregistered(_) => Ok(self),
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
            Self::Unregistered(UnregisteredStream::Unix(socket)) => Stream::Unix(UnixStream::from_std(socket)?),
        };
        stream.set_nodelay();
        Ok(stream)
    }
}
