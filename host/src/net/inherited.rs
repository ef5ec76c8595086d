//! Listening sockets that this process has not opened: a service manager such as systemd has.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::bind::BindError;
use super::listener::Listener;
use super::{ListenSpec, LocalListener};

/// The name of a socket that has none, as for sd_listen_fds_with_names(3).
const UNNAMED: &str = "unknown";

/// The listening sockets that were passed to this process and are not used yet.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
pub(super) struct InheritedSocket {
    pub(super) used_for: SocketUse,
    /// The socket, or why it cannot be listened on.
    pub(super) listener: io::Result<Listener>,
}

/// What a listening socket is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SocketUse {
    /// What a `--listen` names, in the process that passes it.
    Listen {
        /// Which one of all.
        index: usize,
        /// As it was written.
        spec: String,
    },
    /// The operator's commands.
    Control,
    /// What a service manager says by its name.
    Passed(String),
}

impl InheritedSockets {
    pub(super) fn new(sockets: Vec<InheritedSocket>) -> Self {
        Self(sockets)
    }

    /// Those of a service manager, as sd_listen_fds(3) describes: `LISTEN_FDS` says how many there are, and `LISTEN_FDNAMES`
    /// how they are called. It changes the environment, so it is to be called once, before threads are started.
    #[must_use]
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let inherited = (0..sockets.len()).map(|index| {
            let name = names.next().unwrap_or(UNNAMED).to_owned();
            InheritedSocket { used_for: SocketUse::Passed(name), listener: take(&mut sockets, index) }
        });
        Self(inherited.collect())
    }

    /// Takes all sockets of the name that a spec has.
    pub(super) fn take(&mut self, name: &str, spec: &ListenSpec) -> Result<Vec<Listener>, BindError> {
        let found = self.take_used_for(&SocketUse::Passed(name.to_owned()), spec)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let passed = match self.names().as_str() {
            "" => "no socket at all".to_owned(),
            names => format!("only {names}"),
        };
        Err(BindError::NotPassed { flag: spec.flag(), name: spec.to_string(), passed })
    }

    /// Takes the sockets that another host had for the spec of this index.
    pub(super) fn take_over(&mut self, index: usize, spec: &ListenSpec) -> Result<Vec<Listener>, BindError> {
        self.take_used_for(&SocketUse::Listen { index, spec: spec.to_string() }, spec)
    }

    /// Takes the socket that another host had for the operator's commands.
    #[must_use]
    pub fn take_control(&mut self) -> Option<LocalListener> {
        let at = self.0.iter().position(|socket| socket.used_for == SocketUse::Control)?;
        self.0.swap_remove(at).listener.ok()?.into_local()
    }

    fn take_used_for(&mut self, used_for: &SocketUse, spec: &ListenSpec) -> Result<Vec<Listener>, BindError> {
        let all = std::mem::take(&mut self.0);
        let (found, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|socket| socket.used_for == *used_for);
        self.0 = rest;
        let refused = |error| BindError::Refused { name: spec.to_string(), error };
        found.into_iter().map(|socket| socket.listener.map_err(refused)).collect()
    }

    /// The names of those of a service manager that are left, each once, separated by commas.
    #[must_use]
    pub fn names(&self) -> String {
        let name = |socket: &InheritedSocket| match &socket.used_for {
            SocketUse::Passed(name) => Some(name.clone()),
            SocketUse::Listen { .. } | SocketUse::Control => None,
        };
        let mut names: Vec<String> = self.0.iter().filter_map(name).collect();
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
