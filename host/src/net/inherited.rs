//! Listening sockets that this process has not opened: a service manager such as systemd has.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::ListenSpec;
use super::bind::BindError;
use super::listener::Listener;

/// The name of a socket that has none, as for sd_listen_fds_with_names(3).
const UNNAMED: &str = "unknown";

/// The listening sockets that were passed to this process and are not used yet.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
struct InheritedSocket {
    name: String,
    /// The socket, or why it cannot be listened on.
    listener: io::Result<Listener>,
}

impl InheritedSockets {
    /// Those of a service manager, as sd_listen_fds(3) describes: `LISTEN_FDS` says how many there are, and `LISTEN_FDNAMES`
    /// how they are called. It changes the environment, so it is to be called once, before threads are started.
    #[must_use]
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let inherited = (0..sockets.len()).map(|index| {
            let name = names.next().unwrap_or(UNNAMED).to_owned();
            InheritedSocket { name, listener: take(&mut sockets, index) }
        });
        Self(inherited.collect())
    }

    /// Takes all sockets of the name that a spec has.
    pub(super) fn take(&mut self, name: &str, spec: &ListenSpec) -> Result<Vec<Listener>, BindError> {
        let (found, rest) =
            std::mem::take(&mut self.0).into_iter().partition(|socket: &InheritedSocket| socket.name == name);
        self.0 = rest;
        let found: Vec<InheritedSocket> = found;
        if found.is_empty() {
            let passed = match self.names().as_str() {
                "" => "no socket at all".to_owned(),
                names => format!("only {names}"),
            };
            return Err(BindError::NotPassed { name: spec.to_string(), passed });
        }
        let refused = |error| BindError::Refused { name: spec.to_string(), error };
        found.into_iter().map(|socket| socket.listener.map_err(refused)).collect()
    }

    /// The names of those that are left, each once, separated by commas.
    #[must_use]
    pub fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|socket| socket.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

fn take(sockets: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let unusable = || io::Error::other("it is no TCP or Unix socket that listens");
    if let Ok(Some(socket)) = sockets.take_tcp_listener(index) {
        return if is_listening(&SockRef::from(&socket)) { Ok(socket.into()) } else { Err(unusable()) };
    }
    match sockets.take_unix_listener(index) {
        Ok(Some(socket)) if is_listening(&SockRef::from(&socket)) => Ok(Listener::inherited_unix(socket)),
        Ok(_) | Err(_) => Err(unusable()),
    }
}

/// A socket that only was bound would accept nothing.
fn is_listening(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(false)
}
