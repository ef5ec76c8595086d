//! Listeners for the addresses and names that an operator gives.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use super::{InheritedSockets, ListenSpec, ListenTarget, Listener, LocalBindError};

/// How many completed connections the system keeps until they are accepted.
pub(super) const BACKLOG: i32 = 4096;

/// How many free ports are tried on all addresses of a name, before each address gets one of its own.
const ATTEMPTS: usize = 16;

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// The host has no address.
    #[error("`{flag} {name}`: there is no host of that name; write an address, as in 127.0.0.1:8000")]
    NoAddress {
        /// The flag that names it.
        flag: &'static str,
        /// What the operator gave.
        name: String,
    },
    /// A Unix socket cannot be listened on.
    #[error(transparent)]
    Local(#[from] LocalBindError),
    /// A service manager has passed no socket of that name.
    #[error("`{flag} {name}`: there is no such socket; the service manager has passed {passed}")]
    NotPassed {
        /// The flag that names it.
        flag: &'static str,
        /// What the operator gave.
        name: String,
        /// What was passed.
        passed: String,
    },
    /// The system does not allow to listen on it.
    #[error("cannot listen on {name}")]
    Refused {
        /// The name that the operator gave.
        name: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}

/// Listens on what every spec names. Port 0 is a free port, the same one on all addresses of a host if possible.
///
/// # Errors
/// See [`BindError`]. An address that this machine does not have is skipped if the host has others.
pub fn bind(specs: &[ListenSpec]) -> Result<Vec<Listener>, BindError> {
    bind_or_inherit(specs, &mut InheritedSockets::default())
}

/// The same, with sockets that were passed to this process. Those that no spec names are left.
///
/// # Errors
/// See [`BindError`].
pub fn bind_or_inherit(specs: &[ListenSpec], inherited: &mut InheritedSockets) -> Result<Vec<Listener>, BindError> {
    let resolved = specs.iter().map(resolve_spec).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<SocketAddr> = resolved.concat();
    let mut listeners = Vec::new();
    for (index, (spec, addresses)) in specs.iter().zip(&resolved).enumerate() {
        let taken_over = inherited.take_over(index, spec)?;
        let bound: Vec<Listener> = match spec.target() {
            _ if !taken_over.is_empty() => taken_over,
            ListenTarget::Host(_) => {
                let bound = bind_each(addresses, &all);
                let bound = bound.map_err(|error| BindError::Refused { name: spec.to_string(), error })?;
                bound.into_iter().map(Listener::from).collect()
            }
            ListenTarget::Unix { path, mode } => vec![Listener::unix(path, *mode)?],
            ListenTarget::Inherited(name) => inherited.take(name, spec)?,
        };
        listeners.extend(bound.into_iter().map(|listener| listener.used_for(index, spec)));
    }
    Ok(listeners)
}

/// The TCP addresses of a spec.
fn resolve_spec(spec: &ListenSpec) -> Result<Vec<SocketAddr>, BindError> {
    match spec.target() {
        ListenTarget::Host(host) => {
            resolve(host).ok_or_else(|| BindError::NoAddress { flag: spec.flag(), name: spec.to_string() })
        }
        ListenTarget::Unix { .. } | ListenTarget::Inherited(_) => Ok(Vec::new()),
    }
}

/// The addresses of a host with a port, each once. `None` if it has none.
fn resolve(name: &str) -> Option<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in name.to_socket_addrs().into_iter().flatten() {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Listens on the addresses of one name, which is one of those of `all`.
fn bind_each(addresses: &[SocketAddr], all: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    for _ in 0..ATTEMPTS {
        match bind_to_one_port(addresses, all) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && addresses.iter().all(|it| it.port() == 0) => {}
            bound => return bound,
        }
    }
    let each = addresses.iter().map(|address| listen(*address, all));
    each.collect()
}

fn bind_to_one_port(addresses: &[SocketAddr], all: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut unavailable = None;
    for address in addresses {
        let mut address = *address;
        if let Some(first) = bound.first() {
            address.set_port(first.local_addr()?.port());
        }
        match listen(address, all) {
            Ok(listener) => bound.push(listener),
            Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                return Err(error);
            }
            // `localhost` resolves to ::1 and 127.0.0.1 even on a machine without IPv6, so an unavailable address is
            // skipped.
            Err(error) => unavailable = unavailable.or(Some(error)),
        }
    }
    match unavailable {
        Some(error) if bound.is_empty() => Err(error),
        Some(_) | None => Ok(bound),
    }
}

fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not have to wait until the connections of the previous one are gone.
    socket.set_reuse_address(true)?;
    if takes_ipv4(address) && all.iter().any(|other| other.is_ipv4() && is_same_port(*other, address)) {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether the system may also give IPv4 connections to a listener on this address.
fn takes_ipv4(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// Whether two addresses have the same port. Port 0 is a free port, which may turn out to be any.
fn is_same_port(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() || one.port() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("it is an address")).collect()
    }

    /// `None` if this machine has no IPv6.
    fn bound(texts: &[&str]) -> Option<Vec<SocketAddr>> {
        TcpListener::bind("[::1]:0").ok()?;
        let addresses = addresses(texts);
        let listeners = bind_each(&addresses, &addresses).expect("they can be listened on");
        Some(listeners.iter().map(|listener| listener.local_addr().expect("it listens")).collect())
    }

    #[test]
    fn the_addresses_of_a_name_have_the_same_free_port() {
        for texts in
            [["127.0.0.1:0", "[::1]:0"], ["[::1]:0", "127.0.0.1:0"], ["0.0.0.0:0", "[::]:0"], ["[::]:0", "0.0.0.0:0"]]
        {
            let Some(bound) = bound(&texts) else { return };
            assert_eq!(bound.len(), 2, "{texts:?}");
            assert_eq!(bound[0].port(), bound[1].port(), "{texts:?}");
        }
    }

    #[test]
    fn an_address_that_this_machine_does_not_have_is_left_out_where_there_is_another() {
        // This address is in a network for documentation (RFC 5737).
        let all = addresses(&["192.0.2.1:0", "127.0.0.1:0"]);
        let listeners = bind_each(&all, &all).expect("one of them can be listened on");
        assert_eq!(listeners.len(), 1);
        assert!(bind_each(&all[..1], &all[..1]).is_err());
    }

    #[test]
    fn a_port_that_is_taken_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let all = [taken.local_addr().expect("it listens")];
        assert_eq!(bind_each(&all, &all).map_err(|error| error.kind()).err(), Some(ErrorKind::AddrInUse));
    }

    #[test]
    fn a_name_is_all_of_its_addresses_each_once() {
        let mut expected: Vec<SocketAddr> = "localhost:7".to_socket_addrs().expect("there is a localhost").collect();
        expected.sort_unstable();
        expected.dedup();
        let mut resolved = resolve("localhost:7").expect("there is a localhost");
        resolved.sort_unstable();
        assert_eq!(resolved, expected);
        assert!(resolve("nonsense").is_none());
    }
}
