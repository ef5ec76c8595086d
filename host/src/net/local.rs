//! A socket of this machine for the commands of its operator: a Unix socket that only the host's user may open.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// The mode of the socket: only its user connects.
const MODE: u32 = 0o600;

/// A Unix socket that is listened on. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

/// A connection that was accepted.
pub type LocalStream = tokio::net::UnixStream;

/// The client's side of such a connection. It blocks, for a limited time.
#[derive(Debug)]
pub struct LocalClient(UnixStream);

/// Why a socket cannot be listened on.
#[derive(Debug, Error)]
pub enum LocalBindError {
    /// Another process listens on it.
    #[error("another host listens on {}", .0.display())]
    InUse(PathBuf),
    /// There is a file of another kind.
    #[error("{} is no socket; move it away", .0.display())]
    NoSocket(PathBuf),
    /// The system refuses. A path may have about 100 bytes.
    #[error("cannot listen on {}: {error}", .path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

impl LocalListener {
    /// Listens on `path`, whose directory has to exist. A socket that nobody listens on any more is replaced. Nobody but this
    /// user can connect at any time.
    ///
    /// # Errors
    /// See [`LocalBindError`].
    pub fn bind(path: &Path) -> Result<Self, LocalBindError> {
        let failed = |error| LocalBindError::System { path: path.to_owned(), error };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(LocalBindError::NoSocket(path.to_owned())),
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(LocalBindError::InUse(path.to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // The system makes a socket with the mode that the process's mask allows, so it is made where nobody else gets.
        let private = path.with_extension(format!("{}", std::process::id()));
        let listener = DirBuilder::new().mode(0o700).create(&private).and_then(|()| {
            let inner = private.join("s");
            let listener = UnixListener::bind(&inner).and_then(|listener| {
                fs::set_permissions(&inner, Permissions::from_mode(MODE))?;
                fs::rename(&inner, path)?;
                Ok(listener)
            });
            // Of what failed, nothing is left.
            let _ = fs::remove_file(&inner);
            let _ = fs::remove_dir(&private);
            listener
        });
        let listener = listener.map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Registers it with the current runtime, and calls `serve` with each connection until the future is dropped. `pause` is
    /// how long it waits after an error of the system.
    pub(crate) async fn accept_each(self, pause: Duration, mut serve: impl FnMut(LocalStream)) {
        let registered = self.listener.set_nonblocking(true).and_then(|()| {
            let listener = self.listener.try_clone()?;
            tokio::net::UnixListener::from_std(listener)
        });
        let listener = match registered {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(target: "server", "cannot listen on {}: {error}", self.path.display());
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

impl Drop for LocalListener {
    fn drop(&mut self) {
        // If it is gone already, nothing is to be done.
        let _ = fs::remove_file(&self.path);
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
