//! A socket of this machine for the commands of its operator: a Unix socket that only the host's user may open.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::SocketFile;
use super::handover::ListenerHandle;
use super::inherited::SocketUse;
use super::socket_file::{LocalBindError, bind_unix};

/// The mode of the socket: only its user connects.
const MODE: u32 = 0o600;

/// A Unix socket that is listened on. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    file: SocketFile,
}

/// A connection that was accepted.
pub type LocalStream = tokio::net::UnixStream;

/// The client's side of such a connection. It blocks, for a limited time.
#[derive(Debug)]
pub struct LocalClient(UnixStream);

impl LocalListener {
    /// Listens on `path`, whose directory has to exist. A socket that nobody listens on any more is replaced. Nobody but this
    /// user can connect at any time.
    ///
    /// # Errors
    /// See [`LocalBindError`].
    pub fn bind(path: &Path) -> Result<Self, LocalBindError> {
        let (listener, file) = bind_unix(path, MODE)?;
        Ok(Self::new(listener, file))
    }

    pub(super) fn new(listener: UnixListener, file: SocketFile) -> Self {
        Self { listener, file }
    }

    /// Another handle of it, to give it to another process.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn handle(&self) -> io::Result<ListenerHandle> {
        let (socket, file) = (self.listener.try_clone()?.into(), Some(self.file.identity()));
        Ok(ListenerHandle { socket, used_for: SocketUse::Control, file, handed_over: self.file.handed_over().clone() })
    }

    /// Registers it with the current runtime, and calls `serve` with each connection until the future is dropped. `pause` is
    /// how long it waits after an error of the system.
    pub(crate) async fn accept_each(self, pause: Duration, mut serve: impl FnMut(LocalStream)) {
        let Self { listener, file } = self;
        let registered = listener.set_nonblocking(true).and_then(|()| tokio::net::UnixListener::from_std(listener));
        let listener = match registered {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(target: "server", "cannot listen on {}: {error}", file.path().display());
                return;
            }
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => serve(stream),
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
    }
}

impl LocalClient {
    /// Connects to a socket. A read or a write may take `timeout`.
    ///
    /// # Errors
    /// The error of the system: `NotFound` or `ConnectionRefused` if nobody listens.
    pub fn connect(path: &Path, timeout: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self(stream))
    }
}

impl Read for LocalClient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for LocalClient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
