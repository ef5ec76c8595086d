//! The file of a Unix socket: how it is made and replaced without a moment in which others can connect, and removed.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use super::HandedOver;
use super::bind::BACKLOG;

/// How many names of a private directory are tried. A process that was killed may have left one.
const ATTEMPTS: u32 = 16;

/// The file of a Unix socket that this process has made. It is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// The device and the number of the file, so that the file of another host is left alone.
    id: (u64, u64),
    /// Whether another process goes on with the socket, so that the file stays.
    handed_over: HandedOver,
}

/// Why a socket cannot be listened on.
#[derive(Debug, Error)]
pub enum LocalBindError {
    /// Another process listens on it.
    #[error("another host listens on {}", .0.display())]
    InUse(PathBuf),
    /// There is a file of another kind.
    #[error("{} is no socket; move it away", .0.display())]
    NoSocket(PathBuf),
    /// The system refuses. A path may have about 90 bytes.
    #[error("cannot listen on {}: {error}", .path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Listens on `path`, whose directory has to exist. A socket that nobody listens on any more is replaced. At no time can
/// anybody connect whom `mode` does not allow to.
///
/// # Errors
/// See [`LocalBindError`].
pub(super) fn bind_unix(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), LocalBindError> {
    let failed = |error| LocalBindError::System { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(LocalBindError::NoSocket(path.to_owned())),
        Ok(_) => match connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            // The queue of a host that accepts nothing at the moment may be full.
            Ok(()) => return Err(LocalBindError::InUse(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(LocalBindError::InUse(path.to_owned())),
            // It was removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // The system makes a socket with the mode that the process's mask allows, so it is made where nobody else gets.
    let private = private_directory(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
    let inner = private.join("s");
    let bound = listen(&inner).and_then(|listener| {
        fs::set_permissions(&inner, Permissions::from_mode(mode))?;
        let id = file_id(&inner)?;
        fs::rename(&inner, path)?;
        Ok((listener, SocketFile { path: path.to_owned(), id, handed_over: HandedOver::default() }))
    });
    // Of what failed, nothing is left.
    let _ = fs::remove_file(&inner);
    let _ = fs::remove_dir(&private);
    bound.map_err(failed)
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects without waiting for room in the queue of a listener.
fn connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// A new directory that only this user can enter. Its name is short, because the path of a socket may not be long.
fn private_directory(parent: &Path) -> io::Result<PathBuf> {
    let mut attempt = 0;
    loop {
        let path = parent.join(format!(".{:x}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl SocketFile {
    /// The file of a socket that another process has passed, and that is that one's as long as `handed_over` is set.
    pub(super) fn of_other(path: PathBuf, id: (u64, u64), handed_over: HandedOver) -> Self {
        Self { path, id, handed_over }
    }

    /// Its path, and its device and number.
    pub(super) fn identity(&self) -> (PathBuf, (u64, u64)) {
        (self.path.clone(), self.id)
    }

    /// Whether another process goes on with the socket.
    pub(super) fn handed_over(&self) -> &HandedOver {
        &self.handed_over
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If it is gone, or another host has replaced it, nothing is to be done.
        if !self.handed_over.is_set() && file_id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory can be made")
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
    }

    #[test]
    fn a_socket_has_the_mode_that_was_asked_for_and_is_removed_with_nothing_left_beside_it() {
        let directory = directory();
        for asked in [0o600, 0o660, 0o666, 0o000, 0o777] {
            let path = directory.path().join("s.sock");
            let (listener, file) = bind_unix(&path, asked).expect("it can be listened on");
            assert_eq!((mode(&path), file.path()), (asked, path.as_path()));
            drop((listener, file));
            assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0, "{asked:o}");
        }
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced_and_one_that_is_listened_on_is_not() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        drop(UnixListener::bind(&path).expect("it can be bound"));
        let (listener, _file) = bind_unix(&path, 0o600).expect("the stale one is replaced");
        assert!(matches!(bind_unix(&path, 0o600), Err(LocalBindError::InUse(_))));
        UnixStream::connect(&path).expect("it is still there");
        listener.accept().expect("a client came");
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_in_use_and_nobody_waits_for_it() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket can be made");
        socket.bind(&SockAddr::unix(&path).expect("the path is short")).expect("it can be bound");
        socket.listen(0).expect("it listens");
        let _clients: Vec<Socket> = std::iter::repeat_with(|| Socket::new(Domain::UNIX, Type::STREAM, None))
            .map(|client| client.expect("a socket can be made"))
            .take_while(|client| {
                client.set_nonblocking(true).expect("it need not wait");
                client.connect(&SockAddr::unix(&path).expect("the path is short")).is_ok()
            })
            .collect();
        assert!(matches!(bind_unix(&path, 0o600), Err(LocalBindError::InUse(_))));
    }

    #[test]
    fn what_is_no_socket_stays_as_it_is() {
        let directory = directory();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "kept").expect("it can be written");
        std::os::unix::fs::symlink(&file, &link).expect("a link can be made");
        for path in [&file, &link, &directory.path().to_owned()] {
            assert!(matches!(bind_unix(path, 0o600), Err(LocalBindError::NoSocket(_))), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "kept");
        let missing = directory.path().join("missing/s");
        assert!(matches!(bind_unix(&missing, 0o600), Err(LocalBindError::System { .. })));
    }

    #[test]
    fn the_socket_of_another_host_is_left_when_this_one_stops() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        let (_listener, file) = bind_unix(&path, 0o600).expect("it can be listened on");
        fs::remove_file(&path).expect("somebody removes it");
        let (_other, _others) = bind_unix(&path, 0o600).expect("another host listens");
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn what_a_killed_process_has_left_is_in_nobodys_way() {
        let directory = directory();
        fs::create_dir(directory.path().join(format!(".{:x}-0", std::process::id()))).expect("it can be made");
        let path = directory.path().join("s.sock");
        bind_unix(&path, 0o600).expect("another name is free");
    }
}
