//! The peer of a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The other end of a connection.
///
/// Rates, the access log and handlers use that of a request's client, which trusted proxies may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It connects from this address and port.
    Ip(SocketAddr),
    /// It has no address: it is a process of this machine that uses a Unix socket.
    Local,
    /// It is the host itself: the timer of a route.
    Timer,
}

/// The address of a [`Peer`] without its port, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAddress {
    /// An IP address.
    Ip(IpAddr),
    /// A process of this machine that uses a Unix socket.
    Unix,
    /// The timer of a route.
    Timer,
}

/// The key of one client. For IPv6 it is a /64 network, because a customer gets at least a /64 and can use any address
/// in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// An IPv4 address, also if it is mapped into IPv6.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address.
    V6Prefix(u64),
}

impl Peer {
    /// The key of its client, which its connections share. It is `None` if the peer has no address, because such
    /// connections cannot be attributed to one client.
    #[must_use]
    pub fn client_key(&self) -> Option<ClientKey> {
        match self {
            Self::Ip(address) => Some(match address.ip().to_canonical() {
                IpAddr::V4(address) => ClientKey::V4(address),
                IpAddr::V6(address) => ClientKey::V6Prefix((address.to_bits() >> 64) as u64),
            }),
            Self::Local | Self::Timer => None,
        }
    }

    /// Whether it is on the machine of the host, as far as its address says.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().to_canonical().is_loopback(),
            Self::Local | Self::Timer => true,
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> PeerAddress {
        match self {
            Self::Ip(address) => PeerAddress::Ip(address.ip()),
            Self::Local => PeerAddress::Unix,
            Self::Timer => PeerAddress::Timer,
        }
    }
}

impl PeerAddress {
    /// An IPv4 address that is mapped into IPv6 becomes an IPv4 address.
    #[must_use]
    pub fn to_canonical(self) -> Self {
        match self {
            Self::Ip(address) => Self::Ip(address.to_canonical()),
            Self::Unix | Self::Timer => self,
        }
    }
}

impl ClientKey {
    /// Itself as a number that no other client has. No client has a prefix of all ones, as those of IPv4 get it.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::V4(address) => u64::from(address.to_bits()) | (u64::from(u32::MAX) << 32),
            Self::V6Prefix(prefix) => prefix,
        }
    }

    /// The index of its shard.
    #[must_use]
    pub fn shard(self, shards: usize) -> usize {
        let bits = match self {
            Self::V4(address) => u64::from(address.to_bits()),
            Self::V6Prefix(prefix) => prefix,
        };
        // Fibonacci hashing: the top bits depend on all of the address.
        let hash = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(hash) * shards as u128) >> 64) as usize
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// The address, with the port if there is one.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Local | Self::Timer => self.address().fmt(f),
        }
    }
}

/// The text never has a space, so that it is one word of a log line.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Timer => f.write_str("timer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        let address: IpAddr = address.parse().expect("it is an address");
        SocketAddr::new(address, 40_000).into()
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_of_64_bits_are_one_client() {
        let key = |address| peer(address).client_key();
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn each_ipv4_address_is_a_client_of_its_own_also_if_it_is_mapped_into_ipv6() {
        let key = |address| peer(address).client_key();
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert!(key("192.0.2.1").is_some());
    }

    #[test]
    fn the_port_of_a_client_is_shown_and_does_not_count() {
        let [one, other]: [Peer; 2] =
            ["192.0.2.1:1", "192.0.2.1:2"].map(|address| Peer::Ip(address.parse().expect("it is an address")));
        assert_eq!(one.client_key(), other.client_key());
        assert_eq!((one.to_string(), one.address().to_string()), ("192.0.2.1:1".to_owned(), "192.0.2.1".to_owned()));
    }

    #[test]
    fn a_peer_is_shown_as_it_connects_and_its_address_also_in_canonical_form() {
        let mapped = peer("::ffff:192.0.2.1");
        assert_eq!(mapped.to_string(), "[::ffff:192.0.2.1]:40000");
        assert_eq!(mapped.address().to_string(), "::ffff:192.0.2.1");
        assert_eq!(mapped.address().to_canonical().to_string(), "192.0.2.1");
    }

    #[test]
    fn a_peer_without_an_address_is_one_word_and_no_client_that_others_could_be() {
        assert_eq!(
            (Peer::Local.to_string(), Peer::Local.address().to_string()),
            ("unix".to_owned(), "unix".to_owned())
        );
        assert_eq!(Peer::Local.client_key(), None);
    }

    #[test]
    fn every_client_has_a_shard() {
        for address in ["0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "ffff:ffff:ffff:ffff::", "2001:db8::"] {
            let key = peer(address).client_key().expect("it has an address");
            assert!(key.shard(16) < 16 && key.shard(1) == 0, "{address}");
        }
    }
}
