//! Which proxies are trusted to name their clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Peer;
use crate::outbound::{Network, NetworkError};

/// A proxy, or a network of proxies, that is trusted to name its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxy {
    /// All addresses of a network.
    Network(Network),
    /// Every process that may connect over a Unix socket.
    Unix,
}

/// All proxies that are trusted to name their clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

impl TrustedProxies {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a peer is one of them. An IPv4 address that is mapped into IPv6 is an IPv4 address.
    #[must_use]
    pub fn contains(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.contains_address(address.ip().to_canonical()),
            Peer::Local => self.0.contains(&TrustedProxy::Unix),
            Peer::Timer => false,
        }
    }

    fn contains_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| matches!(proxy, TrustedProxy::Network(network) if network.contains(address)))
    }
}

impl From<Vec<TrustedProxy>> for TrustedProxies {
    fn from(proxies: Vec<TrustedProxy>) -> Self {
        Self(proxies)
    }
}

/// A network as in `10.1.0.0/16`, one address, or `unix`.
impl FromStr for TrustedProxy {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => format!("{address}/32").parse(),
            Ok(IpAddr::V6(address)) => format!("{address}/128").parse(),
            Err(_) => text.parse(),
        };
        network.map(Self::Network)
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn trusted(texts: &[&str]) -> TrustedProxies {
        texts.iter().map(|text| text.parse().expect("it is a proxy")).collect::<Vec<_>>().into()
    }

    fn peer(address: &str) -> Peer {
        SocketAddr::new(address.parse().expect("it is an address"), 1).into()
    }

    #[test]
    fn a_proxy_is_a_network_an_address_or_any_process_with_a_unix_socket() {
        let proxies = trusted(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "fd00::1", "unix"]);
        let inside = ["10.0.0.0", "10.255.255.255", "2001:db8::1", "192.0.2.7", "fd00::1", "::ffff:10.1.2.3"];
        for address in inside {
            assert!(proxies.contains(&peer(address)), "{address}");
        }
        for address in ["11.0.0.0", "9.255.255.255", "192.0.2.8", "fd00::2", "2001:db9::", "::10.1.2.3"] {
            assert!(!proxies.contains(&peer(address)), "{address}");
        }
        assert!(proxies.contains(&Peer::Local) && !proxies.contains(&Peer::Timer));
        assert!(!trusted(&["0.0.0.0/0", "::/0"]).contains(&Peer::Local));
        assert!(!TrustedProxies::default().contains(&peer("10.0.0.1")));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "example.org", "10.0.0", "Unix", "10.0.0.0/8 ", "::1/129", "*"] {
            assert!(text.parse::<TrustedProxy>().is_err(), "{text:?}");
        }
    }
}
